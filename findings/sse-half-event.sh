#!/usr/bin/env bash
# PyPI sseclient-py 1.9.0 and npm parse-sse 0.1.0: a stream that ends inside an event gives that half event as a whole one.
#
# HTML, 9.2.6 (Interpreting an event stream): "Once the end of the file is reached, any pending data must be discarded. (If the
# file ends in the middle of an event, before the final empty line, the incomplete event is not dispatched.)" Both hand it over
# as it is, with nothing that tells it from a whole one. Half of a JSON object does at least not parse. Half of a number does:
# `data: 120456`, cut behind the 12, is 12 votes.
#
# Where the cut shows as an error (HTTP/1.1 with a chunk missing) nothing is handed over. A body that ends with its connection
# (HTTP/1.0, or a proxy that answers so) ends as cleanly in the middle. So a payload should be an object, whose half does not
# parse, never a bare number or a bare word.
#
# Seen with sseclient-py 1.9.0 and parse-sse 0.1.0, beside httpx-sse 0.4.3 and eventsource-parser 3.1.1. Output:
#   sseclient-py: ["120455", "12"]
#   parse-sse: ["120455","12"]
#   httpx-sse: ["120455"]
#   eventsource-parser: ["120455"]
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check sseclient-py==1.9.0 httpx-sse==0.4.3 httpx==0.28.1
npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error parse-sse@0.1.0 eventsource-parser@3.1.1 >/dev/null

printf 'data: 120455\n\ndata: 12' > stream
cat > read.py <<'PY'
import json

import httpx
import httpx_sse
import sseclient

body = open("stream", "rb").read()
print("sseclient-py:", json.dumps([event.data for event in sseclient.SSEClient(iter([body])).events()]))
answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
other = [event.data for event in httpx_sse.EventSource(answer).iter_sse()]
print("httpx-sse:", json.dumps(other))
PY
cat > read.mjs <<'JS'
import { readFileSync } from "node:fs";
import { createParser } from "eventsource-parser";
import { parseServerSentEvents } from "parse-sse";

const body = readFileSync("stream", "utf8");
const seen = [];
const answer = new Response(body, { headers: { "content-type": "text/event-stream" } });
for await (const event of parseServerSentEvents(answer)) seen.push(event.data);
console.log("parse-sse:", JSON.stringify(seen));
const other = [];
createParser({ onEvent: (event) => other.push(event.data) }).feed(body);
console.log("eventsource-parser:", JSON.stringify(other));
JS

python=$(venv/bin/python read.py)
node=$(node read.mjs)
found=$(
  printf '%s\n' "$python" | grep '^sseclient-py'
  printf '%s\n' "$node" | grep '^parse-sse'
  printf '%s\n' "$python" | grep '^httpx-sse'
  printf '%s\n' "$node" | grep '^eventsource-parser'
)
echo "$found"
[ "$found" = 'sseclient-py: ["120455", "12"]
parse-sse: ["120455","12"]
httpx-sse: ["120455"]
eventsource-parser: ["120455"]' ]
