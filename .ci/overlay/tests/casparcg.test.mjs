// CasparCG's calls, in its order and in its spelling.
//
// Its HTML producer runs, once the page is loaded, what came before: `update("…")` first, of a template that is added
// without data too, and then `play()`. The window has a `remove` of the host's, by which the page ends itself.

import assert from "node:assert/strict";
import test, { after, afterEach, before, beforeEach } from "node:test";

import { flags, isEmpty, launch, open, same, settled, stillPicture, texts, until } from "../lib/browser.mjs";
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
  service.rows = rowsOf([56.73, 43.27]);
});
afterEach(() => service.stop());

/** As CasparCG makes the window, and calls what was queued at the page's load. */
function host(...calls) {
  return `
    window.ended = 0;
    window.remove = () => { window.ended += 1; };
    addEventListener("load", () => { for (const call of ${JSON.stringify(calls)}) (0, eval)(call); });
  `;
}

/** A page of the producer's; the page's policy is none to the host's own calls, nor is it here. */
async function producer(...calls) {
  const context = await browser.newContext({ viewport: { width: 1920, height: 1080 }, bypassCSP: true });
  const { page, close } = await open(browser, `${service.url}/overlay/paredao-01`, { context, init: { content: host(...calls) } });
  return { page, call: (script) => page.evaluate(script), close: async () => { await close(); await context.close(); } };
}

/** As its server writes a call of `update`. */
function update(data) {
  return `update("${data.replace(/^[ "]+|[ "]+$/g, "").replace(/"/g, '\\"')}")`;
}

test("added without data and not played, nothing is seen; then play, next, stop, and the page ends itself", async () => {
  const { page, call, close } = await producer('update("")');
  await until(page, { air: "live", playing: "no", shown: "no", updateProblem: "" });
  assert.ok(await isEmpty(page), "before play()");
  await call("play()");
  await until(page, { playing: "yes", shown: "yes" });
  await settled(page);
  assert.deepEqual(await texts(page, "percent"), ["56,73 %", "43,27 %"]);
  assert.equal(await call("window.ended"), 0);
  await call("stop()");
  await until(page, { playing: "no", shown: "no" });
  await page.waitForFunction(() => window.ended === 1);
  await settled(page);
  assert.ok(await isEmpty(page), "after stop()");
  await close();
});

test("added and played at once, in the order of the server", async () => {
  const { page, close } = await producer(update(JSON.stringify({ layout: "duel" })), "play()");
  await until(page, { shown: "yes", layout: "duel", updateProblem: "" });
  await close();
});

test("called before the page's script is there", async () => {
  // As a host does that calls as soon as there is a window: what comes first is kept, in its order.
  await browserGate(async (page) => {
    await page.waitForFunction(() => typeof window.play === "function");
    await page.evaluate(() => {
      window.update('{"layout":"lower-third"}');
      window.play();
    });
  });
});

/** Holds the page's script back until `calls` is done. */
async function browserGate(calls) {
  const context = await browser.newContext({ viewport: { width: 1920, height: 1080 } });
  let open_;
  const opened = new Promise((done) => (open_ = done));
  await context.route("**/page.js", async (route) => {
    await opened;
    await route.continue();
  });
  const page = await context.newPage();
  await page.goto(`${service.url}/overlay/paredao-01`, { waitUntil: "commit" });
  await calls(page);
  open_();
  await until(page, { shown: "yes", layout: "lower-third", playing: "yes" });
  await context.close();
}

test("next() goes through the layouts and begins again", async () => {
  const { page, call, close } = await producer(update('{"layout":"bars,lower-third,duel"}'), "play()");
  await until(page, { shown: "yes", layout: "bars" });
  for (const layout of ["lower-third", "duel", "bars"]) {
    await call("next()");
    await until(page, { layout, shown: "yes" });
  }
  // Faster than it goes out and in: the last one stands.
  await call("next(), next()");
  await until(page, { layout: "duel", shown: "yes" });
  await settled(page);
  assert.deepEqual(await texts(page, "percent"), ["56,73 %", "43,27 %"]);
  await close();
});

test("data come as JSON, or as template data in XML", async () => {
  const xml = (fields) =>
    `<templateData>${Object.entries(fields).map(([id, value]) =>
      `<componentData id="${id}"><data id="text" value="${value}"/></componentData>`).join("")}</templateData>`;
  const { page, call, close } = await producer(update(xml({ layout: "lower-third", sort: "rank" })), "play()");
  await until(page, { shown: "yes", layout: "lower-third", updateProblem: "" });
  await call(update(xml({ layout: "bars", f0: "Ana &amp; Bia" })));
  await until(page, { layout: "bars", updateProblem: "" });
  await call(update('{"layout":"duel"}'));
  await until(page, { layout: "duel", updateProblem: "" });
  await close();
});

test("another poll comes by its id, and the first one's figures do not stand under its name", async () => {
  const { page, call, close } = await producer('update("")', "play()");
  await until(page, { shown: "yes", poll: "paredao-01", revision: "100" });
  service.rows = rowsOf([20, 80], { poll: "paredao-02", title: "Paredão 2", revision: 3 });
  await call(update('{"poll":"paredao-02"}'));
  await until(page, { shown: "yes", poll: "paredao-02", revision: "3" });
  assert.deepEqual(await texts(page, "title"), ["Paredão 2"]);
  assert.ok(service.asked.some((path) => path.startsWith("/v1/polls/paredao-02/results/stream")));
  await close();
});

test("an update that is none changes nothing, and says why", async () => {
  const { page, call, close } = await producer('update("")', "play()");
  await until(page, { shown: "yes" });
  const before = await stillPicture(page);
  for (const [given, said] of [
    ['update("{")', "neither JSON nor XML"],
    ['update("<templateData>")', "no templateData"],
    ['update("<html/>")', "no templateData"],
    ["update(7)", "no object"],
    ['update("{\\"layout\\":\\"circle\\"}")', "layout must be of"],
  ]) {
    await call(given);
    await page.waitForFunction((text) => document.documentElement.dataset.updateProblem.includes(text), said);
  }
  for (const empty of ['update("")', "update()", "update(null)", 'update("{}")']) {
    await call(empty);
    await until(page, { updateProblem: "" });
  }
  await same(page, before, "the picture");
  await close();
});

test("stop() before anything was shown, and play() while it goes out", async () => {
  const { page, call, close } = await producer('update("")', "stop()");
  await page.waitForFunction(() => window.ended === 1);
  await call("play()");
  await until(page, { shown: "yes" });
  await call("stop(), play()");
  await until(page, { shown: "yes", playing: "yes" });
  await settled(page);
  assert.ok(!(await isEmpty(page)));
  assert.equal(await call("window.ended"), 1, "a page that plays again is not ended");
  await close();
});

test("remove() ends the page at once", async () => {
  const { page, call, close } = await producer('update("")', "play()");
  await until(page, { shown: "yes" });
  await call("remove()");
  await page.waitForFunction(() => window.ended === 1);
  await close();
});

test("in a browser without a host stop() takes it away, and play() brings it back", async () => {
  const { page, close } = await open(browser, `${service.url}/overlay/paredao-01`);
  await until(page, { shown: "yes" });
  await page.evaluate(() => window.stop());
  await until(page, { shown: "no" });
  await settled(page);
  assert.ok(await isEmpty(page));
  await page.evaluate(() => window.remove());
  await page.evaluate(() => window.play());
  await until(page, { shown: "yes" });
  await close();
});

test("?autoplay=0 waits for play() where nobody calls update", async () => {
  const { page, close } = await open(browser, `${service.url}/overlay/paredao-01?autoplay=0`);
  await until(page, { air: "live", playing: "no", shown: "no" });
  assert.equal((await flags(page)).shown, "no");
  assert.ok(await isEmpty(page));
  await close();
});

test("a part of the page that is missing, as while a version is rolled out, is asked for again, and no call is lost", async () => {
  const context = await browser.newContext({ viewport: { width: 1920, height: 1080 } });
  let missing = 2;
  await context.route("**/graphic.js", (route) => {
    missing -= 1;
    return missing >= 0 ? route.fulfill({ status: 404, body: "" }) : route.continue();
  });
  const { page, close } = await open(browser, `${service.url}/overlay/paredao-01`, {
    context, init: { content: `if (!sessionStorage.getItem("called")) {
      sessionStorage.setItem("called", "yes");
      addEventListener("load", () => { update('{"layout":"duel"}'); play(); });
    }` },
  });
  await until(page, { shown: "yes", layout: "duel", playing: "yes" });
  assert.equal(missing, -1);
  await close();
  await context.close();
});
