// A real Chromium with the desk in it, and what must never happen there: an error, a breach of the policy, a finding of axe, a
// token in an address.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

import { PATIENCE_MS } from "../../browser/lib/launch.mjs";

export { launch } from "../../browser/lib/launch.mjs";

const ours = createRequire(join(resolve(process.env.PAGES_NODE_MODULES), "/"));
const AXE = readFileSync(ours.resolve("axe-core/axe.min.js"), "utf8");
const { PNG } = ours("pngjs");

/** Pictures for people to look at; nothing reads them. */
const PICTURES = process.env.PAGES_PICTURES;
if (PICTURES) mkdirSync(PICTURES, { recursive: true });

/**
 * A desk in a profile of its own, as large as a control room's screen unless told otherwise; signed in where there is a token.
 * @param {{width?: number, height?: number, token?: string, locale?: string, context?: object}} [options]
 */
export async function open(browser, url, options = {}) {
  const { width = 1280, height = 720, token, locale = "pt-BR" } = options;
  const context = options.context ?? (await browser.newContext({ viewport: { width, height }, deviceScaleFactor: 1, locale, acceptDownloads: true }));
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const wrong = [];
  const addresses = [];
  page.on("pageerror", (error) => wrong.push(`script: ${error.message}`));
  page.on("console", (message) => {
    // What the network refuses is written there by the browser itself; the tests of faults mean it.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) wrong.push(message.text());
  });
  page.on("request", (request) => addresses.push(`${request.method()} ${request.url()} ${request.headers().referer ?? ""}`));
  await page.addInitScript(() => {
    window.breaches = [];
    addEventListener("securitypolicyviolation", (breach) => window.breaches.push(`${breach.violatedDirective}: ${breach.blockedURI}`));
  });
  await page.goto(url);
  if (token) await signIn(page, token);
  return {
    page,
    addresses,
    wrong,
    /** Closes it; nothing may have gone wrong in it. */
    async close() {
      const breaches = await page.evaluate(() => window.breaches);
      if (!options.context) await context.close();
      assert.deepEqual([...wrong, ...breaches], [], "what went wrong in the page");
    },
  };
}

/** Types a token and sends it; waits for the figures unless they are not to come. */
export async function signIn(page, token, { comes = true } = {}) {
  await page.locator("#token").fill(token);
  await page.keyboard.press("Enter");
  if (comes) await page.locator(".grid").waitFor();
}

/** Waits until the page is in that state: `sign-in`, `waiting`, or how fresh its figures are. */
export async function until(page, state) {
  await page.waitForFunction((wanted) => document.documentElement.dataset.desk === wanted, state);
}

/** Waits until a part of the page says so. */
export async function says(page, selector, text) {
  await page.waitForFunction(([where, wanted]) => Array.from(document.querySelectorAll(where)).some((one) => one.textContent.includes(wanted)), [selector, text])
    .catch(async (error) => {
      const there = await page.locator(selector).allTextContents();
      assert.fail(`${selector} never says ${JSON.stringify(text)}: ${JSON.stringify(there)} (${error.message.split("\n")[0]})`);
    });
}

/** Accessibility, by axe: WCAG 2.2 AA and its own good practice. */
export async function accessible(page, what) {
  // axe is no script of the page's: it is run beside it, where the page's policy does not hold.
  const found = await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ["violations"] })
    .then((result) => result.violations.map((one) => one.id + ": " + one.nodes.map((node) => node.target.join(" ") + " " + (node.any[0] ? node.any[0].message : "")).join("; ")))`);
  assert.deepEqual(found, [], `axe: ${what}`);
}

export async function picture(page, name, fullPage = true) {
  if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage, animations: "disabled" });
}

/** What a plot draws: uPlot's own data, and where each value is on the page. */
export async function plotted(page, which) {
  await page.waitForFunction((one) => globalThis.paredaoDesk?.plots[one]?.chart?.data[0].length > 0, which);
  return await page.evaluate((one) => {
    const { chart } = globalThis.paredaoDesk.plots[one];
    const over = chart.over.getBoundingClientRect();
    const data = chart.data.map((list) => Array.from(list));
    const right = (index) => (index + 1 < data[0].length ? data[0][index + 1] : data[0][index]);
    const places = data[0].slice(0, -1).map((start, index) => ({
      x: over.x + (chart.valToPos(start, "x") + chart.valToPos(right(index), "x")) / 2,
      ys: data.slice(1).map((list) => over.y + chart.valToPos(list[index], "y")),
    }));
    return { data, places, box: over.toJSON(), colors: chart.series.slice(1).map((series) => series.stroke()) };
  }, which);
}

/** The colours of the page's pixels. */
export async function pixels(page) {
  const { width, data } = PNG.sync.read(await page.screenshot({ animations: "disabled" }));
  return (x, y) => Array.from(data.subarray((Math.round(y) * width + Math.round(x)) * 4, (Math.round(y) * width + Math.round(x)) * 4 + 3));
}
