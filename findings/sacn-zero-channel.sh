#!/usr/bin/env bash
# npm sacn 4.6.2 (DMX over the network, ANSI E1.31): a channel that goes to zero is missing in what the receiver hands out.
#
# ANSI E1.31-2018, 7.7: the data is "a sequence of octet data values that represent a consecutive group of data slots,
# starting with slot 1": a slot's 0 is a value as any other. The library's own description of a packet shows `3: 0` in
# `payload`. In truth a slot of 0 has no entry there: `payload[3]` is undefined, as for a slot the packet never had. Who
# goes through the entries, or merges them into what was known (`Object.assign(known, packet.payload)`), never sees a
# light go out: it stays at its last value above zero. A lamp for "voting open", driven by such a bridge, stays on after
# the end. `payloadAsBuffer` has all the slots.
#
# Seen with sacn 4.6.2 on Node 20.20.2. Output:
#   sent 1: 100, 2: 40, 3: 0 → received {"1":100,"2":40}
#   sent 1: 0, 2: 40, 3: 0 → received {"2":40}
#   known after both, merged: {"1":100,"2":40}
#   as a buffer: 0 102 0
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error sacn@4.6.2 >/dev/null

cat > received.js <<'JS'
const { Packet } = require("sacn");

/** What a receiver makes of these channels, from the bytes that a sender sends. */
function received(payload, sequence) {
  return new Packet(new Packet({ universe: 1, sequence, payload, cid: Buffer.alloc(16, 1), sourceName: "desk" }).buffer);
}

const on = received({ 1: 100, 2: 40, 3: 0 }, 1);
const off = received({ 1: 0, 2: 40, 3: 0 }, 2);
console.log(`sent 1: 100, 2: 40, 3: 0 → received ${JSON.stringify(on.payload)}`);
console.log(`sent 1: 0, 2: 40, 3: 0 → received ${JSON.stringify(off.payload)}`);
console.log(`known after both, merged: ${JSON.stringify({ ...on.payload, ...off.payload })}`);
console.log(`as a buffer: ${[...off.payloadAsBuffer.subarray(0, 3)].join(" ")}`);
JS
found=$(node received.js)
echo "$found"
[ "$found" = 'sent 1: 100, 2: 40, 3: 0 → received {"1":100,"2":40}
sent 1: 0, 2: 40, 3: 0 → received {"2":40}
known after both, merged: {"1":100,"2":40}
as a buffer: 0 102 0' ]
