// A real Chromium, pages in it that may not do anything wrong, and their pixels with their transparency.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

import { PATIENCE_MS, launch } from "../../browser/lib/launch.mjs";

const require = createRequire(join(resolve(process.env.OVERLAY_NODE_MODULES), "/"));
const { PNG } = require("pngjs");

/** Pictures for people to look at; nothing reads them. */
const PICTURES = process.env.OVERLAY_PICTURES;
if (PICTURES) mkdirSync(PICTURES, { recursive: true });

/**
 * A page in a profile of its own, of that size.
 * @param {{width?: number, height?: number, init?: Function, context?: object}} [options]
 */
export async function open(browser, url, options = {}) {
  const { width = 1920, height = 1080, init } = options;
  const context = options.context || (await browser.newContext({ viewport: { width, height }, deviceScaleFactor: 1 }));
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`script: ${error.message}`));
  page.on("console", (message) => {
    // What the network refuses is written there by the browser itself; the tests of faults mean it.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) wrong.push(message.text());
  });
  if (init) await page.addInitScript(init);
  await page.goto(url);
  return {
    page,
    wrong,
    /** Closes it; nothing may have gone wrong in it. */
    async close() {
      assert.deepEqual(wrong, [], "what went wrong in the page");
      if (!options.context) await context.close();
    },
  };
}

/** Lets the page's process die, and with it the worker that it has started. */
export async function crash({ page }) {
  const session = await page.context().newCDPSession(page);
  const crashed = page.waitForEvent("crash");
  // It is never answered.
  session.send("Page.crash").catch(() => {});
  await crashed;
}

/** The flags of the page, as a program reads them. */
export async function flags(page) {
  return await page.evaluate(() => ({ ...document.documentElement.dataset }));
}

/** Waits until the flags are as wanted, and says what they were if they never are. */
export async function until(page, wanted) {
  try {
    await page.waitForFunction((expected) => {
      const { dataset } = document.documentElement;
      return Object.entries(expected).every(([name, value]) => dataset[name] === value);
    }, wanted);
  } catch (error) {
    assert.deepEqual(await flags(page), wanted, String(error.message).split("\n")[0]);
  }
}

/** Waits until nothing moves any more: the moves of style sheets, and the numbers that count. A clock never rests. */
export async function settled(page) {
  await page.evaluate(async () => {
    await document.fonts.ready;
    const roots = [document, ...Array.from(document.querySelectorAll("*"), (one) => one.shadowRoot).filter(Boolean)];
    const moving = () => roots.flatMap((root) => root.getAnimations()).filter((one) =>
      one.playState !== "finished" && !one.effect.target.matches(".sand-left"));
    const figures = () => roots.flatMap((root) => Array.from(root.querySelectorAll(".percent"), (one) => one.textContent)).join();
    let quiet = 0;
    let before = "";
    while (quiet < 5) {
      await new Promise((next) => requestAnimationFrame(next));
      const now = figures();
      quiet = moving().length === 0 && now === before ? quiet + 1 : 0;
      before = now;
    }
  });
}

/**
 * The picture once it is drawn to its end: a compositor sharpens what has moved some frames after it stands, and more of
 * them on a busy machine, so the picture is the first one that comes twice.
 */
export async function stillPicture(page) {
  await settled(page);
  let before = Buffer.alloc(0);
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
    const now = await page.screenshot({ omitBackground: true });
    if (now.equals(before)) return now;
    before = now;
  }
  assert.fail("the picture never stands still");
}

/** That the page shows the picture from before, to the pixel; says how many pixels differ, and where. */
export async function same(page, before, what) {
  const now = await stillPicture(page);
  if (now.equals(before)) return;
  const [one, other] = [PNG.sync.read(before), PNG.sync.read(now)];
  const different = [];
  for (let at = 0; at < one.data.length; at += 4) {
    if (one.data.readUInt32BE(at) !== other.data.readUInt32BE(at)) different.push([(at / 4) % one.width, Math.floor(at / 4 / one.width)]);
  }
  const examples = different.slice(0, 5).map(([x, y]) => `${x},${y}`).join(" ");
  assert.equal(different.length, 0, `${what}: ${different.length} pixels have changed, the first at ${examples}`);
}

/** The text of the parts of that name, as they stand there. */
export async function texts(page, name) {
  return await page.locator(`.paredao .${name}`).allTextContents();
}

/**
 * The page's pixels. `at(x, y)` gives red, green, blue and alpha; `box(isWanted)` the box of all that are wanted.
 * @param {string} [name] of the picture to keep
 */
export async function pixels(page, name) {
  const path = PICTURES && name ? join(PICTURES, `${name}.png`) : undefined;
  const { width, height, data } = PNG.sync.read(await page.screenshot({ omitBackground: true, path }));
  const at = (x, y) => Array.from(data.subarray((y * width + x) * 4, (y * width + x) * 4 + 4));
  const box = (isWanted) => {
    const found = { left: width, top: height, right: -1, bottom: -1, count: 0 };
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const place = (y * width + x) * 4;
        if (!isWanted(data[place], data[place + 1], data[place + 2], data[place + 3])) continue;
        found.left = Math.min(found.left, x);
        found.top = Math.min(found.top, y);
        found.right = Math.max(found.right, x);
        found.bottom = Math.max(found.bottom, y);
        found.count += 1;
      }
    }
    return found;
  };
  return { width, height, at, box, shown: () => box((_red, _green, _blue, alpha) => alpha > 0) };
}

/** Whether the picture is empty: transparent everywhere. */
export async function isEmpty(page, name) {
  return (await pixels(page, name)).shown().count === 0;
}

export { launch, require };
