// Pages in a real Chromium, in which nothing may go wrong, and the checker of accessibility.

import assert from "node:assert/strict";
import { readFileSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

import { PATIENCE_MS } from "../../browser/lib/launch.mjs";

export { launch } from "../../browser/lib/launch.mjs";

const AXE = readFileSync(join(resolve(process.env.PAGES_NODE_MODULES), "axe-core/axe.min.js"), "utf8");
/** Pictures for people to look at; nothing reads them. */
const PICTURES = process.env.PAGES_PICTURES;
if (PICTURES) mkdirSync(PICTURES, { recursive: true });

export const PHONE = { width: 360, height: 740 };
export const DESKTOP = { width: 1280, height: 800 };

/** A browser of its own: a profile. */
export async function profile(browser, options = {}) {
  return await browser.newContext({ viewport: PHONE, deviceScaleFactor: 1, locale: "pt-BR", reducedMotion: "reduce", ...options });
}

/** A page; whatever goes wrong in it is kept, and nothing may have when it is closed. It may ask its own host, and `others`. */
export async function open(context, url, others = []) {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const { origin } = new URL(url);
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`script: ${error.message}`));
  page.on("console", (message) => {
    // What the network refuses is written there by the browser itself, and which headers have no effect over plain HTTP; what the
    // policy refuses is not like that.
    const isOwn = /^(Failed to load resource|The Cross-Origin-Opener-Policy header has been ignored)/.test(message.text());
    if (message.type() === "error" && !isOwn) wrong.push(message.text());
  });
  page.on("request", (request) => {
    if (![origin, ...others].includes(new URL(request.url()).origin)) wrong.push(`asks another host: ${request.url()}`);
  });
  await page.goto(url);
  return {
    page,
    wrong,
    async close() {
      await page.close();
      assert.deepEqual(wrong, [], "what went wrong in the page");
    },
  };
}

/** Waits until the page shows the state. */
export async function untilState(page, state) {
  await page.locator(`main[data-state="${state}"]`).waitFor();
}

/** Waits for this percentage of a candidate. */
export async function untilPercent(page, candidate, text) {
  await page.locator(`[data-candidate="${candidate}"] .percent`, { hasText: text }).waitFor();
}

/** Votes on the page, by its buttons. */
export async function vote(page, candidate) {
  await page.locator(`[data-candidate="${candidate}"] button`).click();
  await page.locator("#confirm-do").click();
}

/** That the checker of accessibility finds nothing, in WCAG 2.2 at levels A and AA, in light and in dark. */
export async function accessible(page, what) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    // Evaluated from outside: the page's policy holds for what is in the page.
    await page.evaluate(AXE);
    const found = await page.evaluate(async () => {
      const { violations, incomplete } = await globalThis.axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
      });
      const shown = ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`;
      return [...violations.map(shown), ...incomplete.filter(({ id }) => id !== "color-contrast").map((one) => `unclear: ${shown(one)}`)];
    });
    assert.deepEqual(found, [], `${what}, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: null });
}

/** That nothing is wider than the screen, and everything that is pressed is large enough (WCAG 2.2, 2.5.8: 24 px). */
export async function fits(page, what) {
  const found = await page.evaluate(() => {
    const wrong = [];
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) wrong.push(`${scrollWidth} px wide, of ${clientWidth}`);
    for (const one of document.querySelectorAll("a:not(.skip), button, input:not([type=hidden])")) {
      const { width, height } = one.getBoundingClientRect();
      if (width && (width < 24 || height < 24)) wrong.push(`${one.outerHTML}: ${width}x${height}`);
    }
    return wrong;
  });
  assert.deepEqual(found, [], what);
}

/** Keeps a picture. */
export async function picture(page, name) {
  if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true, animations: "disabled" });
}
