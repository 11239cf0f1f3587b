#!/usr/bin/env node
// Photographs the pages of both live services in a real Chromium, and checks them: see `make screenshots`.
//
// Starts Redis and both services by `votectl dev` on free ports and in a folder of its own, puts some load on, opens
// each page, and stops everything again. A page must load without an error in its console, a failed request or a
// request to another host; show every operation of the service's openapi.json; and its "Try it out" must work.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
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
  const browserIs = `Chromium ${browser.version()}, after ${VOTES} votes`;
  if (!findings.length) console.log(`${browserIs}: all pages load cleanly; those of the API show all operations, and work`);
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

async function votectl(command) {
  const child = spawn(join(options["bin-dir"], "votectl"), command, { stdio: ["ignore", "pipe", "pipe"] });
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
