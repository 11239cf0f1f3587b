// The elements in a page of another origin under a strict policy, with the real services behind: each state of a poll, both
// languages, keyboard, accessibility, themes, and a network that goes away.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import test, { after, before } from "node:test";

import { Services, Switch, eventually } from "../../browser/lib/services.mjs";
import { launch, open } from "../lib/browser.mjs";
import { Site } from "../lib/site.mjs";

const AXE = readFileSync(join(resolve(process.env.TYPESCRIPT_NODE_MODULES), "axe-core", "axe.min.js"), "utf8");
const PICTURES = process.env.TYPESCRIPT_PICTURES;

let system;
let site;
let browser;
let ingest;
let results;
let front;
before(async () => {
  site = await Site.start();
  system = await Services.start();
  const settings = { VOTE__HTTP__CORS_ALLOWED_ORIGINS: site.url };
  ingest = await system.service("vote-ingest", { settings });
  results = await system.service("vote-results", { settings });
  front = await Switch.start(results.port);
  site.services = [ingest.url, front.url];
  browser = await launch();
  if (PICTURES) mkdirSync(PICTURES, { recursive: true });
});
after(async () => {
  await browser?.close();
  await front?.stop();
  await system?.stop();
  await site?.stop();
});

const both = (poll, more = "") =>
  `<paredao-vote ingest="${ingest.url}" results="${front.url}" poll="${poll}" ${more}></paredao-vote>` +
  `<paredao-standing results="${front.url}" poll="${poll}" ${more}></paredao-standing>`;

async function shown(body, { lang = "pt-BR", context, ...options } = {}) {
  const own = context ?? (await browser.newContext(options));
  const path = `/${Math.random()}`;
  const { page, close } = await open(own, site.page(path, body, lang));
  return { page, context: own, close: async () => {
    await close();
    if (!context) await own.close();
  } };
}

const part = (page, tag, name) => page.locator(`paredao-${tag} [part~="${name}"]`);

/** Waits for the attribute `state` of an element. */
async function until(page, tag, state) {
  await page.waitForFunction(([name, wanted]) => document.querySelector(name)?.getAttribute("state") === wanted, [`paredao-${tag}`, state])
    .catch(async (error) => assert.equal(await page.locator(`paredao-${tag}`).getAttribute("state"), state, error.message));
}

const untilText = async (locator, text) => {
  await eventually(`the text ${text}`, async () => {
    const is = (await locator.allTextContents()).join("|");
    return is === text || is;
  });
};

async function accessible(page, name) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), [], name);
  if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}

test("a vote is cast in another origin's page, has its receipt, and moves the bars in a second browser", async () => {
  await system.open("vote", { title: "Paredão de domingo", candidates: [{ id: "ana", name: "Ana", color: "#e4572e" }, { id: "bia", name: "Bia" }] });
  const one = await shown(both("vote"));
  const two = await shown(both("vote", 'lang="en"'));
  await until(one.page, "vote", "open");
  await until(two.page, "standing", "open");
  await accessible(one.page, "open-pt");
  assert.deepEqual(await part(one.page, "vote", "question").allTextContents(), ["Quem você quer eliminar?"]);
  await one.page.evaluate(() => {
    window.told = [];
    document.addEventListener("paredao-vote", ({ detail }) => window.told.push(detail));
  });
  // By the keyboard alone.
  await one.page.keyboard.press("Tab");
  await one.page.keyboard.press("Space");
  await untilText(part(one.page, "vote", "submit"), "Votar para eliminar Ana");
  await one.page.keyboard.press("Tab");
  await one.page.keyboard.press("Enter");
  await untilText(part(one.page, "vote", "message"), "Seu voto para eliminar Ana foi registrado.");
  const receipt = await part(one.page, "vote", "receipt-text").textContent();
  const [told] = await one.page.evaluate(() => window.told);
  assert.deepEqual([told.outcome, told.receipt, told.resumed], ["accepted", receipt, false]);
  const kept = await one.page.evaluate(() => Object.keys(localStorage));
  assert.deepEqual(kept, [`paredao:receipt:${told.key}`]);
  await untilText(part(two.page, "standing", "percent"), "100.00 %|0.00 %");
  await untilText(part(one.page, "standing", "percent"), "100,00 %|0,00 %");
  await accessible(one.page, "voted-pt");
  await accessible(two.page, "open-en");
  assert.equal(await part(two.page, "vote", "submit").textContent(), "Vote to eliminate");
  const proof = await (await fetch(`${results.url}/v1/receipts/${receipt}`)).json();
  assert.equal(proof.in_tally, true);
  await one.close();
  await two.close();
});

test("a double click is one vote, and none without a choice", async () => {
  await system.open("double");
  const { page, close } = await shown(both("double"));
  await until(page, "vote", "open");
  await part(page, "vote", "submit").click();
  await untilText(part(page, "vote", "message"), "Escolha um participante antes de votar.");
  await page.getByLabel("Bia").check();
  await page.evaluate(() => {
    const button = document.querySelector("paredao-vote").shadowRoot.querySelector("button");
    for (let click = 0; click < 5; click += 1) button.click();
  });
  await untilText(part(page, "vote", "message"), "Seu voto para eliminar Bia foi registrado.");
  await untilText(part(page, "standing", "percent"), "0,00 %|100,00 %");
  const { total_votes } = await (await fetch(`${results.url}/v1/polls/double/results`)).json();
  assert.equal(total_votes, 1);
  await close();
});

test("offline in mid-vote, then online: the vote is sent then", async () => {
  await system.open("offline");
  const { page, context, close } = await shown(both("offline"));
  await until(page, "vote", "open");
  await page.getByLabel("Ana").check();
  await context.setOffline(true);
  await part(page, "vote", "submit").click();
  await untilText(part(page, "vote", "message"), "Sem rede. O seu voto será enviado quando a conexão voltar.");
  assert.deepEqual((await page.evaluate(() => Object.keys(localStorage))).map((name) => name.slice(0, 13)), ["paredao:vote:"]);
  await context.setOffline(false);
  await untilText(part(page, "vote", "message"), "Seu voto para eliminar Ana foi registrado.");
  await close();
});

test("a page that is reloaded in mid-vote goes on with the vote", async () => {
  await system.open("reload");
  const context = await browser.newContext();
  const first = await shown(both("reload"), { context });
  await until(first.page, "vote", "open");
  await first.page.getByLabel("Bia").check();
  await context.setOffline(true);
  await part(first.page, "vote", "submit").click();
  await until(first.page, "vote", "sending");
  await first.close();
  await context.setOffline(false);
  const second = await shown(both("reload"), { context });
  await untilText(part(second.page, "vote", "message"), "Seu voto anterior foi registrado.");
  await untilText(part(second.page, "standing", "percent"), "0,00 %|100,00 %");
  await second.close();
  await context.close();
});

test("each state of a poll is said, in both languages, and what is not known is no zero", async (t) => {
  const hours = (count) => new Date(Date.now() + count * 3_600_000).toISOString();
  const states = {
    "not-open": { changes: { opens_at: hours(1), closes_at: hours(2) }, state: "not_open", vote: "not_open", percent: "–|–" },
    paused: { then: [["poll", "pause", "paused"]], state: "paused", vote: "paused", percent: "0,00 %|0,00 %" },
    closed: { then: [["poll", "close", "closed", "--yes"]], state: "closed", vote: "closed", percent: "0,00 %|0,00 %" },
    void: { then: [["poll", "void", "void", "--yes", "--reason", "wrong page"]], state: "void", vote: "void", percent: "–|–" },
    embargoed: { changes: { visibility: "embargoed" }, state: "restricted", vote: "open", percent: "–|–" },
    percentages: { changes: { visibility: "percentages" }, state: "open", vote: "open", percent: "0,00 %|0,00 %" },
    rehearsal: { changes: { kind: "rehearsal" }, state: "open", vote: "open", percent: "0,00 %|0,00 %" },
    voter: { more: 'channel="unico"', changes: { channels: [{ id: "torcida", weight: 1, eligibility: "open" }, { id: "unico", weight: 1, eligibility: "voter", votes_per_voter: 1 }] }, state: "open", vote: "voter", percent: "0,00 %|0,00 %" },
  };
  for (const [id, { more = "", changes, then = [], state, vote, percent }] of Object.entries(states)) {
    await t.test(id, async () => {
      if (id === "not-open") await notOpen(id, changes);
      else await system.open(id, changes);
      for (const command of then) await system.votectl(...command);
      for (const lang of ["pt-BR", "en"]) {
        const { page, close } = await shown(both(id, more), { lang });
        await until(page, "standing", state);
        await until(page, "vote", vote);
        await untilText(part(page, "standing", "percent"), lang === "en" ? percent.replaceAll(",", ".") : percent);
        assert.equal(await part(page, "vote", "submit").isEnabled(), vote === "open");
        const said = await part(page, "standing", "status").textContent();
        assert.ok(said.length > 10, said);
        if (id === "rehearsal") assert.match(said, /^(Ensaio: não vale|Rehearsal: it does not count)\./);
        await accessible(page, `${id}-${lang}`);
        await close();
      }
    });
  }
  await t.test("unknown", async () => {
    const { page, close } = await shown(both("nobody-knows"));
    await until(page, "standing", "unknown-poll");
    await until(page, "vote", "unknown-poll");
    assert.equal(await part(page, "standing", "percent").count(), 0);
    await accessible(page, "unknown-poll");
    await close();
  });
});

/** Opened by the operator ahead of its time: it takes no votes yet. */
async function notOpen(id, changes) {
  const { writeFileSync } = await import("node:fs");
  const file = join(system.folder, `${id}.json`);
  writeFileSync(file, JSON.stringify({
    id, title: `Paredão ${id}`, direction: "save", kind: "live", timezone: "America/Sao_Paulo", visibility: "public", shards: 1,
    candidates: [{ id: "ana", name: "Ana" }, { id: "bia", name: "Bia" }], channels: [{ id: "torcida", weight: 100, eligibility: "open" }], ...changes,
  }));
  await system.votectl("poll", "apply", file);
  await system.votectl("poll", "open", id);
  await eventually(`${id} is known`, async () => (await fetch(`${results.url}/v1/polls/${id}`)).ok);
}

test("a poll that is sealed while it is held is closed, and not open, until its result is released", async () => {
  await system.open("kept-back");
  await system.vote("kept-back", "ana", 3);
  await system.votectl("poll", "release", "kept-back", "--yes");
  const { page, close } = await shown(both("kept-back"));
  const percents = part(page, "standing", "percent");
  await untilText(percents, "100,00 %|0,00 %");
  await system.votectl("poll", "hold", "kept-back");
  const poll = async () => (await fetch(`${front.url}/v1/polls/kept-back`)).json();
  await eventually("held", async () => (await poll()).release === "held");
  await system.vote("kept-back", "bia", 3);
  await system.votectl("poll", "close", "kept-back", "--yes");
  await eventually("sealed", () => system.votectl("poll", "seal", "kept-back", "--now", "--yes").then(() => true));
  // The ballot goes by the poll's document, which says that it is sealed; the stream has said so before.
  await until(page, "vote", "final");
  await until(page, "standing", "closed");
  await untilText(percents, "100,00 %|0,00 %");
  await system.votectl("poll", "release", "kept-back", "--yes");
  await until(page, "standing", "final");
  await untilText(percents, "50,00 %|50,00 %");
  await close();
});

test("a results service that goes away is said, and come back to; figures never step back", async () => {
  await system.open("away");
  await system.vote("away", "ana", 1);
  const { page, close } = await shown(both("away"));
  await until(page, "standing", "open");
  await untilText(part(page, "standing", "percent"), "100,00 %|0,00 %");
  await page.evaluate(() => {
    window.revisions = [];
    document.addEventListener("paredao-standing", ({ detail }) => window.revisions.push(detail.revision));
  });
  front.turn(1);
  await until(page, "standing", "stale");
  await untilText(part(page, "standing", "percent"), "100,00 %|0,00 %");
  assert.equal(await page.locator("paredao-vote").getAttribute("state"), "open", "ingest is there all the same");
  await accessible(page, "stale");
  await system.vote("away", "bia", 1);
  front.turn(results.port);
  await until(page, "standing", "open");
  await untilText(part(page, "standing", "percent"), "50,00 %|50,00 %");
  const revisions = await page.evaluate(() => window.revisions);
  assert.deepEqual(revisions, revisions.slice().sort((one, other) => one - other));
  await close();
});

test("a candidate who leaves is out of the ballot, and has no percentage", async () => {
  await system.open("leaves", { candidates: [{ id: "ana", name: "Ana" }, { id: "bia", name: "Bia" }, { id: "caio", name: "Caio" }] });
  await system.vote("leaves", "ana", 1);
  const { page, close } = await shown(both("leaves"));
  await until(page, "vote", "open");
  await page.getByLabel("Bia").check();
  await system.votectl("poll", "withdraw", "leaves", "bia", "--yes", "--reason", "left the show");
  await untilText(part(page, "standing", "percent"), "100,00 %|fora da disputa|0,00 %");
  await page.getByLabel("Bia (fora da disputa)").waitFor();
  assert.equal(await page.getByLabel("Bia (fora da disputa)").isDisabled(), true);
  assert.equal(await page.getByLabel("Bia (fora da disputa)").isChecked(), false);
  await accessible(page, "withdrawn");
  await close();
});

test("the page's own style sheet themes it, and who wants no motion has none", async () => {
  await system.open("theme");
  const { page, close } = await shown(both("theme"), { reducedMotion: "reduce", colorScheme: "dark", forcedColors: "none" });
  await until(page, "vote", "open");
  const seen = await page.evaluate(() => {
    const vote = document.querySelector("paredao-vote");
    vote.style.setProperty("--paredao-accent", "rgb(1, 2, 3)");
    const fill = document.querySelector("paredao-standing").shadowRoot.querySelector(".fill");
    return [getComputedStyle(vote.shadowRoot.querySelector("button")).backgroundColor, getComputedStyle(fill).transitionDuration];
  });
  assert.equal(seen[0], "rgb(1, 2, 3)");
  assert.equal(seen[1], "0s");
  await close();
});

test("an element that is taken out asks nothing any more, and one with another poll shows that", async () => {
  await system.open("first");
  await system.open("second", { title: "O segundo" });
  const { page, close } = await shown(both("first"));
  await until(page, "standing", "open");
  await page.evaluate(() => document.querySelector("paredao-standing").setAttribute("poll", "second"));
  await untilText(part(page, "standing", "title"), "O segundo");
  const ended = page.waitForEvent("requestfailed", (request) => request.url().includes("/second/results/stream"));
  await page.evaluate(() => {
    document.querySelector("paredao-standing").remove();
    document.querySelector("paredao-vote").remove();
  });
  await ended;
  await close();
});
