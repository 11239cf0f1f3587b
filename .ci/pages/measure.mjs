#!/usr/bin/env node
// The public page as a phone far away sees it, and how many of it a service answers: see `make pages-measure`.
//
// The phone is Chromium's emulation: 360×740, a processor four times as slow, 150 ms before each answer, 1.6 Mbit/s down
// and 0.75 Mbit/s up (Lighthouse's "Slow 4G"), an empty cache each time. The largest contentful paint is the browser's own.
import { spawnSync } from "node:child_process";

import { Services } from "../browser/lib/services.mjs";
import { Front } from "./lib/front.mjs";
import { launch, profile } from "./lib/pages.mjs";

const RUNS = 9;
const SECONDS = 5;
const SLOW = { offline: false, latency: 150, downloadThroughput: (1.6e6 / 8) * 0.9, uploadThroughput: (0.75e6 / 8) * 0.9 };

const system = await Services.start();
const front = await Front.start(system);
const browser = await launch();
try {
  await system.open("measured");
  await system.vote("measured", "ana", 3);
  const loads = [];
  for (let run = 0; run < RUNS; run += 1) loads.push(await load(`${front.url}/polls/measured`));
  const by = (name) => loads.map((one) => one[name]).sort((a, b) => a - b);
  const shown = (name, unit) => `${name}: median ${Math.round(by(name)[RUNS >> 1])} ${unit}, worst ${Math.round(by(name).at(-1))} ${unit}`;
  console.log(`${RUNS} first loads, Slow 4G, processor ÷ 4, Chromium ${browser.version()}`);
  for (const [name, unit] of [["lcp", "ms"], ["bytes", "bytes"], ["requests", "requests"]]) console.log(shown(name, unit));
  throughput();
} finally {
  await browser.close();
  await front.stop();
  await system.stop();
}

async function load(url) {
  const context = await profile(browser);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", SLOW);
  await session.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  let [bytes, requests] = [0, 0];
  session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  session.on("Network.requestWillBeSent", () => (requests += 1));
  await page.addInitScript(() => {
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) globalThis.lcp = entry.startTime;
    }).observe({ type: "largest-contentful-paint", buffered: true });
  });
  await page.goto(url);
  await page.locator("#live.on").waitFor();
  await page.waitForFunction(() => globalThis.lcp > 0);
  const lcp = await page.evaluate(() => globalThis.lcp);
  await context.close();
  return { lcp, bytes, requests };
}

/** The page against the nearest thing to a constant body that the same service has: an asset. In turns, for machines change. */
function throughput() {
  if (spawnSync("wrk", ["--version"]).error) return console.log("no wrk on this machine: the page's answers a second are left out");
  const [asset] = front.seen.map((one) => one.split(" ")[1]).filter((path) => path?.endsWith(".css"));
  const rates = { page: [], floor: [] };
  for (let turn = 0; turn < 3; turn += 1) {
    rates.floor.push(rate(asset));
    rates.page.push(rate("/polls/measured"));
  }
  const middle = (list) => list.sort((a, b) => a - b)[1];
  const [page, floor] = [middle(rates.page), middle(rates.floor)];
  console.log(`page: ${Math.round(page)} answers a second; constant body: ${Math.round(floor)}; ratio ${(page / floor).toFixed(3)}`);
  return undefined;
}

function rate(path) {
  const url = `${system.results.url}${path}`;
  const { stdout } = spawnSync("wrk", ["-t1", "-c32", `-d${SECONDS}s`, "-H", "Accept-Encoding: br", url], { encoding: "utf8" });
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? NaN);
}
