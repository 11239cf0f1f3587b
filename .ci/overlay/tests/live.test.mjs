// The overlay of the real results service: votes, release and hold, and what becomes of it when parts of the system fail.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";

import { choicesOf } from "../../../web/overlay/data.js";
import { crash, flags, isEmpty, launch, open, pixels, same, settled, stillPicture, texts, until } from "../lib/browser.mjs";
import { Services, Switch, eventually } from "../../browser/lib/services.mjs";
import { POLICY } from "../lib/stand-in.mjs";

let browser;
let system;
before(async () => {
  browser = await launch();
  system = await Services.start();
});
after(async () => {
  await system?.stop();
  await browser?.close();
});

const overlay = (poll, query = "") => `${system.results.url}/overlay/${poll}${query}`;

/** Waits for this text of the first candidate's percentage. */
async function untilPercent(page, text) {
  await page.waitForFunction((wanted) => document.querySelector(".percent")?.textContent === wanted, text);
}

test("a poll's figures come on air by release, stay at a hold, and go on after it", async () => {
  await system.open("cued");
  await system.vote("cued", "ana", 3);
  const { page, close } = await open(browser, overlay("cued"));
  await until(page, { air: "waiting", airReason: "unreleased", playing: "yes", shown: "no" });
  assert.ok(await isEmpty(page), "not released");
  await system.votectl("poll", "release", "cued", "--yes");
  await until(page, { air: "live", shown: "yes" });
  assert.deepEqual(await texts(page, "percent"), ["100,00 %", "0,00 %"]);
  await system.vote("cued", "bia", 1);
  await untilPercent(page, "75,00 %");
  await settled(page);
  await system.votectl("poll", "hold", "cued");
  await until(page, { air: "frozen", airReason: "held", shown: "yes" });
  const before = await stillPicture(page);
  await system.vote("cued", "bia", 4);
  await eventually("the tally has them", async () => {
    const answer = await fetch(`${system.results.url}/v1/polls/cued/results`);
    return (await answer.json()).total_votes === 8;
  });
  await same(page, before, "held");
  // Who opens the page meanwhile sees nothing.
  const second = await open(browser, overlay("cued"));
  await until(second.page, { air: "waiting", airReason: "held", shown: "no" });
  await second.close();
  await system.votectl("poll", "release", "cued", "--yes");
  await untilPercent(page, "37,50 %");
  await until(page, { air: "live", airReason: "" });
  await settled(page);
  assert.ok((await pixels(page, "live")).shown().count > 100_000);
  await close();
});

test("the figures come by the stream", async () => {
  await system.open("streamed", { release: "auto" });
  await system.vote("streamed", "ana", 1);
  const { page, close } = await open(browser, overlay("streamed"));
  await until(page, { air: "live", feed: "stream" });
  await close();
});

test("a results service that dies freezes the picture, and its successor goes on with it", async () => {
  await system.open("killed", { release: "auto" });
  await system.vote("killed", "ana", 1);
  const { page, close } = await open(browser, overlay("killed"));
  await until(page, { air: "live", shown: "yes" });
  const before = await stillPicture(page);
  for (const [signal, percent] of [["SIGKILL", "50,00 %"], ["SIGTERM", "33,33 %"]]) {
    const { port } = system.results;
    await system.kill(system.results, signal);
    await until(page, { air: "frozen", airReason: "unreachable", shown: "yes" });
    await settled(page);
    if (signal === "SIGKILL") await same(page, before, "frozen");
    await system.vote("killed", "bia", 1);
    system.results = await system.service("vote-results", { port });
    await untilPercent(page, percent);
    await until(page, { air: "live", airReason: "" });
  }
  await close();
});

test("what the service refuses is not asked for, and costs no figures", async () => {
  await system.open("worded", { release: "auto" });
  await system.vote("worded", "ana", 1);
  // Whatever data.js takes, the service takes.
  for (const name of ["pt", "pt-BR", "PT-br", "es-419", "en-Latn-GB", "pt-", "pt_BR", "fr", "p", "en-" + "x".repeat(40)]) {
    const { lang } = choicesOf({ lang: name }).choices;
    const query = lang === undefined ? "" : `?lang=${lang}`;
    assert.equal((await fetch(`${system.results.url}/v1/polls/worded/results.rows.json${query}`)).status, 200, name);
  }
  for (const name of ["worded", "a_b-c", "Worded", "_a", "a.b", "-a", "x".repeat(64), "x".repeat(65)]) {
    const { poll } = choicesOf({ poll: name }).choices;
    const answer = await fetch(`${system.results.url}/v1/polls/${poll || "worded"}/results.rows.json`);
    assert.ok([200, 404].includes(answer.status), `${name}: ${answer.status}`);
  }
  for (const lang of ["fr", "pt_BR"]) {
    const { page, close } = await open(browser, overlay("worded", `?lang=${lang}`));
    await until(page, { air: "live", feed: "stream", shown: "yes" });
    assert.match((await flags(page)).addressProblem, /^lang must be/);
    await close();
  }
  const { page, close } = await open(browser, overlay("worded"));
  await until(page, { air: "live", feed: "stream", shown: "yes" });
  let votes = 1;
  for (const [name, value] of [["lang", "pt_BR"], ["poll", "Worded"]]) {
    const data = JSON.stringify({ [name]: value });
    await page.evaluate((given) => window.update(given), data);
    assert.match((await flags(page)).updateProblem, new RegExp(`^${name} must be`));
    await system.vote("worded", "bia", 1);
    votes += 1;
    await untilPercent(page, `${(100 / votes).toFixed(2).replace(".", ",")} %`);
    await until(page, { air: "live", feed: "stream", poll: "worded" });
  }
  await close();
});

test("when the page dies that started the worker, hold and void reach the others", async () => {
  await system.open("bereft", { release: "auto" });
  await system.vote("bereft", "ana", 1);
  const context = await browser.newContext();
  const [first, second] = [await open(browser, overlay("bereft"), { context }), await open(browser, overlay("bereft"), { context })];
  for (const { page } of [first, second]) await until(page, { air: "live", feed: "stream", shown: "yes" });
  await crash(first);
  await system.vote("bereft", "bia", 1);
  await untilPercent(second.page, "50,00 %");
  await system.votectl("poll", "hold", "bereft");
  await until(second.page, { air: "frozen", airReason: "held", feed: "stream" });
  await system.votectl("poll", "void", "bereft", "--reason", "a test", "--yes");
  await until(second.page, { air: "waiting", airReason: "void", shown: "no" });
  await second.close();
  await context.close();
});

test("a change to another replica goes neither back nor out", async () => {
  await system.open("replicas", { release: "auto" });
  await system.vote("replicas", "ana", 1);
  const other = await system.service("vote-results");
  const front = await Switch.start(system.results.port);
  const { page, close } = await open(browser, `${front.url}/overlay/replicas`);
  await until(page, { air: "live", shown: "yes" });
  await page.evaluate(() => {
    window.revisions = [];
    const root = document.documentElement;
    new MutationObserver(() => window.revisions.push(Number(root.dataset.revision), root.dataset.shown === "yes" ? Infinity : -1))
      .observe(root, { attributeFilter: ["data-revision", "data-shown"] });
  });
  let votes = 1;
  for (const port of [other.port, system.results.port, other.port]) {
    front.turn(port);
    await system.vote("replicas", "bia", 1);
    votes += 1;
    await untilPercent(page, `${(100 / votes).toFixed(2).replace(".", ",")} %`);
    await until(page, { air: "live" });
  }
  const revisions = await page.evaluate(() => window.revisions);
  assert.ok(!revisions.includes(-1), "it was taken out");
  const numbers = revisions.filter((one) => one !== null && Number.isFinite(one));
  assert.deepEqual(numbers, numbers.slice().sort((a, b) => a - b));
  await close();
  await front.stop();
  await system.kill(other);
});

test("figures that can't be confirmed freeze, and fresh ones go on", async () => {
  await system.open("stale", { release: "auto" });
  await system.vote("stale", "ana", 1);
  const { page, close } = await open(browser, overlay("stale"));
  await until(page, { air: "live", shown: "yes" });
  system.redis.kill("SIGSTOP");
  await until(page, { air: "frozen", airReason: "stale", shown: "yes" });
  system.redis.kill("SIGCONT");
  await until(page, { air: "live", airReason: "" });
  await close();
});

test("a void poll is taken off, a rehearsal is marked", async () => {
  await system.open("voided", { release: "auto" });
  await system.vote("voided", "ana", 1);
  const { page, close } = await open(browser, overlay("voided"));
  await until(page, { air: "live", shown: "yes" });
  await system.votectl("poll", "void", "voided", "--reason", "a test", "--yes");
  await until(page, { air: "waiting", airReason: "void", shown: "no" });
  await settled(page);
  assert.ok(await isEmpty(page));
  await close();
  await system.open("rehearsed", { kind: "rehearsal" });
  await system.vote("rehearsed", "ana", 1);
  const rehearsal = await open(browser, overlay("rehearsed"));
  await until(rehearsal.page, { air: "rehearsal", shown: "yes" });
  assert.match((await texts(rehearsal.page, "title"))[0], /^ENSAIO – /);
  await rehearsal.close();
});

test("a countdown knows when its poll closes", async () => {
  await system.open("closing", { release: "auto", closes_at: new Date(Date.now() + 55_000).toISOString() });
  await system.vote("closing", "ana", 1);
  const { page, close } = await open(browser, overlay("closing", "?layout=countdown"));
  await until(page, { air: "live", shown: "yes", layout: "countdown" });
  assert.match((await texts(page, "time"))[0], /^0:[0-5]\d$/);
  await system.votectl("poll", "extend", "closing", "--for", "1h", "--yes");
  await until(page, { shown: "no" });
  await close();
});

test("an embargoed poll needs a feed token, which is in no other request", async () => {
  const token = "token-of-the-graphics-desk";
  const digest = createHash("sha256").update(token).digest("hex");
  const settings = { VOTE__ACCESS__FEED_TOKENS: `desk:${digest}` };
  const guarded = await system.service("vote-results", { settings });
  await system.open("embargoed", { release: "auto", visibility: "embargoed" });
  await system.vote("embargoed", "ana", 1);
  const url = `${guarded.url}/overlay/embargoed`;
  const without = await open(browser, url);
  await until(without.page, { air: "waiting", airReason: "figures-restricted", shown: "no" });
  await without.close();
  const { page, close } = await open(browser, `${url}?token=${token}`);
  await until(page, { air: "live", shown: "yes" });
  await close();
  await system.kill(guarded);
});

test("the page, its assets and its themes are sent as they must be", async () => {
  const themes = mkdtempSync(join(tmpdir(), "overlay-themes-"));
  writeFileSync(join(themes, "season.json"), JSON.stringify({ colors: { title_panel: "#00ff00" } }));
  const dressed = await system.service("vote-results", { settings: { VOTE__OVERLAY__THEMES_DIR: themes } });
  const page = await fetch(`${dressed.url}/overlay/any-poll?token=secret`);
  assert.equal(page.status, 200);
  const text = await page.text();
  const script = /assets\/[0-9a-f]{16}\/page\.js/.exec(text)[0];
  const asset = await fetch(`${dressed.url}/overlay/${script}`);
  const theme = await fetch(`${dressed.url}/overlay/themes/season.json`);
  for (const [answer, type, cache] of [
    [page, "text/html; charset=utf-8", "public, no-cache"],
    [asset, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"],
    [theme, "application/json", "public, no-cache"],
  ]) {
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), type);
    assert.equal(answer.headers.get("cache-control"), cache);
    assert.equal(answer.headers.get("content-security-policy"), POLICY);
    assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    const again = await fetch(answer.url, { headers: { "If-None-Match": answer.headers.get("etag") } });
    assert.equal(again.status, 304);
  }
  assert.equal((await fetch(`${dressed.url}/overlay/Not_An_Id`)).status, 400);
  for (const path of ["assets/0000000000000000/page.js", script.replace("page.js", "ograf.js"), "themes/none.json"]) {
    assert.equal((await fetch(`${dressed.url}/overlay/${path}`)).status, 404, path);
  }
  await system.kill(dressed);
  rmSync(themes, { recursive: true });
});
