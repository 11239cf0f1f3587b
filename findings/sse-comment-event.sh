#!/usr/bin/env bash
# PyPI httpx-sse 0.4.3 and npm @microsoft/fetch-event-source 2.0.1: a keep-alive comment is handed over as an event.
#
# HTML, 9.2.6 (Interpreting an event stream): a line that starts with a colon: "Ignore the line." At the blank line behind it:
# "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string and return." And
# 9.2.7 advises servers to send "a comment line (one starting with a ':' character) every 15 seconds or so". So a comment and
# a blank line are no event. fetch-event-source calls `onmessage` with empty data for each of them. httpx-sse is right until
# the stream has named an id; from then on each of them is an event of type `message` with empty data and the last id.
#
# Who reads results as JSON fails at the first quiet 15 seconds; who counts events by id counts the last one again. It shows
# only with ids and a pause, so seldom in a test. A server can write `:` and one line end, without the blank line.
#
# Seen with httpx-sse 0.4.3 (httpx 0.28.1) and @microsoft/fetch-event-source 2.0.1. Output:
#   httpx-sse, no id: ["1204"]
#   httpx-sse, id 7: ["1204", "", ""]
#   httpx-sse, id 7, comments without a blank line: ["1204"]
#   fetch-event-source, no id: ["1204","",""]
#   fetch-event-source, comments without a blank line: ["1204"]
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check httpx-sse==0.4.3 httpx==0.28.1
npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error @microsoft/fetch-event-source@2.0.1 >/dev/null

cat > read.py <<'PY'
import json
import sys

import httpx
import httpx_sse

body = sys.argv[1].encode().decode("unicode_escape").encode()
answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
print(json.dumps([event.data for event in httpx_sse.EventSource(answer).iter_sse()]))
PY
cat > read.mjs <<'JS'
import { fetchEventSource } from "@microsoft/fetch-event-source";

// What it asks of a page beside `fetch`.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };

const body = JSON.parse(`"${process.argv[2]}"`);
const seen = [];
await fetchEventSource("http://results.example/", {
  openWhenHidden: true,
  fetch: async () => new Response(body, { headers: { "content-type": "text/event-stream" } }),
  onmessage: (event) => seen.push(event.data),
  onerror: (error) => { throw error; },
});
console.log(JSON.stringify(seen));
JS

plain='data: 1204\n\n: keep-alive\n\n: keep-alive\n\n'
tight='data: 1204\n\n: keep-alive\n: keep-alive\n'
found=$(
  echo "httpx-sse, no id: $(venv/bin/python read.py "$plain")"
  echo "httpx-sse, id 7: $(venv/bin/python read.py "id: 7\\n$plain")"
  echo "httpx-sse, id 7, comments without a blank line: $(venv/bin/python read.py "id: 7\\n$tight")"
  echo "fetch-event-source, no id: $(node read.mjs "$plain")"
  echo "fetch-event-source, comments without a blank line: $(node read.mjs "$tight")"
)
echo "$found"
[ "$found" = 'httpx-sse, no id: ["1204"]
httpx-sse, id 7: ["1204", "", ""]
httpx-sse, id 7, comments without a blank line: ["1204"]
fetch-event-source, no id: ["1204","",""]
fetch-event-source, comments without a blank line: ["1204"]' ]
