// Runs the page's example through a proxy that forwards everything, but cuts the connection in place of the first
// answer: the vote is recorded, and its client doesn't know. Prints what was seen on the way.
import { webcrypto } from "node:crypto";
import { createServer } from "node:http";
import { cast, VoteRefused } from "./example.mjs";

const [service, poll] = process.argv.slice(2);
const keys = [];
// A browser has it; Node.js has it by itself from 20 on.
globalThis.crypto ??= webcrypto;

const proxy = createServer(async (request, response) => {
  const body = [];
  for await (const part of request) body.push(part);
  const headers = { "content-type": request.headers["content-type"] };
  const key = request.headers["idempotency-key"];
  if (key) headers["idempotency-key"] = key;
  const answer = await fetch(service + request.url, { method: request.method, headers, body: Buffer.concat(body) });
  const text = await answer.text();
  keys.push(key);
  if (keys.length === 1) {
    request.socket.destroy();
    return;
  }
  response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(text);
});
await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${proxy.address().port}`;

const { status, receipt } = await cast(url, poll, { candidate: "ana" });
const requests = keys.length;
const distinct = new Set(keys).size;
const refused = await cast(url, poll, { candidate: "nobody" }).catch((error) => error);
if (!(refused instanceof VoteRefused)) throw refused;
if (keys.length !== requests + 1) throw new Error("a refused vote was sent again");
console.log(JSON.stringify({ status, receipt, requests, keys: distinct, gave_up: refused.code }));
proxy.close();
proxy.closeAllConnections();
