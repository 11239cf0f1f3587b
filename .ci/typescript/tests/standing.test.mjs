// Figures of the real results service in a real browser: ten tabs, one connection; who reads when that tab is closed; a
// page without locks; a worker and Node.js.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { Services, Switch, eventually } from "../../browser/lib/services.mjs";
import { PLAIN, launch, open } from "../lib/browser.mjs";
import { Site } from "../lib/site.mjs";

const TABS = 10;

let system;
let site;
let browser;
let results;
let ingest;
before(async () => {
  site = await Site.start();
  system = await Services.start();
  const settings = { VOTE__HTTP__CORS_ALLOWED_ORIGINS: `${site.url},http://${PLAIN}:${site.port}` };
  results = await system.service("vote-results", { settings });
  ingest = await system.service("vote-ingest", { settings });
  site.services = [results.url, ingest.url];
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await system?.stop();
  await site?.stop();
});

/** A tab that follows the poll, in `window.seen`. */
async function tab(context, poll, { origin = site.url, from = results.url } = {}) {
  const url = site.page("/tab", "<p>Figures.</p>", "en").replace(site.url, origin);
  const opened = await open(context, url);
  const { page } = opened;
  opened.requests = [];
  page.on("request", (request) => opened.requests.push(request.url()));
  await page.evaluate(async (given) => {
    const { watchStanding } = await import("/dist/index.js");
    window.seen = { totals: [], revisions: [], states: [], hows: [] };
    window.watch = watchStanding({
      ...given,
      onStanding: ({ total_votes, revision }, { how }) => {
        window.seen.totals.push(total_votes);
        window.seen.revisions.push(revision);
        window.seen.hows.push(how);
      },
      onState: (state) => window.seen.states.push(state),
    });
  }, { results: from, poll });
  opened.total = (wanted) => page.waitForFunction((total) => window.seen.totals.at(-1) === total, wanted);
  opened.streams = () => opened.requests.filter((one) => one.includes("/results/stream")).length;
  return opened;
}

const never = (revisions) => assert.deepEqual(revisions, revisions.slice().sort((one, other) => one - other), "never back");

test("ten tabs of a browser have one stream, and all see each vote; a vote gets through beside them", async () => {
  await system.open("tabs");
  const context = await browser.newContext();
  const tabs = [];
  for (let count = 0; count < TABS; count += 1) tabs.push(await tab(context, "tabs"));
  for (const one of tabs) await one.total(0);
  assert.equal(tabs.reduce((sum, one) => sum + one.streams(), 0), 1, "one stream");
  // A vote from the last tab: over HTTP/1.1 it would find no connection beside ten streams.
  const outcome = await tabs.at(-1).page.evaluate(async (vote) => {
    const { castVote } = await import("/dist/index.js");
    return (await castVote(vote)).outcome;
  }, { ingest: ingest.url, poll: "tabs", candidate: "ana" });
  assert.equal(outcome, "accepted");
  for (const one of tabs) await one.total(1);
  // The tab that reads is closed: another one goes on.
  const reader = tabs.findIndex((one) => one.streams() > 0);
  await tabs.splice(reader, 1)[0].close();
  await system.vote("tabs", "bia", 1);
  for (const one of tabs) await one.total(2);
  await eventually("the next one has the stream", async () => tabs.reduce((sum, one) => sum + one.streams(), 0) === 1);
  for (const one of tabs) {
    never(await one.page.evaluate(() => window.seen.revisions));
    await one.close();
  }
  await context.close();
});

test("a tab that is frozen keeps the stream, and the others ask for themselves", async () => {
  await system.open("frozen");
  const context = await browser.newContext();
  const reader = await tab(context, "frozen");
  await reader.total(0);
  const other = await tab(context, "frozen");
  await other.total(0);
  assert.deepEqual([reader.streams(), other.streams()], [1, 0]);
  const devtools = await context.newCDPSession(reader.page);
  // A debugger stops a page as a phone does with one in the background; it keeps its lock.
  await devtools.send("Debugger.enable");
  const paused = new Promise((stopped) => devtools.once("Debugger.paused", stopped));
  await devtools.send("Debugger.pause");
  await system.vote("frozen", "ana", 1);
  await paused;
  await system.vote("frozen", "ana", 1);
  await other.total(2);
  const hows = await other.page.evaluate(() => window.seen.hows);
  assert.equal(hows.at(-1), "polling");
  await devtools.send("Debugger.disable");
  await reader.total(2);
  await reader.close();
  await other.close();
  await context.close();
});

test("a page over plain HTTP, which has no locks, asks with an ETag and keeps no connection", async () => {
  await system.open("plain");
  const context = await browser.newContext();
  const one = await tab(context, "plain", { origin: `http://${PLAIN}:${site.port}` });
  assert.equal(await one.page.evaluate(() => window.isSecureContext), false);
  await one.total(0);
  await system.vote("plain", "ana", 1);
  await one.total(1);
  const answer = await one.page.waitForResponse((response) => response.url().endsWith("/results") && response.status() === 304);
  assert.ok(answer.request().headers()["if-none-match"]);
  assert.equal(one.streams(), 0);
  assert.deepEqual(await one.page.evaluate(() => window.seen.states), ["polling"]);
  // A key needs no secure context either.
  const end = await one.page.evaluate(async (vote) => {
    const { castVote, keptReceipts } = await import("/dist/index.js");
    const { outcome, receipt } = await castVote(vote);
    return { outcome, same: (await keptReceipts())[0].receipt === receipt };
  }, { ingest: ingest.url, poll: "plain", candidate: "ana" });
  assert.deepEqual(end, { outcome: "accepted", same: true });
  await one.close();
  await context.close();
});

test("a service that dies is asked, and its successor streams again; no figure goes back", async () => {
  await system.open("dies");
  const settings = { VOTE__HTTP__CORS_ALLOWED_ORIGINS: site.url };
  const first = await system.service("vote-results", { settings });
  site.services = [...site.services, first.url];
  const context = await browser.newContext();
  const one = await tab(context, "dies", { from: first.url });
  await one.total(0);
  for (const signal of ["SIGKILL", "SIGTERM"]) {
    await system.kill(first, signal);
    await one.page.waitForFunction(() => window.seen.states.at(-1) === "stale");
    await system.vote("dies", "ana", 1);
    first.child = (await system.service("vote-results", { port: first.port, settings })).child;
    await one.page.waitForFunction(() => window.seen.states.at(-1) === "live");
    await one.total(signal === "SIGKILL" ? 1 : 2);
  }
  never(await one.page.evaluate(() => window.seen.revisions));
  await one.close();
  await context.close();
});

test("a void poll ends the watch in all tabs", async () => {
  await system.open("ends");
  const context = await browser.newContext();
  const tabs = [await tab(context, "ends"), await tab(context, "ends")];
  for (const one of tabs) await one.total(0);
  await system.votectl("poll", "void", "ends", "--yes", "--reason", "the test's end");
  for (const one of tabs) {
    await one.page.evaluate(() => window.watch.done);
    assert.equal(await one.page.evaluate(() => window.seen.states.at(-1)), "ended");
    await one.close();
  }
  await context.close();
});

test("Node.js follows the stream, across a change of replica", async () => {
  await system.open("node");
  const { watchStanding } = await import("../../../clients/typescript/dist/node.js");
  const other = await system.service("vote-results");
  const front = await Switch.start(results.port);
  const seen = [];
  const watch = watchStanding({ results: front.url, poll: "node", onStanding: ({ total_votes, revision }, { how }) => seen.push({ total_votes, revision, how }) });
  try {
    // On a busy machine it may ask before the stream is there; the stream then brings what is new.
    let votes = 0;
    await eventually("figures by the stream", async () => {
      if (seen.some(({ how }) => how === "stream")) return true;
      await system.vote("node", "ana", 1);
      votes += 1;
      return seen;
    });
    for (const [place, port] of [other.port, results.port].entries()) {
      front.turn(port);
      await system.vote("node", "ana", 1);
      await eventually("the next figures", async () => seen.at(-1).total_votes === votes + place + 1 || seen.at(-1));
    }
    never(seen.map(({ revision }) => revision));
    watch.close();
    await watch.done;
  } finally {
    watch.close();
    await front.stop();
  }
});
