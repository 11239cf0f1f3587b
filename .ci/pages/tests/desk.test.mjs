// Production's desk in Chromium, at a service that answers what the test says: signing in, every state, faults, plots, CSV, paper.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test, { after, afterEach, before, beforeEach } from "node:test";

import { accessible, launch, open, picture, pixels, plotted, says, signIn, until } from "../lib/desk-browser.mjs";
import { CANDIDATES, DeskStandIn, TOKEN, deskOf, seriesOf } from "../lib/desk-stand-in.mjs";
import { old } from "../lib/old-browser.mjs";

let browser;
let service;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});
beforeEach(async () => {
  service = await DeskStandIn.start();
  series();
});
afterEach(() => service.stop());

const MINUTES = Array.from({ length: 40 }, (_, index) => [10 + ((index * 7) % 23), 5 + ((index * 3) % 11), index % 5]);
const HOURS = [[500, 200, 50], [400, 600, 150]];

/** Gives the service a known series for its desk. */
function series(end = Date.now()) {
  service.minutely = seriesOf(service.desk, 60, MINUTES, end);
  service.hourly = seriesOf(service.desk, 3600, HOURS, end);
}

/** A poll that has closed at the end of an hour: its series goes on no more, whatever the minute in which the test runs. */
function closed() {
  const end = Math.floor(Date.now() / 3_600_000) * 3_600_000;
  service.desk = deskOf({ poll: { state: "closed", opens_at: new Date(end - 2 * 3_600_000).toISOString(), closes_at: new Date(end).toISOString() } });
  series(end - 1);
}

const desk = (query = "") => `${service.url}/production/paredao-01${query}`;
const asked = (path) => service.asked.filter((one) => one.url.includes(path));

test("before the token there is no figure, and nothing is asked for", async () => {
  const { page, close } = await open(browser, desk());
  await until(page, "sign-in");
  assert.equal(asked("/v1/").length, 0);
  assert.ok(!(await page.content()).includes("Paredão 1"));
  assert.equal(await page.locator("#token").getAttribute("name"), null, "without a name it is in no address");
  await accessible(page, "the form");
  await picture(page, "desk-sign-in");
  await close();
});

test("a wrong token says so, one that is none as well, and neither is kept", async () => {
  const { page, close } = await open(browser, desk());
  await signIn(page, "not-the-token", { comes: false });
  await says(page, "#sign-in-message", "Este token não é conhecido");
  assert.equal(await page.locator("#token").getAttribute("aria-invalid"), "true");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await accessible(page, "a refused token");
  const before = asked("/v1/").length;
  await page.locator("#token").fill("with blanks and ü");
  await page.keyboard.press("Enter");
  await says(page, "#sign-in-message", "sem espaços");
  assert.equal(asked("/v1/").length, before, "it is not even sent");
  await signIn(page, TOKEN);
  await until(page, "live");
  await close();
});

test("the token is in no address, in this tab alone, and gone after signing out", async () => {
  const { page, addresses, close } = await open(browser, desk(), { token: TOKEN });
  await until(page, "live");
  assert.deepEqual(await page.evaluate(() => [Object.values(sessionStorage), Object.keys(localStorage)]), [[TOKEN], []]);
  await page.reload();
  await until(page, "live");
  // A tab of its own: the same profile, another session.
  const other = await open(browser, desk(), { context: page.context() });
  await until(other.page, "sign-in");
  await other.page.close();
  await page.locator('[data-do="sign-out"]').click();
  await until(page, "sign-in");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.ok(!(await page.content()).includes("Paredão 1"), "no figure stays");
  assert.ok(addresses.length > 5);
  for (const address of addresses) assert.ok(!address.includes(TOKEN), address);
  for (const one of service.asked) assert.ok(!one.url.includes(TOKEN) && !one.referer.includes(TOKEN), one.url);
  assert.ok(asked("/v1/").every((one) => one.authorization === `Bearer ${TOKEN}`));
  assert.ok(asked("/assets/").every((one) => one.authorization === ""));
  await close();
});

test("a token that is revoked ends the session and says so", async () => {
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await until(page, "live");
  service.mode = 401;
  await until(page, "sign-in");
  await says(page, "#sign-in-message", "deixou de valer");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await close();
});

test("every figure is shown: weighted, unweighted, each channel, totals", async () => {
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await until(page, "live");
  const rows = await page.locator(".candidates tbody tr").evaluateAll((all) => all.map((row) => Array.from(row.cells, (cell) => cell.innerText.replaceAll("\u00a0", " ").split(/\s*\n\s*/).filter(Boolean).join("|"))));
  assert.deepEqual(rows, [
    ["Ana Clara", "2º", "41,76 %", "50,00 %", "1.000", "69,23 %|900", "14,29 %|100"],
    ["Bia", "1º", "47,26 %", "40,00 %", "800", "23,08 %|300", "71,43 %|500"],
    ["Caio", "3º", "10,99 %", "10,00 %", "200", "7,69 %|100", "14,29 %|100"],
  ]);
  await says(page, ".candidates tfoot", "2.000");
  await says(page, ".tile.total", "2.000");
  await says(page, ".tile.peak", "10 /s");
  await says(page, ".on-air", "NO AR");
  await says(page, ".audit", "conferem");
  await says(page, ".outcomes", "vote_votes_total");
  // Lengths of bars are the percentages.
  const bars = await page.locator(".candidates .bar").evaluateAll((all) => all.map((bar) => (bar.firstElementChild.getBoundingClientRect().width / bar.getBoundingClientRect().width) * 100));
  [41.76, 47.26, 10.99].forEach((percent, index) => assert.ok(Math.abs(bars[index] - percent) < 1, `${bars}`));
  await close();
});

test("the plot is the series: its data, its pixels, and its table", async () => {
  closed();
  const { page, close } = await open(browser, desk(), { token: TOKEN, height: 1600 });
  const { data, places, colors } = await plotted(page, "minutes");
  const { minutes } = service.minutely;
  const starts = minutes.map((minute) => Date.parse(minute.start) / 1_000);
  // The last bucket is drawn to its end.
  assert.deepEqual(data[0], [...starts, starts.at(-1) + 60]);
  const drawn = (list) => [...list, list.at(-1)];
  assert.deepEqual(data.slice(1), [drawn(minutes.map((one) => one.total_votes)), ...CANDIDATES.map(({ id }) => drawn(minutes.map((one) => one.candidates[id])))]);
  // The line of the total stands in the middle of each minute at the height of its votes.
  await page.evaluate(() => document.activeElement?.blur());
  const at = await pixels(page);
  const ink = /#(..)(..)(..)/.exec(colors[0]).slice(1).map((part) => Number.parseInt(part, 16));
  const near = (x, y) => [-1, 0, 1].some((up) => at(x, y + up).every((part, index) => Math.abs(part - ink[index]) < 60));
  const right = places.filter(({ x, ys }) => near(x, ys[0]));
  assert.equal(right.length, places.length, "minutes at which the line is where it belongs");
  const wrong = places.filter(({ x, ys }) => near(x, ys[0] - 14));
  assert.ok(wrong.length < places.length / 3, "and is nowhere else");
  const hours = await plotted(page, "hours");
  assert.deepEqual(hours.data[1], [750, 1150, 1150]);
  assert.deepEqual(hours.data[3], [200, 600, 600]);
  // One click away, for who can't see it.
  await page.locator('[data-do="table-minutes"]').click();
  const table = await page.locator(".minutes tbody tr").evaluateAll((rows) => rows.map((row) => Array.from(row.cells).slice(1).map((cell) => Number(cell.textContent.replaceAll(".", "")))));
  assert.deepEqual(table, minutes.map((one) => [one.total_votes, ...CANDIDATES.map(({ id }) => one.candidates[id])]).reverse());
  await accessible(page, "the table");
  await page.locator('[data-do="table-minutes"]').click();
  await plotted(page, "minutes");
  await close();
});

test("the plot is read by the keyboard", async () => {
  closed();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await plotted(page, "minutes");
  await page.locator("#slide-minutes").focus();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  const third = service.minutely.minutes.at(-3);
  const said = `Total ${third.total_votes} · Ana Clara ${third.candidates.ana} · Bia ${third.candidates.bia} · Caio ${third.candidates.caio}`;
  await page.waitForFunction((text) => document.getElementById("slide-minutes").getAttribute("aria-valuetext").endsWith(text), said);
  assert.ok((await page.locator("#read-minutes").textContent()).endsWith(said));
  await close();
});

test("minutes without votes up to the last confirmation are zero, and what is not confirmed is not there", async () => {
  // Five seconds into a minute, five minutes ago: no minute ends while the test runs.
  const end = Math.floor(Date.now() / 60_000) * 60_000 - 5 * 60_000 + 5_000;
  service.minutely = seriesOf(service.desk, 60, [[3, 2, 1], [4, 0, 0]], end);
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  const { data } = await plotted(page, "minutes");
  const totals = data[1].slice(0, -1);
  assert.deepEqual(totals.slice(0, 2), [6, 4]);
  assert.ok(totals.length >= 6 && totals.length <= 8 && totals.slice(2).every((total) => total === 0), `${totals}`);
  await close();
  service.desk = deskOf({ poll: { status: "stale" } });
  service.ageMs = Date.now() - end;
  service.minutely = seriesOf(service.desk, 60, [[3, 2, 1], [4, 0, 0]], end);
  const stale = await open(browser, desk(), { token: TOKEN });
  assert.deepEqual((await plotted(stale.page, "minutes")).data[1], [6, 4, 4]);
  await stale.close();
});

const STATES = [
  ["draft", { state: "draft", status: "not_open", release: "unreleased" }, "Rascunho", ["poll open", "poll show", "poll release"], ["poll pause", "poll seal"]],
  ["not-open", { state: "open", status: "not_open", opens_at: new Date(Date.now() + 3_600_000).toISOString(), closes_at: new Date(Date.now() + 7_200_000).toISOString() }, "Abre em breve", ["poll hold", "poll pause"], ["poll seal"]],
  ["open", {}, "Aberta", ["poll hold", "poll pause", "poll extend", "poll close", "poll withdraw", "poll void", "audit"], ["poll open", "poll resume", "poll seal"]],
  ["paused", { state: "paused" }, "Pausada", ["poll resume", "poll extend", "poll close"], ["poll pause", "poll seal"]],
  ["closed", { state: "closed", closes_at: new Date(Date.now() - 60_000).toISOString() }, "Encerrada", ["poll seal", "audit"], ["poll pause", "poll close", "poll extend"]],
  ["sealed", { state: "sealed", status: "final", closes_at: new Date(Date.now() - 60_000).toISOString() }, "Selada", ["audit", "export"], ["poll seal", "poll void"]],
  ["void", { state: "void", status: "void" }, "Anulada", ["audit", "poll journal"], ["poll void", "poll release", "poll hold"]],
];
for (const [name, poll, word, there, absent] of STATES) {
  test(`a poll that is ${name} says so, and shows the commands that fit`, async () => {
    const sealed = { sealed_at: new Date().toISOString(), sealed_by: "ines", sha256: "ab".repeat(32), abandoned: [] };
    service.desk = deskOf({ poll, ...(name === "sealed" ? { sealed } : {}) });
    series();
    const { page, close } = await open(browser, desk(), { token: TOKEN });
    await until(page, ["sealed", "void"].includes(name) ? "settled" : "live");
    await says(page, ".tile.state", word);
    const lines = await page.locator(".commands code").allTextContents();
    for (const command of there) assert.ok(lines.some((line) => line.startsWith(`votectl ${command} paredao-01`)), `${command}: ${lines}`);
    for (const command of absent) assert.ok(!lines.some((line) => line.startsWith(`votectl ${command} `)), `${command}: ${lines}`);
    if (name === "void") await says(page, ".banner.void", "ANULADA");
    if (name === "sealed") await says(page, ".audit", "ab".repeat(32));
    await accessible(page, name);
    await picture(page, `desk-${name}`);
    await close();
  });
}

test("the writers that sealing waits for are named, with the command for one that is gone", async () => {
  service.desk = deskOf({ poll: { state: "closed" }, checks: { agree: true, tally: 2000, minutes: 2000, ledger: 2000, writers: 4, drained: 3, waiting: ["0707070707070707"] } });
  series();
  const { page, close } = await open(browser, desk("?lang=en"), { token: TOKEN });
  await says(page, ".audit", "3 of 4 have handed over all");
  await says(page, ".commands", "votectl poll seal paredao-01 --abandon 0707070707070707");
  await close();
});

test("a rehearsal is loud, in both languages", async () => {
  service.desk = deskOf({ poll: { kind: "rehearsal" } });
  series();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await says(page, ".banner.rehearsal", "ENSAIO");
  await page.locator('[data-do="lang"]').click();
  await says(page, ".banner.rehearsal", "REHEARSAL");
  assert.equal(await page.getAttribute("html", "lang"), "en");
  await says(page, ".on-air", "A rehearsal is never on air");
  await accessible(page, "a rehearsal");
  await close();
});

test("held figures stand beside those of now", async () => {
  const held = deskOf({ poll: { release: "held" } });
  held.on_air = { ...held.on_air, on_air: false, total_votes: 1200, candidates: [{ id: "ana", percent: 60, votes: 720 }, { id: "bia", percent: 40, votes: 480 }] };
  service.desk = held;
  series();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await says(page, ".banner.held", "RETIDA");
  await says(page, ".on-air", "FORA DO AR");
  await says(page, ".on-air .pairs", "60,00");
  await says(page, ".on-air .behind", "800 votos ainda não mostrados");
  await says(page, ".tile.total", "2.000");
  assert.ok((await page.locator(".commands code").first().textContent()).startsWith("votectl poll release"));
  await accessible(page, "held");
  await close();
});

test("stale figures say so in words and in colour, and how old they are", async () => {
  service.desk = deskOf({ poll: { status: "stale" } });
  service.ageMs = 42_000;
  series();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await until(page, "stale");
  await says(page, ".tile.fresh", "NÃO CONFIRMADOS");
  await says(page, ".banner.stale", "não são confirmados há 4");
  await says(page, ".tile.rate", "desconhecido");
  await says(page, ".audit", "Não se sabe agora");
  const color = async (where) => await page.locator(where).evaluate((one) => getComputedStyle(one).color);
  const stale = await color(".tile.total strong");
  await accessible(page, "stale");
  await picture(page, "desk-stale");
  service.desk = deskOf();
  service.ageMs = 0;
  await until(page, "live");
  assert.notEqual(await color(".tile.total strong"), stale);
  assert.equal(await page.locator(".banner").count(), 0);
  await close();
});

test("a service that falls silent is said to be away, with the age of what is shown, and is taken up again", async () => {
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await until(page, "live");
  for (const mode of ["silent", 503, 500, 429]) {
    service.mode = mode;
    await until(page, "away");
    await says(page, ".banner.away", "não responde");
    await says(page, ".tile.total", "2.000");
    await says(page, ".on-air", "Não se sabe");
    if (mode === "silent") await accessible(page, "away");
    service.mode = "ok";
    await until(page, "live");
  }
  // Its address is refused, as while the process is started anew.
  const { port } = service;
  await service.stop();
  await until(page, "away");
  service = await DeskStandIn.start(port);
  service.desk = deskOf({ votes: [[1900, 300, 100], [100, 500, 100]] });
  series();
  await until(page, "live");
  await says(page, ".tile.total", "3.000");
  await close();
});

test("a service that has read nothing yet says so, and the desk goes on", async () => {
  service.mode = 503;
  const { page, close } = await open(browser, desk());
  await signIn(page, TOKEN, { comes: false });
  await says(page, ".waiting", "ainda não leu");
  service.mode = "ok";
  await until(page, "live");
  await close();
});

test("a poll that is not there names those that are", async () => {
  const kept = service.desk;
  service.desk = null;
  service.polls = [{ id: "paredao-02", title: "Paredão 2" }];
  const { page, close } = await open(browser, desk());
  await signIn(page, TOKEN, { comes: false });
  await says(page, ".waiting", "não existe");
  assert.equal(await page.locator(".waiting a").getAttribute("href"), "/production/paredao-02");
  await accessible(page, "no such poll");
  service.desk = kept;
  await until(page, "live");
  await close();
});

test("what an older service leaves out is unknown, and never zero", async () => {
  service.desk = deskOf({ outcomes: { recorded: 2000 }, peak: undefined });
  series();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  const facts = await page.locator(".outcomes dl > div").evaluateAll((all) => all.map((one) => one.innerText.replace("\n", ": ")));
  assert.deepEqual(facts, [
    "Aceitos e contados: 2.000", "desses, anulados: desconhecido", "desses, para quem saiu: desconhecido",
    "Separados como suspeitos, sem decisão: desconhecido", "Separados como suspeitos e anulados: desconhecido",
    "Recusados: depois do encerramento: desconhecido", "Aceitos e perdidos: desconhecido",
  ]);
  await says(page, ".tile.peak", "nenhum voto ainda");
  await close();
});

test("lost votes and figures that disagree are loud", async () => {
  service.desk = deskOf({
    outcomes: { recorded: 2000, withdrawn: 0, late: 7, lost: 12 },
    checks: { agree: false, tally: 2000, minutes: 1999, ledger: 2000, writers: 4, waiting: [] },
  });
  series();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await says(page, ".banner.lost", "12 votos aceitos foram perdidos");
  await says(page, ".banner.disagree", "NÃO CONFEREM");
  await says(page, ".audit .bad", "1.999");
  await accessible(page, "figures that disagree");
  await close();
});

test("the rate is that of confirmed figures, and unknown before there is one", async () => {
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await until(page, "live");
  await says(page, ".tile.rate", "medindo");
  await says(page, ".tile.rate", "0,0 /s");
  service.desk = deskOf({ votes: [[2900, 300, 100], [100, 500, 100]] });
  await page.waitForFunction(() => /^[1-9]\d* \/s/.test(document.querySelector(".tile.rate strong").textContent.replaceAll(".", "")));
  service.desk = deskOf({ poll: { state: "paused" } });
  await says(page, ".tile.rate", "não recebe votos");
  await close();
});

test("a withdrawn candidate keeps its votes, and has no share and no rank", async () => {
  const out = deskOf({ poll: { candidates: CANDIDATES.map((one, index) => (index === 2 ? { ...one, withdrawn_at: "2026-11-24T01:00:00.000Z" } : one)) } });
  for (const rows of [out.standing.candidates, out.unweighted, ...out.standing.channels.map((one) => one.candidates)]) {
    delete rows[2].percent;
    delete rows[2].rank;
    rows[2].withdrawn_at = "2026-11-24T01:00:00.000Z";
  }
  out.outcomes.withdrawn = 200;
  service.desk = out;
  series();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  const row = page.locator(".candidates tr.out");
  await says(page, ".candidates tr.out", "fora desde 22:00");
  assert.deepEqual(await row.locator("td").evaluateAll((all) => all.slice(0, 4).map((one) => one.innerText.trim())), ["–", "–", "–", "200"]);
  await says(page, ".outcomes", "desses, para quem saiu");
  await accessible(page, "a withdrawn candidate");
  await close();
});

/** What a table shows: each row's cells in one text. */
async function tableOf(page, where) {
  return await page.locator(`${where} table tr`).evaluateAll((rows) => rows.map((row) => Array.from(row.cells, (cell) => cell.innerText).join("|")));
}

const SET_ASIDE = [
  { reason: "deny_list", undecided: 1200, released: 0, annulled: 30 }, { reason: "fast_proof", undecided: 34, released: 5, annulled: 0 },
];

test("votes that were set aside are shown by reason, and what decides of them comes before the seal", async () => {
  const now = Date.now();
  const outcomes = { recorded: 2000, annulled: 0, withdrawn: 0, late: 0, lost: 0, quarantined: 1234, quarantine_annulled: 30 };
  const checks = { agree: true, tally: 2000, minutes: 2000, ledger: 3264, writers: 4, waiting: [] };
  service.desk = deskOf({ poll: { state: "closed", closes_at: new Date(now - 60_000).toISOString() }, outcomes, checks, quarantine: SET_ASIDE });
  series();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await says(page, ".banner.undecided", "1.234 votos suspeitos sem decisão");
  await says(page, ".outcomes .doubtful", "1.234");
  assert.deepEqual(await tableOf(page, ".quarantine"), [
    "Motivo|Sem decisão|Liberados|Anulados", "endereço na lista de recusados|1.200|0|30", "prova de trabalho rápida demais|34|5|0", "Total|1.234|5|30",
  ]);
  // They are in the ledger and not in the tally, as they should be.
  assert.equal(await page.locator(".audit .bad").count(), 0);
  await says(page, ".audit", "1.264");
  const lines = await page.locator(".commands code").allTextContents();
  const place = (command) => lines.findIndex((line) => line.startsWith(`votectl ${command} paredao-01`));
  assert.ok(place("quarantine show") >= 0 && place("quarantine annul") < place("poll seal"), `${lines}`);
  assert.equal(await page.locator(".panel.annulments").count(), 0, "nothing was annulled");
  await accessible(page, "quarantine");
  await picture(page, "desk-quarantine");
  await page.locator('[data-do="lang"]').click();
  await says(page, ".banner.undecided", "1,234 suspect votes are undecided");
  await says(page, ".quarantine", "address on the deny-list");
  // A reason that only a newer service knows is named as that names it.
  service.desk = deskOf({ outcomes: { ...outcomes, quarantined: 0 }, quarantine: [{ reason: "moon_phase", undecided: 0, released: 0, annulled: 30 }] });
  await says(page, ".quarantine", "moon_phase");
  assert.equal(await page.locator(".banner").count(), 0);
  await close();
});

test("annulled votes are shown beside what was recorded, with the windows, why and by whom", async () => {
  service.desk = annulled();
  series();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await says(page, ".outcomes", "desses, anulados");
  assert.deepEqual(await tableOf(page, ".annulments"), [
    "Candidato|Registrados|Anulados|Valem", "Ana Clara|1.100|100|1.000", "Bia|807|7|800", "Caio|200|0|200", "Total|2.107|107|2.000",
  ]);
  const windows = await page.locator(".annulments li").evaluateAll((all) => all.map((one) => one.innerText.replaceAll("\n", " ")));
  assert.deepEqual(windows, [
    "2. de 23/11 22:10 até 23/11 22:12, canal torcida, para Bia – token velho rui, 23/11 22:20", "1. de 23/11 22:00 até 23/11 22:05 – robôs ines, 23/11 22:15",
  ]);
  const lines = await page.locator(".commands code").allTextContents();
  assert.ok(lines.some((line) => line.startsWith("votectl annul paredao-01 --take-back 2 ")), `${lines}`);
  assert.equal(await page.locator(".panel.quarantine").count(), 0, "nothing was set aside");
  await accessible(page, "annulments");
  await picture(page, "desk-annulments");
  const { text } = await saved(page, "csv-standing");
  const rows = text.slice(1).trimEnd().split("\r\n").map((line) => line.split(";"));
  const column = (name) => rows[0].indexOf(name);
  assert.deepEqual(rows[0].slice(-2), ["recorded", "annulled"]);
  const shown = rows.slice(1).map((row) => ["channel", "candidate", "votes", "recorded", "annulled"].map((name) => row[column(name)]).join(" "));
  assert.deepEqual([shown[0], shown[4], shown[6], shown[10]], [" ana 1000 1100 100", "* bia 800 807 7", "torcida ana 900 1000 100", "unico bia 500 500 0"]);
  // Taken back: it is as if there had never been any.
  service.desk = deskOf();
  await page.waitForFunction(() => document.querySelector(".panel.annulments") === null);
  assert.ok(!(await saved(page, "csv-standing")).text.includes("recorded"));
  await close();
});

/** A desk with two annulments: all of Ana's hundred, and Bia's seven, through the first channel. */
function annulled(members = {}) {
  const made = deskOf({
    annulments: [
      { number: 2, votes: { from: "2026-11-24T01:10:00.000Z", until: "2026-11-24T01:12:00.000Z", channel: "torcida", candidate: "bia" }, reason: "token velho", at: "2026-11-24T01:20:00.000Z", by: "rui" },
      { number: 1, votes: { from: "2026-11-24T01:00:00.000Z", until: "2026-11-24T01:05:00.000Z" }, reason: "robôs", at: "2026-11-24T01:15:00.000Z", by: "ines" },
    ],
    outcomes: { recorded: 2107, annulled: 107, withdrawn: 0, late: 0, lost: 0, quarantined: 0, quarantine_annulled: 0 },
    ...members,
  });
  const out = [[100, 7], [0, 0]];
  made.standing.recorded = {
    total_votes: 2107, annulled: 107,
    channels: made.standing.channels.map((channel, place) => ({
      id: channel.id,
      candidates: channel.candidates.map(({ id, votes }, index) => ({ id, votes: votes + (out[place][index] ?? 0), annulled: out[place][index] ?? 0 })),
    })),
  };
  return made;
}

test("hostile names and reasons are text, on the page and in the CSV", async () => {
  const evil = '<img src=x onerror="window.hacked=1">';
  const names = [evil, "=cmd|' /C calc'!A0", 'A;"B",C'];
  service.desk = deskOf({
    poll: { title: evil, candidates: CANDIDATES.map((one, index) => ({ ...one, name: names[index], color: 'red"><b>' })) },
    quarantine: [{ reason: evil, undecided: 1, released: 0, annulled: 0 }],
    annulments: [{ ...annulled().annulments[0], reason: evil, by: evil }],
    journal: [{ at: new Date().toISOString(), action: evil, by: evil, detail: evil, reason: evil }],
  });
  series();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await says(page, "h1", evil);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator("img").count(), 0);
  const { text } = await saved(page, "csv-standing");
  assert.ok(text.includes(`;"<img src=x onerror=""window.hacked=1"">";`), text);
  assert.ok(text.includes(`;'=cmd|' /C calc'!A0;`), text);
  assert.ok(text.includes(`;"A;""B"",C";`), text);
  await close();
});

/** What the browser is given to keep. */
async function saved(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(`[data-do="${button}"]`).click()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
}

test("the CSV is what is shown, as spreadsheets of each language open it", async () => {
  closed();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await plotted(page, "minutes");
  const pt = await saved(page, "csv-standing");
  assert.equal(pt.name, "paredao-01-r815.csv");
  assert.ok(pt.text.startsWith("\ufeffpoll;title;kind;"), pt.text.slice(0, 40));
  const rows = pt.text.slice(1).trimEnd().split("\r\n").map((line) => line.split(";"));
  assert.equal(rows.length, 1 + 3 * 4, "weighted, unweighted, and two channels of three candidates");
  const column = (name) => rows[0].indexOf(name);
  const shown = rows.slice(1).map((row) => ["channel", "weight", "candidate", "votes", "percent", "rank"].map((name) => row[column(name)]).join(" "));
  assert.deepEqual(shown.slice(0, 7), [
    "  ana 1000 41,76 2", "  bia 800 47,26 1", "  caio 200 10,99 3", "*  ana 1000 50,00 1", "*  bia 800 40,00 2", "*  caio 200 10,00 3", "torcida 50 ana 900 69,23 1",
  ]);
  const minutes = await saved(page, "csv-minutes");
  assert.equal(minutes.name, "paredao-01-r815-minutes.csv");
  const lines = minutes.text.slice(1).trimEnd().split("\r\n");
  assert.equal(lines[0], "start;total_votes;ana;bia;caio");
  assert.deepEqual(lines.slice(1).map((line) => line.split(";").slice(1).join(" ")), MINUTES.map((votes) => [votes.reduce((a, b) => a + b), ...votes].join(" ")));
  assert.match(lines[1], /^\d{4}-\d\d-\d\dT\d\d:\d\d:00-03:00;/);
  assert.equal(Date.parse(lines[1].split(";")[0]), Date.parse(service.minutely.minutes[0].start));
  await page.locator('[data-do="lang"]').click();
  const en = await saved(page, "csv-standing");
  assert.ok(en.text.startsWith("\ufeffpoll,title,kind,") && en.text.includes(",ana,Ana Clara,1000,41.76,2,"), en.text);
  const hours = await saved(page, "csv-hours");
  assert.deepEqual(hours.text.trimEnd().split("\r\n").slice(1).map((line) => line.split(",").slice(1).join(" ")), ["750 500 200 50", "1150 400 600 150"]);
  await close();
});

test("all of it fits one page of A4, dark or light, with ten candidates in two channels", async () => {
  const many = Array.from({ length: 10 }, (_, index) => ({ id: `c${index}`, name: `Candidata com nome comprido ${index}` }));
  service.desk = deskOf({
    poll: { candidates: many, release: "held" }, votes: [many.map((_, index) => 100 + index), many.map(() => 50)],
    journal: Array.from({ length: 20 }, () => ({ at: new Date().toISOString(), action: "reschedule", by: "ines", detail: "closes_at 2026-11-24T01:00:00.000Z to 2026-11-24T02:00:00.000Z", reason: "long speech of the presenter" })),
  });
  series();
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await plotted(page, "minutes");
  const plain = service.desk;
  // Once more with votes that were set aside and annulled, which have panels of their own.
  const corrected = {
    ...plain, quarantine: ["deny_list", "fast_proof", "token_age", "client_fields", "prefix_share", "key_pattern"].map((reason) => ({ ...SET_ASIDE[0], reason })),
    annulments: Array.from({ length: 9 }, (_, index) => ({ ...annulled().annulments[0], number: 9 - index, votes: { ...annulled().annulments[1].votes } })),
    standing: { ...plain.standing, recorded: { total_votes: 9_999, annulled: 9, channels: plain.standing.channels.map(({ id, candidates }) => ({ id, candidates: candidates.map((one) => ({ id: one.id, votes: one.votes + 1, annulled: 1 })) })) } },
  };
  const pages = (pdf) => (pdf.toString("latin1").match(/\/Type\s*\/Page[^s]/g) ?? []).length;
  assert.equal(pages(await page.pdf({ preferCSSPageSize: true })), 1);
  await page.locator('[data-do="theme"]').click();
  assert.equal(pages(await page.pdf({ preferCSSPageSize: true })), 1);
  await page.locator('[data-do="theme"]').click();
  service.desk = corrected;
  await says(page, ".annulments", "9. de");
  assert.equal(pages(await page.pdf({ preferCSSPageSize: true })), 1, "with corrections");
  // On paper it is dark on white, whatever the screen is, and says when it was printed.
  await page.emulateMedia({ media: "print" });
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  const look = await page.evaluate(() => [getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(document.querySelector(".panel")).backgroundColor, getComputedStyle(document.querySelector("h1")).color]);
  assert.deepEqual(look, ["rgb(255, 255, 255)", "rgb(255, 255, 255)", "rgb(20, 24, 29)"]);
  assert.equal(await page.locator(".commands").isVisible(), false);
  assert.match(await page.locator(".printed").innerText(), /^Impresso em /);
  await page.emulateMedia({ media: null });
  await page.evaluate(() => dispatchEvent(new Event("afterprint")));
  await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
  await close();
});

for (const [width, height] of [[1280, 720], [1920, 1080], [390, 844], [320, 640]]) {
  test(`nothing is pushed out at the side at ${width}×${height}, in both colours and languages`, async () => {
    const { page, close } = await open(browser, desk(), { token: TOKEN, width, height });
    await plotted(page, "minutes");
    for (const theme of ["dark", "light"]) {
      for (const lang of ["pt-BR", "en"]) {
        const { dataset } = await page.evaluate(() => ({ dataset: { ...document.documentElement.dataset, lang: document.documentElement.lang } }));
        if (dataset.theme !== theme) await page.locator('[data-do="theme"]').click();
        if (dataset.lang !== lang) await page.locator('[data-do="lang"]').click();
        await page.waitForFunction(([one, other]) => document.documentElement.dataset.theme === one && document.documentElement.lang === other, [theme, lang]);
        const [wide, seen] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
        assert.ok(wide <= seen, `${theme} ${lang}: ${wide}`);
        await accessible(page, `${width} ${theme} ${lang}`);
        await picture(page, `desk-${width}-${theme}-${lang}`);
      }
    }
    // The most important is on the first screen.
    const inSight = async (where) => await page.locator(where).first().evaluate((one) => one.getBoundingClientRect().bottom <= innerHeight);
    if (width >= 1280) for (const where of [".key", ".panel.candidates", ".panel.on-air"]) assert.ok(await inSight(where), where);
    await close();
  });
}

test("a command is copied, by the mouse and by the keyboard", async () => {
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const button = page.locator('.commands [data-do="copy"]').first();
  await button.focus();
  await page.keyboard.press("Enter");
  await says(page, ".commands li:first-child button", "Copiado");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "votectl poll hold paredao-01");
  // Without the right to the clipboard, as by http, the old way works.
  await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await page.locator('.commands [data-do="copy"]').nth(1).click();
  await says(page, ".commands li:nth-child(2) button", "Copiado");
  assert.equal(await page.evaluate(() => document.querySelectorAll("textarea").length), 0);
  await close();
});

test("what is focused stays focused while figures come", async () => {
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await until(page, "live");
  const button = page.locator('.commands [data-do="copy"]').nth(2);
  await button.focus();
  service.desk = deskOf({ votes: [[1900, 300, 100], [100, 500, 100]] });
  await says(page, ".tile.total", "3.000");
  assert.equal(await page.evaluate(() => document.activeElement.dataset.line), "votectl poll extend paredao-01 --for 10m");
  await close();
});

test("`current` is the poll that is on, and another one begins anew", async () => {
  const { page, close } = await open(browser, `${service.url}/production/current`, { token: TOKEN });
  await says(page, ".commands", "votectl poll hold paredao-01");
  service.desk = deskOf({ poll: { id: "paredao-02", title: "Paredão 2" }, votes: [[1, 0, 0], [0, 0, 0]] });
  series();
  await says(page, "h1", "Paredão 2");
  await says(page, ".tile.total", "1");
  await page.waitForFunction(() => globalThis.paredaoDesk.plots.minutes?.chart?.data[0].length > 0);
  await says(page, ".commands", "votectl poll hold paredao-02");
  await close();
});

test("what breaks the page's policy fails the test", async () => {
  service.body = "<script>window.inline = 1</script>";
  const { page, close } = await open(browser, desk());
  await until(page, "sign-in");
  assert.equal(await page.evaluate(() => window.inline), undefined);
  await assert.rejects(close, /went wrong/);
});

test("the minutes of a poll that lasts for longer than three days are asked for from when on they can be told", async () => {
  const hour = 3_600_000;
  const poll = (opens, closes) => {
    const [opens_at, closes_at] = [opens, closes].map((at) => new Date(Date.now() + at * hour).toISOString());
    service.desk = deskOf({ poll: { state: closes > 0 ? "open" : "closed", opens_at, closes_at } });
    series(Math.min(Date.now(), Date.parse(closes_at) - 1));
  };
  const froms = () => asked("/minutely").map(({ url }) => new URL(url, service.url).searchParams.get("from"));
  for (const [opens, closes] of [[-1 / 2, 100], [-90, 10], [-400, -240]]) {
    poll(opens, closes);
    const { opens_at, closes_at } = service.desk.poll;
    const end = Math.min(Date.now(), Date.parse(closes_at));
    const { page, close } = await open(browser, desk(), { token: TOKEN });
    for (const window of ["1", "3", "24", "all"]) {
      const before = froms().length;
      await page.locator(`[data-window="${window}"]`).click();
      await page.waitForFunction((wanted) => document.querySelector('[aria-pressed="true"]').dataset.window === wanted, window);
      await plotted(page, "minutes");
      for (const from of froms().slice(before)) {
        assert.ok(from && Date.parse(from) >= Date.parse(opens_at) && end - Date.parse(from) <= 72 * hour, `${window} of ${opens_at}: ${from}`);
      }
      const text = await page.locator(".panel.minutes").textContent();
      assert.ok(!/Ainda não há votos|A série não chegou/.test(text), text);
      assert.equal(text.includes("Minutos das últimas 70 horas"), window === "all" && opens < -70, `${window} of ${opens_at}`);
    }
    assert.ok(froms().length > 0);
    await close();
  }
});

test("a series that did not come is unknown, and not empty", async () => {
  service.minutely = null;
  service.hourly = seriesOf(service.desk, 3600, []);
  const { page, close } = await open(browser, desk(), { token: TOKEN });
  await says(page, ".panel.minutes", "A série não chegou");
  await says(page, ".panel.hours", "Ainda não há votos para mostrar.");
  assert.ok(!(await page.locator(".panel.minutes").textContent()).includes("Ainda não há votos"));
  await close();
});

test("the oldest browsers of the build show the desk, its plots and its table", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, locale: "pt-BR" });
  await context.addInitScript(old);
  const opened = await open(browser, desk(), { token: TOKEN, context });
  await until(opened.page, "live");
  await says(opened.page, ".tile.total", "2.000");
  await opened.page.waitForFunction(() => globalThis.paredaoDesk?.plots.minutes?.chart?.data[0].length > 0);
  await opened.page.locator('[data-do="table-minutes"]').click();
  await opened.page.locator(".panel.minutes tbody tr").first().waitFor();
  await opened.close();
  await context.close();
});
