// The OGraf package as `votectl graphics package` writes it: its manifests by the published types, and its graphics in a
// renderer that calls each action as the specification says. The renderer's page is of another origin than the service.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import test, { after, afterEach, before, beforeEach } from "node:test";

import { eventually } from "../../browser/lib/services.mjs";
import { isEmpty, launch, open, pixels, require, same, settled, stillPicture } from "../lib/browser.mjs";
import { rowsOf } from "../lib/rows.mjs";
import { StandIn } from "../lib/stand-in.mjs";

const VOTECTL = join(resolve(process.env.BIN_DIR), "votectl");
const LAYOUTS = ["bars", "lower-third", "duel", "countdown"];
const TYPES = { mjs: "text/javascript", js: "text/javascript", css: "text/css", json: "application/json", png: "image/png" };

let browser;
let service;
let renderer;
let folder;

before(async () => {
  browser = await launch();
  folder = mkdtempSync(join(tmpdir(), "overlay-package-"));
});
after(async () => {
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  service = await StandIn.start();
  service.headers = { "Access-Control-Allow-Origin": "*" };
  service.rows = rowsOf([56.73, 43.27], { closes_at: new Date(Date.now() + 50_000).toISOString() });
});
afterEach(async () => {
  await renderer?.stop();
  renderer = undefined;
  await service.stop();
});

/** Makes a package, and unpacks it as a server of graphics does; gives where it is. */
function packaged(name, ...more) {
  const zip = join(folder, `${name}.zip`);
  execFileSync(VOTECTL, ["graphics", "package", "--poll", "paredao-01", "--url", service.url, "--file", zip, ...more]);
  const to = join(folder, name);
  rmSync(to, { recursive: true, force: true });
  execFileSync("python3", ["-m", "zipfile", "-e", zip, to]);
  return to;
}

/** A renderer's own web server, with the package below /graphics. */
async function rendererOf(files) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://x");
    if (pathname === "/") {
      response.writeHead(200, { "Content-Type": "text/html" });
      return response.end("<!doctype html><style>html,body{margin:0;height:100%;overflow:hidden}</style><body></body>");
    }
    const file = join(files, pathname.replace("/graphics/", ""));
    if (!existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": TYPES[file.split(".").pop()] });
    return response.end(readFileSync(file));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const opened = await open(browser, url);
  return {
    ...opened,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await opened.close();
    },
  };
}

/**
 * Adds a graphic: imports the class that the manifest names, defines the element, and puts it where the renderer has it.
 */
async function add(page, files, layout, { isInShadow = false, byId = false } = {}) {
  const manifest = JSON.parse(readFileSync(join(files, `${layout}.ograf.json`), "utf8"));
  await page.evaluate(async ({ id, main, isInShadow, byId }) => {
    const { default: Graphic } = await import(`/graphics/${main}`);
    const name = byId ? id : `ograf-${Math.random().toString(36).slice(2)}`;
    customElements.define(name, Graphic);
    const layer = document.createElement("div");
    layer.style.cssText = "position:absolute;left:0;top:0;width:1920px;height:1080px";
    document.body.append(layer);
    window.graphic = document.createElement(name);
    window.children = window.graphic.childNodes.length;
    (isInShadow ? layer.attachShadow({ mode: "closed" }) : layer).append(window.graphic);
  }, { id: manifest.id, main: manifest.main, isInShadow, byId });
  assert.equal(await page.evaluate(() => window.children), 0, "no children in the constructor");
}

const call = (page, action, ...given) =>
  page.evaluate(([name, list]) => window.graphic[name](...list), [action, given]);
const flag = (page, name) => page.evaluate((one) => window.graphic.dataset[one], name);

async function untilFlag(page, name, value) {
  await page.waitForFunction(([one, wanted]) => window.graphic.dataset[one] === wanted, [name, value]);
}

const LOAD = {
  data: {}, renderType: "realtime",
  renderCharacteristics: { resolution: { width: 1920, height: 1080 }, frameRate: 50, accessToPublicInternet: false },
};
const good = ({ statusCode }) => assert.equal(statusCode, 200);

test("every manifest is of the published types, and names what is in the package", () => {
  const files = packaged("manifests");
  assert.deepEqual(readdirSync(files).filter((name) => name.endsWith(".ograf.json")).sort(), LAYOUTS.map((layout) => `${layout}.ograf.json`).sort());
  const manifests = LAYOUTS.map((layout) => JSON.parse(readFileSync(join(files, `${layout}.ograf.json`), "utf8")));
  assert.equal(typed(...manifests), "");
  for (const manifest of manifests) {
    assert.ok(existsSync(join(files, manifest.main)), manifest.main);
    // Those that the types can't hold.
    assert.match(manifest.id, /^[a-z][a-z0-9.]*-[a-z0-9.-]*$/, "a name of a custom element");
    assert.equal(manifest.supportsNonRealTime, false);
    assert.equal(manifest.stepCount, 1);
  }
  assert.equal(new Set(manifests.map(({ id }) => id)).size, LAYOUTS.length);
  // A check that can't fail is none.
  const [first] = manifests;
  for (const [wrong, said] of [
    [{ ...first, $schema: "https://ograf.ebu.io/v1-draft-0/x" }, /v1-draft-0/],
    [{ ...first, actions: {} }, /"actions"/],
    [{ ...first, supportsRealTime: "yes" }, /boolean/],
    [{ ...first, main: undefined }, /main/],
    [{ ...first, customActions: { sort: {} } }, /error TS/],
    [{ ...first, author: {} }, /error TS/],
  ]) {
    assert.match(typed(wrong), said);
  }
});

/** What tsc says of manifests as the published types have them. */
function typed(...manifests) {
  const here = mkdtempSync(join(folder, "types-"));
  const types = require.resolve("ograf").replace(/\.js$/, "");
  const lines = manifests.map((manifest, index) =>
    `export const manifest${index}: GraphicsManifest = ${JSON.stringify(manifest)};`);
  writeFileSync(join(here, "check.ts"), `import type { GraphicsManifest } from ${JSON.stringify(types)};\n${lines.join("\n")}`);
  const config = { compilerOptions: { strict: true, noEmit: true, skipLibCheck: true, types: [] }, files: ["check.ts"] };
  writeFileSync(join(here, "tsconfig.json"), JSON.stringify(config));
  return spawnSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", here], { encoding: "utf8" }).stdout;
}

for (const layout of LAYOUTS) {
  for (const isInShadow of [false, true]) {
    test(`${layout} goes through every action ${isInShadow ? "in a closed shadow root" : "in the light DOM"}`, async () => {
      const files = packaged(layout);
      renderer = await rendererOf(files);
      const { page } = renderer;
      await add(page, files, layout, { isInShadow, byId: !isInShadow });
      good(await call(page, "load", LOAD));
      await untilFlag(page, "air", "live");
      assert.ok(await isEmpty(page), "loaded, and not played");
      good(await call(page, "updateAction", { data: { sort: "rank" } }));
      const played = await call(page, "playAction", { delta: 1, skipAnimation: false });
      assert.deepEqual([played.statusCode, played.currentStep], [200, 0]);
      await untilFlag(page, "shown", "yes");
      assert.equal(await flag(page, "layout"), layout);
      const shown = (await pixels(page, `ograf-${layout}`)).shown();
      assert.ok(shown.count > 50_000 && shown.count < 1920 * 540, `${shown.count} pixels`);
      // Partial, empty and absent data change nothing else.
      for (const params of [{ data: {} }, {}, undefined, { data: null }]) good(await call(page, "updateAction", params));
      good(await call(page, "customAction", { id: "sort", payload: { by: "candidate" } }));
      assert.equal((await call(page, "customAction", { id: "sort", payload: {} })).statusCode, 400);
      assert.equal((await call(page, "customAction", { id: "explode", payload: null })).statusCode, 404);
      assert.equal((await call(page, "goToTime", { timestamp: 0 })).statusCode, 501);
      assert.equal((await call(page, "setActionsSchedule", { schedule: [] })).statusCode, 501);
      good(await call(page, "stopAction", { skipAnimation: true }));
      await settledEmpty(page);
      // A second play after the only step is its end; a jump to the step is not.
      assert.equal((await call(page, "playAction", { goto: 0, skipAnimation: true })).currentStep, 0);
      await untilFlag(page, "shown", "yes");
      assert.equal((await call(page, "playAction", { skipAnimation: true })).currentStep, undefined);
      await settledEmpty(page);
      good(await call(page, "dispose", {}));
      await page.evaluate(() => window.graphic.remove());
      assert.equal((await call(page, "playAction", {})).statusCode, 409);
      await eventually("nothing is left open", async () => service.streams === 0 || service.streams);
    });
  }
}

async function settledEmpty(page) {
  await untilFlag(page, "shown", "no");
  await page.waitForTimeout(50);
  assert.ok(await isEmpty(page));
}

test("load() with nothing at all, and twice, and its figures held and released", async () => {
  const files = packaged("bare");
  renderer = await rendererOf(files);
  const { page } = renderer;
  await add(page, files, "bars");
  good(await call(page, "load"));
  good(await call(page, "load", {}));
  await call(page, "playAction", { skipAnimation: true });
  await untilFlag(page, "shown", "yes");
  assert.equal(service.streams, 1);
  const before = await stillPicture(page);
  service.push(rowsOf([10, 90], { release: "held", on_air: false, revision: 101 }));
  await untilFlag(page, "air", "frozen");
  await same(page, before, "the held picture");
  service.push(rowsOf([50, 50], { revision: 102 }));
  await untilFlag(page, "revision", "102");
});

test("actions that come before the last one has ended", async () => {
  const files = packaged("hasty");
  renderer = await rendererOf(files);
  const { page } = renderer;
  await add(page, files, "bars");
  const steps = await page.evaluate(async () => {
    const { graphic } = window;
    await graphic.load({ data: {} });
    const all = [graphic.playAction({}), graphic.updateAction({ data: { sort: "rank" } }), graphic.stopAction({}), graphic.playAction({})];
    return (await Promise.all(all)).map(({ statusCode, currentStep }) => [statusCode, currentStep]);
  });
  assert.deepEqual(steps, [[200, 0], [200, undefined], [200, undefined], [200, 0]]);
  await untilFlag(page, "shown", "yes");
  await settled(page);
  assert.ok(!(await isEmpty(page)));
});

test("a load that is not in real time is refused, as the manifest says", async () => {
  const files = packaged("non-realtime");
  renderer = await rendererOf(files);
  const { page } = renderer;
  await add(page, files, "bars");
  assert.equal((await call(page, "load", { ...LOAD, renderType: "non-realtime" })).statusCode, 400);
});

test("data name another poll; the token and the theme come from the package", async () => {
  writeFileSync(join(folder, "token"), "a-token-of-graphics\n");
  writeFileSync(join(folder, "season.json"), JSON.stringify({ colors: { title_panel: "#00ff00" } }));
  const files = packaged("dressed", "--token-file", join(folder, "token"), "--theme", join(folder, "season.json"));
  renderer = await rendererOf(files);
  const { page } = renderer;
  await add(page, files, "bars");
  service.rows = rowsOf([56.73, 43.27], { poll: "paredao-02" });
  good(await call(page, "load", { ...LOAD, data: { poll: "paredao-02" } }));
  await untilFlag(page, "air", "live");
  await call(page, "playAction", { skipAnimation: true });
  await untilFlag(page, "shown", "yes");
  assert.ok(service.asked.some((path) => path.startsWith("/v1/polls/paredao-02/results/stream?") && path.includes("token=a-token-of-graphics")));
  assert.ok(!service.asked.some((path) => path.includes("paredao-01")));
  const picture = await pixels(page);
  const box = picture.shown();
  assert.deepEqual(picture.at(box.left + 4, box.top + 4), [0, 255, 0, 255]);
  assert.equal((await call(page, "updateAction", { data: { sort: "votes" } })).statusCode, 400);
});
