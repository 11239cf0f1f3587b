// Production's desk of the real results service: votes at known minutes, hold and release by the commands that it shows, and
// what becomes of it when parts of the system fail.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join, resolve } from "node:path";
import test, { after, before } from "node:test";
import { promisify } from "node:util";

import { Services, eventually } from "../../browser/lib/services.mjs";
import { accessible, launch, open, picture, plotted, says, signIn, until } from "../lib/desk-browser.mjs";
import { POLICY } from "../lib/desk-stand-in.mjs";

const run = promisify(execFile);
const TOKEN = "production-token-of-the-desks-test";
const SETTINGS = { VOTE__ACCESS__PRODUCTION_TOKEN: TOKEN };
const MINUTE_MS = 60_000;

let browser;
let system;
before(async () => {
  browser = await launch();
  system = await Services.start({ results: SETTINGS });
});
after(async () => {
  await system?.stop();
  await browser?.close();
});

const desk = (poll) => `${system.results.url}/production/${poll}`;
const instant = (ms) => new Date(ms).toISOString();

/** Commands to Redis, as a batch of votes writes them. */
async function redis(commands) {
  const socket = createConnection(system.redisPort, "127.0.0.1");
  const sent = commands.map((words) => `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join("")}`);
  const replies = new Promise((done, failed) => {
    let text = "";
    socket.on("error", failed);
    socket.on("data", (data) => {
      text += data;
      if (text.split("\r\n").length > commands.length) done(text);
    });
  });
  socket.write(sent.join(""));
  const said = await replies;
  socket.destroy();
  assert.ok(!said.includes("-ERR") && !said.includes("-WRONG"), said);
}

/** Carries out a command as the desk shows it; what asks is answered beforehand. */
async function say(line) {
  const words = line.split(" ").slice(1).map((word) => (word === '"…"' ? "a test" : word));
  const asks = ["release", "close", "seal", "void"].some((word) => words.includes(word)) ? ["--yes"] : [];
  const now = words.includes("seal") ? ["--now"] : [];
  const votectl = join(resolve(process.env.BIN_DIR), "votectl");
  return await run(votectl, ["--redis", system.redisUrl, "--by", "desk-check", ...words, ...asks, ...now]);
}

/** The command that does this, read off the desk. */
async function shown(page, start) {
  await page.waitForFunction((wanted) => Array.from(document.querySelectorAll(".commands code")).some((one) => one.textContent.startsWith(wanted)), start);
  const lines = await page.locator(".commands code").allTextContents();
  return lines.find((line) => line.startsWith(start));
}

test("the page has no figure, and the policy that the other tests go by", async () => {
  const answer = await fetch(desk("paredao-01"));
  assert.equal(answer.headers.get("content-security-policy"), POLICY);
  assert.equal(answer.headers.get("cache-control"), "no-cache");
});

test("the plot is the series that Redis has: votes at known minutes", async () => {
  // An hour that is over: its minutes change no more.
  const hour = Math.floor(Date.now() / 3_600_000) - 1;
  const start = hour * 3_600_000;
  await system.open("plotted", { opens_at: instant(start), closes_at: instant(Date.now() + 3_600_000), release: "auto" });
  const votes = new Map([[0, [3, 1]], [1, [10, 0]], [17, [200, 450]], [59, [7, 9]]]);
  const commands = [];
  let [ana, bia] = [0, 0];
  for (const [minute, [one, other]] of votes) {
    commands.push(["HSET", `vote:{plotted/0}:minutes:${hour * 60 + minute}`, "torcida/ana", one, "torcida/bia", other]);
    ana += one;
    bia += other;
  }
  const writer = "0123456789abcdef";
  commands.push(["HSET", "vote:{plotted/0}:tally", "torcida/ana", ana, "torcida/bia", bia]);
  commands.push(["HSET", "vote:{plotted/0}:state", "received_at", start + 59 * MINUTE_MS]);
  commands.push(["HSET", "vote:{plotted/0}:writers", `${writer}/sequence`, 4, `${writer}/votes`, ana + bia]);
  await redis(commands);
  const { page, close } = await open(browser, desk("plotted"), { token: TOKEN });
  await says(page, ".tile.total", "680");
  await page.locator('[data-window="all"]').click();
  await page.waitForFunction((first) => globalThis.paredaoDesk.plots.minutes?.chart?.data[0][0] === first && globalThis.paredaoDesk.plots.minutes.chart.data[0].length > 60, start / 1_000);
  const { data } = await plotted(page, "minutes");
  for (let minute = 0; minute < 60; minute += 1) {
    const [one, other] = votes.get(minute) ?? [0, 0];
    assert.deepEqual(data.map((list) => list[minute]), [start / 1_000 + minute * 60, one + other, one, other], `minute ${minute}`);
  }
  // Since then nobody has voted, which the service confirms.
  assert.ok(data[1].slice(60).every((total) => total === 0));
  const hours = await plotted(page, "hours");
  assert.deepEqual(hours.data.map((list) => list[0]), [start / 1_000, 680, ana, bia]);
  await says(page, ".tile.peak", "650 votos");
  await says(page, ".audit .verdict", "conferem");
  await accessible(page, "the live desk");
  await picture(page, "desk-live");
  await close();
});

test("figures that do not agree in Redis are said to", async () => {
  await system.open("crooked", { release: "auto" });
  // A batch that added to the tally alone.
  await redis([
    ["HSET", "vote:{crooked/0}:tally", "torcida/ana", 5], ["HSET", "vote:{crooked/0}:writers", "0123456789abcdef/sequence", 1, "0123456789abcdef/votes", 0],
  ]);
  const { page, close } = await open(browser, desk("crooked"), { token: TOKEN });
  await says(page, ".banner.disagree", "NÃO CONFEREM");
  await assert.rejects(say("votectl audit crooked"), "votectl says so as well");
  await close();
});

test("a poll's life by the commands that the desk shows, from draft to sealed", async () => {
  const at = (hours) => instant(Date.now() + hours * 3_600_000);
  await system.votectl("poll", "apply", await file("life", { opens_at: at(-1), closes_at: at(1) }));
  const { page, close } = await open(browser, desk("life"));
  await signIn(page, TOKEN);
  await says(page, ".tile.state", "Rascunho");
  await say(await shown(page, "votectl poll open"));
  await says(page, ".tile.state", "Aberta");
  await system.vote("life", "ana", 2);
  await says(page, ".tile.total", "2");
  await says(page, ".on-air", "Não liberada");
  await say(await shown(page, "votectl poll release"));
  await says(page, ".on-air", "NO AR");
  await says(page, ".on-air .pairs", "100,00");
  // Held: graphics stay where they are, the desk goes on.
  await say(await shown(page, "votectl poll hold"));
  await says(page, ".banner.held", "RETIDA");
  await system.vote("life", "bia", 2);
  await says(page, ".tile.total", "4");
  await says(page, ".on-air .behind", "2 votos ainda não mostrados");
  await says(page, ".on-air .pairs", "100,00");
  await says(page, ".candidates tbody", "50,00");
  await say(await shown(page, "votectl poll release"));
  await page.locator(".banner.held").waitFor({ state: "detached" });
  await says(page, ".on-air .pairs", "50,00");
  await say(await shown(page, "votectl poll pause"));
  await says(page, ".tile.state", "Pausada");
  await says(page, ".journal", "a test");
  await say(await shown(page, "votectl poll resume"));
  await says(page, ".tile.state", "Aberta");
  await say(await shown(page, "votectl poll extend"));
  await says(page, ".journal", "extend");
  await say(await shown(page, "votectl poll close"));
  await says(page, ".tile.state", "Encerrada");
  await say(await shown(page, "votectl poll seal"));
  await says(page, ".tile.state", "Selada");
  await until(page, "settled");
  const { stdout } = await say(await shown(page, "votectl audit"));
  const sha256 = /sha256 ([0-9a-f]{64})/.exec(stdout)[1];
  await says(page, ".audit .digest", sha256);
  await accessible(page, "sealed");
  await close();
});

async function file(id, changes) {
  const path = join(system.folder, `${id}.json`);
  writeFileSync(path, JSON.stringify({
    id, title: `Paredão ${id}`, direction: "eliminate", kind: "live", timezone: "America/Sao_Paulo", visibility: "public", shards: 1,
    candidates: [{ id: "ana", name: "Ana" }, { id: "bia", name: "Bia" }], channels: [{ id: "torcida", weight: 100, eligibility: "open" }],
    ...changes,
  }));
  return path;
}

test("a void poll and a rehearsal are loud", async () => {
  await system.open("voided", { kind: "rehearsal" });
  const { page, close } = await open(browser, desk("voided"), { token: TOKEN });
  await says(page, ".banner.rehearsal", "ENSAIO");
  await say(await shown(page, "votectl poll void"));
  await says(page, ".banner.void", "ANULADA");
  await close();
});

test("results that are killed, and that end in order, are said to be away, and the desk goes on with their successor", async () => {
  await system.open("killed", { release: "auto" });
  await system.vote("killed", "ana", 1);
  const { page, close } = await open(browser, desk("killed"), { token: TOKEN });
  await says(page, ".tile.total", "1");
  let votes = 1;
  for (const signal of ["SIGKILL", "SIGTERM"]) {
    const { port } = system.results;
    await system.kill(system.results, signal);
    await until(page, "away");
    await says(page, ".banner.away", "não responde");
    await says(page, ".tile.total", String(votes));
    await system.vote("killed", "bia", 1);
    votes += 1;
    system.results = await system.service("vote-results", { port, settings: SETTINGS });
    await until(page, "live");
    await says(page, ".tile.total", String(votes));
  }
  await close();
});

test("figures that Redis does not confirm are stale, and fresh again when it is back", async () => {
  await system.open("stale", { release: "auto" });
  await system.vote("stale", "ana", 3);
  const { page, close } = await open(browser, desk("stale"), { token: TOKEN });
  await says(page, ".tile.total", "3");
  system.redis.kill("SIGSTOP");
  await until(page, "stale");
  await says(page, ".banner.stale", "não alcança o Redis");
  await says(page, ".tile.total", "3");
  system.redis.kill("SIGCONT");
  await until(page, "live");
  await close();
});

test("the token is in no address and in no log, whatever its level", async () => {
  const { port } = system.results;
  const said = [];
  await system.kill(system.results, "SIGTERM");
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VOTE__")));
  const child = spawn(join(resolve(process.env.BIN_DIR), "vote-results"), [], {
    env: {
      ...clean, ...SETTINGS, VOTE__REDIS__URL: system.redisUrl, VOTE__HTTP__BIND: `127.0.0.1:${port}`, VOTE__ADMIN__BIND: "127.0.0.1:0",
      VOTE__SHUTDOWN__GRACE_MS: "0", VOTE__LOG__LEVEL: "trace,actix_http=trace",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const output of [child.stdout, child.stderr]) output.on("data", (text) => said.push(text));
  try {
    await eventually("it is ready", async () => (await fetch(`${system.results.url}/readyz`)).ok);
    await system.open("logged", { release: "auto" });
    const { page, addresses, close } = await open(browser, desk("logged"));
    await signIn(page, "another-token-that-is-wrong", { comes: false });
    await says(page, "#sign-in-message", "não é conhecido");
    await signIn(page, TOKEN);
    await until(page, "live");
    for (const address of addresses) assert.ok(!address.includes(TOKEN) && !address.includes("another-token"), address);
    await close();
  } finally {
    child.kill("SIGTERM");
    await new Promise((end) => child.once("exit", end));
  }
  const log = Buffer.concat(said).toString();
  assert.ok(log.includes('"target":"actix_http::h1::dispatcher"'), "the log has what connections leave");
  assert.ok(!log.includes(TOKEN) && !log.includes("another-token"), "and no token");
  system.results = await system.service("vote-results", { port, settings: SETTINGS });
});
