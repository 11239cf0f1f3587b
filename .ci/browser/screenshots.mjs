#!/usr/bin/env node
// Photographs the pages of both live services in a real Chromium, and checks them: see `make screenshots`.
//
// Starts Redis and both services by `votectl dev` on free ports and in a folder of its own, puts some load on, opens
// each page, and stops everything again. A page must load without an error in its console, a failed request or a
// request to another host; show every operation of the service's openapi.json; and its "Try it out" must work. Then
// the overlay: each layout, a rehearsal and a held poll, as they lie over a picture.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";

const START_PATIENCE_MS = 90_000;
const STOP_PATIENCE_MS = 30_000;
const PAGE_PATIENCE_MS = 20_000;
const VOTES = 2000;
// Nothing of the browser's own leaves the machine, and no page's request does either.
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

const { values: options } = parseArgs({
  options: {
    "bin-dir": { type: "string" },
    browser: { type: "string" },
    "node-modules": { type: "string" },
    out: { type: "string" },
  },
});
const { chromium } = createRequire(join(resolve(options["node-modules"]), "/"))("playwright-core");

const findings = [];
const started = [];
const folder = mkdtempSync(join(tmpdir(), "vote-screenshots-"));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => stop().finally(() => process.exit(1)));
}
try {
  await main();
} catch (error) {
  findings.push(String(error.message ?? error));
} finally {
  await stop();
}
for (const finding of findings) console.error(`screenshots: ${finding}`);
process.exit(findings.length ? 1 : 0);

async function main() {
  const demo = await services();
  const load = ["load", "--url", demo.vote, "--poll", demo.poll, "--votes", String(VOTES), "--rate", "1000"];
  await votectl(["--redis", demo.redis, ...load]);
  const signals = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
  const browser = await chromium.launch({ executablePath: options.browser, args: FLAGS, ...signals });
  started.push(() => browser.close());
  await proveThatItFinds(browser);
  mkdirSync(options.out, { recursive: true });

  const vote = await visit(browser, "ingest", demo.vote, async (page) => {
    // As it is pre-filled: what the documentation shows must work.
    return await tryOut(page, "castVote", {}, 201);
  });
  if (vote?.status !== "accepted") findings.push(`ingest: castVote answered ${JSON.stringify(vote)}`);

  await visit(browser, "results", demo.results, async (page) => {
    const standing = await tryOut(page, "getResults", { poll: demo.poll }, 200);
    if (!(standing?.total_votes >= VOTES)) {
      findings.push(`results: getResults shows fewer than ${VOTES} votes: ${JSON.stringify(standing)}`);
    }
    if (vote?.receipt) {
      const receipt = await tryOut(page, "getReceipt", { receipt: vote.receipt }, 200);
      if (receipt?.poll !== demo.poll) findings.push(`results: getReceipt answered ${JSON.stringify(receipt)}`);
    }
  });
  for (const [name, width, height] of [["public-page-phone", 390, 844], ["public-page-desktop", 1280, 800]]) {
    const page = await watched(browser, name, demo.results, findings);
    await page.setViewportSize({ width, height });
    await page.goto(`${demo.results}/polls/${demo.poll}`);
    // Its script runs, and the stream has come.
    await page.locator("#live.on").waitFor();
    await photograph(page, name, "the public page, live");
    // The stream, which closing the page cuts.
    page.removeAllListeners("requestfailed");
    await page.context().close();
  }
  await desk(browser, demo);
  await overlays(browser, demo);
  const browserIs = `Chromium ${browser.version()}, after ${VOTES} votes`;
  if (!findings.length) console.log(`${browserIs}: all pages load cleanly, show all operations, and work; so does the overlay`);
}

/** Opens a service's Swagger UI, compares it with its openapi.json, and does `more` there. */
async function visit(browser, name, url, more) {
  const spec = await (await fetch(`${url}/openapi.json`)).json();
  const page = await watched(browser, name, url, findings);
  try {
    await page.goto(`${url}/swagger-ui/`);
    await page.locator(".opblock").first().waitFor();
    await page.locator(".info .title", { hasText: spec.info.title }).waitFor();
    const shown = await page.locator(".opblock").evaluateAll((blocks) =>
      blocks.map((block) => {
        const path = block.querySelector(".opblock-summary-path, .opblock-summary-path__deprecated");
        return `${block.querySelector(".opblock-summary-method").textContent} ${path.dataset.path}`;
      }));
    const wanted = Object.entries(spec.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`));
    for (const operation of wanted) if (!shown.includes(operation)) findings.push(`${name}: shows no ${operation}`);
    for (const operation of shown) if (!wanted.includes(operation)) findings.push(`${name}: has no ${operation}`);
    await photograph(page, name, `${wanted.length} operations`);
    return await more(page);
  } catch (error) {
    findings.push(`${name}: ${error.message.split("\n")[0]}`);
    await photograph(page, `${name}-failed`, "as it was then");
  } finally {
    await page.context().close();
  }
}

/** Production's desk, signed in with the token that `votectl dev` has made; both ways that it looks. */
async function desk(browser, demo) {
  const page = await watched(browser, "desk", demo.results, findings);
  try {
    await page.goto(`${demo.results}/production/${demo.poll}`);
    await page.locator("#token").fill(readFileSync(demo.production_token_file, "utf8").trim());
    await page.keyboard.press("Enter");
    await page.locator(".tile.live").waitFor();
    await page.locator("#plot-hours canvas").waitFor();
    await photograph(page, "desk", "signed in, dark");
    await page.locator('[data-do="theme"]').click();
    await photograph(page, "desk-light", "signed in, light");
  } catch (error) {
    findings.push(`desk: ${error.message.split("\n")[0]}`);
    await photograph(page, "desk-failed", "as it was then");
  } finally {
    await page.context().close();
  }
}

/** "Try it out" with these parameters over what is pre-filled; gives the answer's body. */
async function tryOut(page, operation, parameters, status) {
  const service = new URL(page.url());
  const block = page.locator(`.opblock[id$="-${operation}"]`);
  await block.locator(".opblock-summary-control").click();
  await block.getByRole("button", { name: "Try it out" }).click();
  for (const [parameter, value] of Object.entries(parameters)) {
    await block.locator(`tr[data-param-name="${parameter}"] input`).fill(value);
  }
  const answered = page.waitForResponse((response) => new URL(response.url()).host === service.host);
  await block.getByRole("button", { name: "Execute" }).click();
  const answer = await answered;
  // What the page shows of it, not only what came.
  await block.locator(".live-responses-table tr.response .response-col_status").first().waitFor();
  const shown = await block.locator(".live-responses-table tr.response .response-col_status").first().innerText();
  const text = await page.evaluate(() => document.body.innerText);
  if (text.includes("Could not render")) findings.push(`${operation}: the page could not render a part of it`);
  if (!shown.startsWith(String(status))) {
    findings.push(`${operation}: answered ${shown.split(/\s/)[0]}, not ${status}: ${(await answer.text()).slice(0, 300)}`);
  }
  await photograph(block, operation, `answered ${shown.split(/\s/)[0]}`);
  await block.locator(".opblock-summary-control").click();
  return await answer.json();
}

async function photograph(what, name, note) {
  const path = join(options.out, `${name}.png`);
  await what.screenshot({ path, animations: "disabled", ...("goto" in what ? { fullPage: true } : {}) });
  console.log(`${relative(".", path)}: ${note}`);
}

/** The overlay in each layout, of a rehearsal, and of a poll that is held. */
async function overlays(browser, demo) {
  const votes = ["load", "--url", demo.vote, "--votes", "100", "--rate", "200", "--poll"];
  await votectl(["--redis", demo.redis, ...votes, demo.rehearsal]);
  const closing = lastMinute();
  await votectl(["--redis", demo.redis, "poll", "apply", "-"], JSON.stringify(closing));
  await votectl(["--redis", demo.redis, "poll", "open", closing.id]);
  const live = { air: "live" };
  await overlay(browser, demo, `${closing.id}?layout=countdown`, "countdown", { ...live, layout: "countdown" });
  await overlay(browser, demo, `${demo.poll}?layout=bars&sort=rank`, "bars", { ...live, layout: "bars" });
  await overlay(browser, demo, `${demo.poll}?layout=lower-third`, "lower-third", { ...live, layout: "lower-third" });
  await overlay(browser, demo, `${demo.poll}?layout=duel&candidates=ana,bia`, "duel", { ...live, layout: "duel" });
  await overlay(browser, demo, demo.rehearsal, "rehearsal", { air: "rehearsal" });
  await overlay(browser, demo, demo.poll, "before-hold", live, async (page, before) => {
    await votectl(["--redis", demo.redis, "poll", "hold", demo.poll]);
    await flagged(page, { air: "frozen", airReason: "held", shown: "yes" });
    await votectl(["--redis", demo.redis, ...votes, demo.poll]);
    const after = await page.screenshot({ omitBackground: true });
    await overPicture(browser, after, "overlay-held");
    if (!after.equals(before)) findings.push("overlay-held: the picture has changed while the poll is held");
    await votectl(["--redis", demo.redis, "poll", "release", demo.poll, "--yes"]);
    await flagged(page, { air: "live" });
  });
}

/** A live poll that closes in less than a minute. */
function lastMinute() {
  const after = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();
  return {
    id: "ultimo-minuto", title: "Último minuto", direction: "eliminate", kind: "live", release: "auto",
    opens_at: after(-60), closes_at: after(50), timezone: "America/Sao_Paulo",
    candidates: [{ id: "ana", name: "Ana" }, { id: "bia", name: "Bia" }],
    channels: [{ id: "torcida", weight: 100, eligibility: "open" }],
  };
}

/** Opens the overlay, waits for the flags that are wanted, photographs it over a picture, and does `more` with it. */
async function overlay(browser, demo, path, name, wanted, more = async () => {}) {
  const page = await watched(browser, `overlay-${name}`, demo.results, findings);
  try {
    await page.setViewportSize({ width: 1920, height: 1080 });
    await page.goto(`${demo.results}/overlay/${path}`);
    await flagged(page, { shown: "yes", ...wanted });
    const drawn = await stillPicture(page);
    await overPicture(browser, drawn, `overlay-${name}`);
    await more(page, drawn);
  } catch (error) {
    findings.push(`overlay-${name}: ${error.message.split("\n")[0]}`);
  } finally {
    // The stream that is open ends with the page: that is no failure.
    page.removeAllListeners("requestfailed");
    await page.context().close();
  }
}

/** The picture once nothing moves in it: the first that comes twice. A countdown's never does. */
async function stillPicture(page) {
  await page.waitForFunction(() => document.getAnimations().every((one) =>
    one.playState === "finished" || one.effect.target.matches(".sand-left")));
  let before = await page.screenshot({ omitBackground: true });
  for (let turn = 0; turn < 10; turn += 1) {
    const now = await page.screenshot({ omitBackground: true });
    if (now.equals(before)) break;
    before = now;
  }
  return before;
}

/** Waits until the page's flags are as wanted; says what they are if they never are. */
async function flagged(page, wanted) {
  const holds = (expected) => Object.entries(expected).every(([name, value]) =>
    document.documentElement.dataset[name] === value);
  await page.waitForFunction(holds, wanted).catch(async () => {
    const flags = await page.evaluate(() => ({ ...document.documentElement.dataset }));
    throw new Error(`${JSON.stringify(flags)}, not ${JSON.stringify(wanted)}`);
  });
}

/** What is drawn, as it lies over a picture that is neither dark nor light. */
async function overPicture(browser, drawn, name) {
  const context = await browser.newContext({ viewport: { width: 1920, height: 1080 }, deviceScaleFactor: 1 });
  const page = await context.newPage();
  await page.setContent(`<body style="margin: 0; background:
    radial-gradient(circle at 30% 35%, #ffe9c4 0 6%, transparent 30%), radial-gradient(circle at 70% 40%, #e8d2ff 0 5%, transparent 26%),
    repeating-linear-gradient(100deg, #27506e 0 90px, #8fb4c9 90px 180px, #4b7a4f 180px 260px)">
    <img style="display: block" src="data:image/png;base64,${drawn.toString("base64")}"></body>`);
  await photograph(page, name, "over a picture");
  await context.close();
}

/** A page in a fresh profile; whatever goes wrong in it is told to `found`. */
async function watched(browser, name, url, found) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 });
  const page = await context.newPage();
  page.setDefaultTimeout(PAGE_PATIENCE_MS);
  page.on("console", (message) => {
    if (message.type() === "error") found.push(`${name}: console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => found.push(`${name}: script: ${error.message}`));
  page.on("request", (request) => {
    const asked = new URL(request.url());
    if (asked.protocol !== "data:" && asked.protocol !== "blob:" && asked.host !== new URL(url).host) {
      found.push(`${name}: asks another host: ${request.url()}`);
    }
  });
  page.on("requestfailed", (request) => found.push(`${name}: ${request.url()}: ${request.failure()?.errorText}`));
  page.on("response", (response) => {
    if (response.status() >= 400) found.push(`${name}: ${response.url()} answered ${response.status()}`);
  });
  return page;
}

/** A check that can't fail is none: a page with each of these faults must be found out. */
async function proveThatItFinds(browser) {
  const broken = `<script>console.error("E1")</script><script>throw new Error("E2")</script>
    <img src="/missing.png"><img src="http://elsewhere.invalid/E4.png">`;
  const server = createServer((request, response) => {
    response.writeHead(request.url === "/" ? 200 : 404, { "content-type": "text/html" });
    response.end(request.url === "/" ? broken : "");
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  started.push(() => new Promise((closed) => { server.close(closed); server.closeAllConnections(); }));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const found = [];
  const page = await watched(browser, "broken", url, found);
  await page.goto(url, { waitUntil: "networkidle" });
  await page.context().close();
  for (const part of [": console: E1", ": script: E2", "missing.png answered 404", "another host: http://elsewhere",
    "E4.png: net::ERR_"]) {
    if (!found.some((finding) => finding.includes(part))) {
      throw new Error(`the check itself is broken: a page with the fault "${part}" passed`);
    }
  }
}

/** Everything on this machine; gives the addresses. */
async function services() {
  const data = ["--data-dir", join(folder, "data")];
  const dev = spawn(join(options["bin-dir"], "votectl"), ["--output", "json", "dev", ...data], {
    stdio: ["ignore", "pipe", "inherit"],
    // A group of its own: Ctrl-C reaches this script alone, which stops it once the browser is closed.
    detached: true,
    env: { ...process.env, VOTE__LOG__LEVEL: "warn" },
  });
  const ended = new Promise((end) => dev.once("exit", (code) => end(code ?? 1)).once("error", () => end(127)));
  started.push(async () => {
    dev.kill("SIGTERM");
    if ((await within(STOP_PATIENCE_MS, ended)) === undefined) dev.kill("SIGKILL");
  });
  let text = "";
  const ready = new Promise((line) => dev.stdout.on("data", (chunk) => (text += chunk).endsWith("\n") && line(text)));
  const first = await within(START_PATIENCE_MS, Promise.race([ready, ended.then(() => null)]));
  if (!first) throw new Error("votectl dev did not become ready, see above");
  return JSON.parse(first);
}

async function votectl(command, given = "") {
  const child = spawn(join(options["bin-dir"], "votectl"), command, { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {}).end(given);
  started.push(async () => child.kill());
  let text = "";
  for (const output of [child.stdout, child.stderr]) output.on("data", (chunk) => (text += chunk));
  const code = await new Promise((end) => child.once("close", end).once("error", () => end(127)));
  if (code !== 0) throw new Error(`votectl ${command.join(" ")}: exit ${code}\n${text}`);
}

/** What the promise gives, or nothing after that time. */
async function within(patience, promise) {
  let timer;
  const late = new Promise((end) => (timer = setTimeout(end, patience)));
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Last started, first stopped. */
async function stop() {
  while (started.length) await started.pop()().catch((error) => console.error(`screenshots: ${error.message}`));
  rmSync(folder, { recursive: true, force: true });
}
