#!/usr/bin/env bash
# npm sacn 4.6.2 (DMX over the network, ANSI E1.31): takes the packet that comes late, throws away the one after a gap.
#
# ANSI E1.31-2018, 6.7.2, for a packet B after a packet A: "If, using signed 8-bit binary arithmetic, B – A is less than or
# equal to 0, but greater than -20, then the packet containing sequence number B shall be deemed out of sequence and
# discarded." So a late one is dropped, and a jump ahead is taken at once. The library does the reverse: what differs by
# 20 or less is handed out, older or newer, even the same number again; what is more than 20 ahead is an error,
# `PacketOutOfOrder`, and its values are not handed out. So a light steps back to an older state for a moment, and after
# a break of half a second the first new state is missed. Who handles that error as "ignore, it is old" drops the newest.
#
# Seen with sacn 4.6.2 on Node 20.20.2, over the loopback interface. Output:
#   after 100, 101, 102: 97, late by five: handed out
#   after 103: 103 again: handed out
#   after 103: 124, as 20 were lost: not handed out
#   after 124: 125: handed out
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error sacn@4.6.2 >/dev/null

cat > received.js <<'JS'
const { createSocket } = require("dgram");
const { once } = require("events");
const { Packet, Receiver } = require("sacn");

async function main() {
  const receiver = new Receiver({ universes: [1], port: 0, iface: "127.0.0.1" });
  receiver.on("error", () => {}); // No multicast here: the packets below come by unicast.
  await once(receiver.socket, "listening");
  const { port } = receiver.socket.address();
  const sender = createSocket("udp4");

  /** Sends the packet of this number, and says whether the receiver handed it out. */
  async function sent(sequence) {
    const packet = new Packet({ universe: 1, sequence, payload: { 1: 50 }, cid: Buffer.alloc(16, 1), sourceName: "desk" });
    const answer = new Promise((resolve) => {
      receiver.once("packet", () => resolve("handed out"));
      receiver.once("PacketOutOfOrder", () => resolve("not handed out"));
    });
    sender.send(packet.buffer, port, "127.0.0.1");
    const said = await answer;
    receiver.removeAllListeners("packet").removeAllListeners("PacketOutOfOrder");
    return said;
  }

  for (const sequence of [100, 101, 102]) await sent(sequence);
  console.log(`after 100, 101, 102: 97, late by five: ${await sent(97)}`);
  await sent(103);
  console.log(`after 103: 103 again: ${await sent(103)}`);
  console.log(`after 103: 124, as 20 were lost: ${await sent(124)}`);
  console.log(`after 124: 125: ${await sent(125)}`);
  sender.close();
  receiver.close();
}

main();
JS
found=$(timeout 20 node received.js)
echo "$found"
[ "$found" = 'after 100, 101, 102: 97, late by five: handed out
after 103: 103 again: handed out
after 103: 124, as 20 were lost: not handed out
after 124: 125: handed out' ]
