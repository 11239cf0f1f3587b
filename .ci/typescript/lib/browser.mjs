// A real Chromium, and pages in it that may not break their site's policy.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const { chromium } = createRequire(join(resolve(process.env.PLAYWRIGHT), "/"))("playwright-core");

const PATIENCE_MS = 30_000;
/** A name of this machine that is no secure context, as a page that comes over plain HTTP. */
export const PLAIN = "plain.test";
// Nothing of the browser's own leaves the machine, and no page's request does either.
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", `--host-resolver-rules=MAP ${PLAIN} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
];

export async function launch() {
  return await chromium.launch({ executablePath: process.env.BROWSER, args: FLAGS });
}

/** A page; what goes wrong in it is kept, and nothing may have by the time that it is closed. */
export async function open(context, url, { width = 390, height = 844 } = {}) {
  const page = await context.newPage();
  await page.setViewportSize({ width, height });
  page.setDefaultTimeout(PATIENCE_MS);
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`script: ${error.message}`));
  page.on("console", (message) => {
    // What the network refuses is written there by the browser itself; tests of faults mean it.
    if (message.type() === "error" && !/^Failed to load resource|blocked by CORS/.test(message.text())) wrong.push(message.text());
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, lineNumber }) =>
      console.error(`violation: ${violatedDirective} ${blockedURI} ${sourceFile}:${lineNumber}`));
  });
  await page.goto(url);
  return {
    page,
    async close() {
      await page.close();
      assert.deepEqual(wrong, [], "what went wrong in the page");
    },
  };
}
