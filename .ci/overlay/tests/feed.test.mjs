// The page's connection: streams that break, services that are away, refuse or fall behind.

import assert from "node:assert/strict";
import test, { after, afterEach, before, beforeEach } from "node:test";

import { crash, flags, launch, open, settled, texts, until } from "../lib/browser.mjs";
import { eventually } from "../../browser/lib/services.mjs";
import { rowsOf } from "../lib/rows.mjs";
import { StandIn } from "../lib/stand-in.mjs";

let browser;
let service;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});
beforeEach(async () => {
  service = await StandIn.start();
  service.rows = rowsOf([60, 40]);
});
afterEach(() => service.stop());

const overlay = (query = "") => `${service.url}/overlay/paredao-01${query}`;

/** Watches that the panel never leaves, and that no node of it is made anew. */
async function watch(page) {
  await page.evaluate(() => {
    const panel = document.querySelector(".panel");
    window.flickers = [];
    window.watched = setInterval(() => {
      if (panel !== document.querySelector(".panel")) window.flickers.push("another panel");
      if (getComputedStyle(panel).opacity !== "1") window.flickers.push(getComputedStyle(panel).opacity);
    }, 5);
    new MutationObserver((changes) => {
      for (const { addedNodes, removedNodes } of changes) {
        if (addedNodes.length + removedNodes.length > 0) window.flickers.push("nodes");
      }
    }).observe(panel, { childList: true, subtree: true });
  });
}

test("a stream that is cut comes back without a flicker, and goes on", async () => {
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "live", feed: "stream" });
  await settled(page);
  await watch(page);
  for (let revision = 101; revision < 104; revision += 1) {
    service.cut();
    service.rows = rowsOf([60 - revision / 10, 40], { revision });
    await until(page, { air: "live", feed: "stream", revision: String(revision) });
  }
  assert.deepEqual(await page.evaluate(() => window.flickers), []);
  await close();
});

test("a service that is away freezes the figures, and its return moves them on", async () => {
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "live" });
  await settled(page);
  await watch(page);
  const { port } = service;
  await service.stop();
  await until(page, { air: "frozen", airReason: "unreachable", feed: "down", revision: "100" });
  service = await StandIn.start(port);
  service.rows = rowsOf([70, 30], { revision: 150 });
  await until(page, { air: "live", airReason: "", feed: "stream", revision: "150" });
  assert.deepEqual(await page.evaluate(() => window.flickers), []);
  await close();
});

test("while a stream is refused with 503 the page asks, and the stream is taken up again", async () => {
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "live", feed: "stream" });
  service.stream = 503;
  service.headers = { "Retry-After": "1" };
  service.cut();
  service.rows = rowsOf([61, 39], { revision: 101 });
  await until(page, { air: "live", feed: "polling", revision: "101" });
  service.stream = "ok";
  await until(page, { air: "live", feed: "stream" });
  await close();
});

test("Retry-After is kept to", async () => {
  service.stream = 503;
  service.headers = { "Retry-After": "20" };
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "live", feed: "polling" });
  const before = service.countOf("results.rows.json");
  // Ten more questions for rows, and none for the stream.
  await page.waitForFunction(() => new Promise((done) => setTimeout(() => done(true), 8000)));
  assert.ok(service.countOf("results.rows.json") > before + 2);
  assert.equal(service.countOf("results/stream"), 1);
  await close();
});

test("a service without a stream is asked, conditionally", async () => {
  for (const status of [404, 204, 400]) {
    service.stream = status;
    service.rows = rowsOf([60, 40]);
    const { page, close } = await open(browser, overlay());
    await until(page, { air: "live", feed: "polling", revision: "100" });
    service.rows = rowsOf([50, 50], { revision: 101 });
    await until(page, { air: "live", feed: "polling", revision: "101" });
    const asked = service.countOf("results.rows.json");
    await page.waitForFunction(() => new Promise((done) => setTimeout(() => done(true), 4000)));
    assert.ok(service.countOf("results.rows.json") <= asked + 8, "about one a second");
    await close();
  }
});

test("the stream of a poll that is over is asked once more, and then left", async () => {
  service.stream = "over";
  service.rows = rowsOf([60, 40], { status: "final", state: "sealed" });
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "live", feed: "polling", revision: "100" });
  const before = service.countOf("results.rows.json");
  await page.waitForFunction(() => new Promise((done) => setTimeout(() => done(true), 6000)));
  assert.ok(service.countOf("results.rows.json") > before + 2, "the rows are still asked for");
  assert.equal(service.countOf("results/stream"), 2);
  await close();
});

test("a refused token is said, and tried again", async () => {
  service.stream = 401;
  service.polling = 401;
  const { page, close } = await open(browser, overlay("?token=old"));
  await until(page, { air: "waiting", airReason: "server-busy", feed: "down" });
  service.stream = "ok";
  service.polling = "ok";
  await until(page, { air: "live", feed: "stream" });
  await close();
});

test("nothing goes back: a replica that is behind freezes, and is caught up with", async () => {
  service.rows = rowsOf([60, 40], { revision: 500 });
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "live", revision: "500" });
  await settled(page);
  service.push(rowsOf([10, 90], { revision: 480 }));
  await until(page, { air: "frozen", airReason: "older", revision: "500" });
  assert.deepEqual(await texts(page, "percent"), ["60,00 %", "40,00 %"]);
  service.push(rowsOf([61, 39], { revision: 501 }));
  await until(page, { air: "live", airReason: "", revision: "501" });
  await close();
});

test("stale figures freeze, and fresh ones move on", async () => {
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "live" });
  service.push(rowsOf([60, 40], { status: "stale", on_air: false }));
  await until(page, { air: "frozen", airReason: "stale", revision: "100" });
  service.push(rowsOf([60, 40], { revision: 101 }));
  await until(page, { air: "live", revision: "101" });
  await close();
});

test("a stream that has died without a word is left", async () => {
  service.stream = "silent";
  service.polling = "cut";
  const { page, close } = await open(browser, overlay());
  await eventually("the stream has begun", async () => service.countOf("results/stream") === 1);
  assert.equal((await flags(page)).air, "waiting");
  service.stream = "ok";
  service.polling = "ok";
  await until(page, { air: "live", feed: "stream" });
  assert.equal(service.countOf("results/stream"), 2);
  await close();
});

test("bodies that are none freeze", async () => {
  service.stream = 404;
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "live" });
  for (const body of ["<html>", "{}", "[]", "[1]", ""]) {
    service.rows = body;
    await until(page, { air: "frozen", airReason: "malformed", revision: "100" });
    service.rows = rowsOf([60, 40]);
    await until(page, { air: "live" });
  }
  await close();
});

test("ten overlays in one browser share one stream, where it has six connections for all", async () => {
  const context = await browser.newContext({ viewport: { width: 480, height: 270 } });
  const pages = [];
  for (let index = 0; index < 10; index += 1) pages.push(await open(browser, overlay(), { context }));
  for (const { page } of pages) await until(page, { air: "live", feed: "stream", revision: "100" });
  assert.equal(service.streams, 1);
  service.push(rowsOf([55, 45], { revision: 101 }));
  for (const { page } of pages) await until(page, { revision: "101" });
  // The first one goes; the others stay connected, and one that comes late has the newest figures at once.
  await pages[0].page.close();
  const late = await open(browser, overlay(), { context });
  await until(late.page, { air: "live", revision: "101" });
  assert.equal(service.streams, 1);
  for (const { page } of pages.slice(1)) await page.close();
  await late.page.close();
  await context.close();
});

test("a worker that dies with the page that started it is said, and the others share another one", async () => {
  const context = await browser.newContext({ viewport: { width: 480, height: 270 } });
  const first = await open(browser, overlay(), { context });
  await until(first.page, { air: "live", feed: "stream" });
  const others = [await open(browser, overlay(), { context }), await open(browser, overlay(), { context })];
  for (const { page } of others) {
    await until(page, { air: "live", feed: "stream" });
    await settled(page);
    await watch(page);
    await page.evaluate(() => {
      window.reasons = [];
      new MutationObserver(() => window.reasons.push(document.documentElement.dataset.airReason))
        .observe(document.documentElement, { attributeFilter: ["data-air-reason"] });
    });
  }
  await crash(first);
  service.push(rowsOf([60, 40], { release: "held", on_air: false, revision: 101 }));
  for (const { page } of others) await until(page, { air: "frozen", airReason: "held", feed: "stream", revision: "100" });
  service.push(rowsOf([70, 30], { revision: 102 }));
  for (const { page } of others) {
    await until(page, { air: "live", feed: "stream", revision: "102" });
    assert.deepEqual(await page.evaluate(() => [window.reasons, window.flickers]), [["unreachable", "held", ""], []]);
  }
  await eventually("one stream", async () => service.streams === 1 || service.streams);
  for (const { close } of others) await close();
  await context.close();
});

test("a worker that no longer answers is left for a stream of the page's own", async () => {
  const init = () => {
    window.workers = 0;
    window.SharedWorker = class {
      constructor() {
        const { port1, port2 } = new MessageChannel();
        this.port = port1;
        window.workers += 1;
        // The first one says once that all is well.
        if (window.workers === 1) port2.postMessage({ alive: "polling" });
      }
    };
  };
  const { page, close } = await open(browser, overlay(), { init });
  await until(page, { feed: "polling", air: "waiting" });
  await until(page, { feed: "stream", air: "live" });
  assert.equal(await page.evaluate(() => window.workers), 2, "another one was asked first");
  await close();
});

test("a page that was suspended goes on with the worker it had", async () => {
  const context = await browser.newContext();
  await context.clock.install();
  const { page, close } = await open(browser, overlay(), { context });
  await until(page, { air: "live", feed: "stream" });
  for (const revision of [101, 102]) {
    // As a lid that is closed and opened: what is due runs at once, before what has come meanwhile is read.
    await page.clock.fastForward("08:00:00");
    service.push(rowsOf([61, 39], { revision }));
    await until(page, { air: "live", feed: "stream", revision: String(revision) });
  }
  assert.equal(service.countOf("results/stream"), 1);
  await close();
  await context.close();
});

test("a page that the worker has forgotten is heard again", async () => {
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "live", feed: "stream" });
  for (const [revision, forget] of [
    // As where the browser keeps a page for a way back.
    [101, () => window.dispatchEvent(new Event("pagehide"))],
    // More pages than a feed has, as they would be left by pages that went without a word.
    [102, async () => {
      const base = new URL("..", location.href).href;
      const source = { base, poll: "paredao-01" };
      const url = `${base}overlay/assets/test/worker.js`;
      for (let count = 0; count < 64; count += 1) {
        const { port } = new SharedWorker(url, { type: "module", name: `paredao ${url}` });
        const joined = new Promise((done) => { port.onmessage = done; });
        port.postMessage({ source, key: JSON.stringify([base, "paredao-01", "", ""]) });
        await joined;
      }
    }],
  ]) {
    await page.evaluate(forget);
    service.push(rowsOf([61, 39], { revision }));
    await until(page, { air: "live", feed: "stream", revision: String(revision) });
    assert.equal(service.streams, 1, "it is the worker's");
  }
  await close();
});

test("without SharedWorker, or with one that fails, a page has a stream of its own", async () => {
  for (const init of [
    () => { delete window.SharedWorker; },
    () => { window.SharedWorker = class { constructor() { throw new Error("no"); } }; },
    () => { window.SharedWorker = class { constructor() { this.port = new MessageChannel().port1; } }; },
    () => {
      const Real = window.SharedWorker;
      window.SharedWorker = function (url) { return new Real(url); };
    },
  ]) {
    const { page, close } = await open(browser, overlay(), { init });
    await until(page, { air: "live", feed: "stream" });
    await close();
  }
});
