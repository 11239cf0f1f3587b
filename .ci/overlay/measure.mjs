#!/usr/bin/env node
// How many frames a second the overlay makes while everything in it moves: see `make overlay-measure`.
//
// Chromium without a GPU, on one core where `taskset` is there to keep it to one. Figures change four times a second, so
// that bars move, rows change places and numbers count in every frame. A page's frames wait for the picture to be drawn:
// what is counted was seen.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { rowsOf } from "./lib/rows.mjs";
import { StandIn } from "./lib/stand-in.mjs";

const { chromium } = createRequire(join(resolve(process.env.PLAYWRIGHT), "/"))("playwright-core");
const SECONDS = 10;
const CHANGES_A_SECOND = 4;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
const folder = mkdtempSync(join(tmpdir(), "overlay-measure-"));
const hasTaskset = spawnSync("taskset", ["-c", "0", "true"]).status === 0;

/** The browser on one core. */
function onOneCore() {
  if (!hasTaskset) return process.env.BROWSER;
  const program = join(folder, "browser");
  writeFileSync(program, `#!/bin/sh\nexec taskset -c 0 "${process.env.BROWSER}" "$@"\n`);
  chmodSync(program, 0o755);
  return program;
}

async function measured(service, layout, height, flags) {
  const browser = await chromium.launch({ executablePath: onOneCore(), args: [...FLAGS, ...flags] });
  const page = await browser.newPage({ viewport: { width: (height * 16) / 9, height } });
  await page.goto(`${service.url}/overlay/paredao-01?layout=${layout}&sort=rank`);
  await page.waitForFunction(() => document.documentElement.dataset.shown === "yes");
  let revision = 1000;
  const changes = setInterval(() => {
    const part = 20 + Math.random() * 60;
    const percents = layout === "duel" ? [part, 100 - part] : [part, (100 - part) * 0.6, (100 - part) * 0.4];
    service.push(rowsOf(percents.map((one) => Number(one.toFixed(2))), { revision: (revision += 1) }));
  }, 1000 / CHANGES_A_SECOND);
  const gaps = await page.evaluate((seconds) => new Promise((done) => {
    const times = [];
    const frame = (now) => {
      times.push(now);
      if (now - times[0] < seconds * 1000) requestAnimationFrame(frame);
      else done(times.slice(1).map((time, index) => time - times[index]));
    };
    requestAnimationFrame(frame);
  }), SECONDS);
  clearInterval(changes);
  await browser.close();
  return gaps.sort((a, b) => a - b);
}

const service = await StandIn.start();
try {
  service.rows = rowsOf([50, 30, 20]);
  console.log(`${hasTaskset ? "one core" : "all cores (there is no taskset)"}, no GPU, ${SECONDS} s each, figures change ${CHANGES_A_SECOND} times a second`);
  console.log("layout       size   frames/s  at most  longest gap");
  for (const [layout, height] of [["bars", 1080], ["lower-third", 1080], ["duel", 1080], ["bars", 2160]]) {
    if (layout === "duel") service.rows = rowsOf([60, 40]);
    const gaps = await measured(service, layout, height, []);
    const free = await measured(service, layout, height, ["--disable-frame-rate-limit", "--disable-gpu-vsync"]);
    const rate = (list) => (list.length / (list.reduce((sum, one) => sum + one, 0) / 1000)).toFixed(1);
    const longest = gaps[gaps.length - 1].toFixed(0);
    console.log(`${layout.padEnd(12)} ${height}p  ${rate(gaps).padStart(8)}  ${rate(free).padStart(7)}  ${longest.padStart(8)} ms`);
  }
} finally {
  await service.stop();
  rmSync(folder, { recursive: true });
}
