// The public pages of the real services, behind one origin, in a real Chromium.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import test, { after, before } from "node:test";

import { Services, eventually, freePort } from "../../browser/lib/services.mjs";
import { Front } from "../lib/front.mjs";
import { old } from "../lib/old-browser.mjs";
import { DESKTOP, PHONE, accessible, fits, launch, open, picture, profile, untilPercent, untilState, vote } from "../lib/pages.mjs";

let browser;
let system;
let front;
before(async () => {
  browser = await launch();
  system = await Services.start();
  front = await Front.start(system);
});
after(async () => {
  await front?.stop();
  await system?.stop();
  await browser?.close();
});

const at = (path) => front.url + path;
const hours = (count) => new Date(Date.now() + count * 3_600_000).toISOString();

/** The votes that are recorded, whoever may see them. */
async function total(poll) {
  const shown = JSON.parse(await system.votectl("--output", "json", "audit", poll));
  return Number(shown.total_votes ?? shown.total);
}

test("a vote on the page moves the bar in another browser, without a reload", async () => {
  await system.open("two", { title: "Paredão 1", candidates: [
    { id: "ana", name: "Ana", color: "#e4572e" }, { id: "bia", name: "Bia", color: "#17bebb" },
  ] });
  const [phone, desktop] = [await profile(browser), await profile(browser, { viewport: DESKTOP })];
  const voter = await open(phone, at("/polls/two"));
  const viewer = await open(desktop, at("/polls/two"));
  await viewer.page.evaluate(() => (globalThis.isSame = true));
  await viewer.page.locator("#live.on").waitFor();
  await voter.page.locator('[data-candidate="ana"] button').click();
  assert.equal(await voter.page.locator("#confirm-what").textContent(), "Seu voto é para eliminar Ana.");
  assert.equal(await voter.page.locator("#confirm-channel").textContent(), "Canal: torcida");
  assert.equal(await voter.page.locator("#confirm-do").textContent(), "Confirmar: eliminar Ana");
  await accessible(voter.page, "the confirmation");
  await voter.page.getByRole("button", { name: "Voltar" }).click();
  assert.equal(await total("two"), 0, "not confirmed, not cast");
  await vote(voter.page, "ana");
  await voter.page.getByText("Voto registrado.").waitFor();
  await untilPercent(viewer.page, "ana", "100,00 %");
  await untilPercent(voter.page, "ana", "100,00 %");
  await vote(voter.page, "bia");
  await untilPercent(viewer.page, "bia", "50,00 %");
  assert.equal(await viewer.page.locator('[data-candidate="bia"] .fill').getAttribute("width"), "50%");
  assert.ok(await viewer.page.evaluate(() => globalThis.isSame), "it was not loaded again");
  await accessible(voter.page, "after a vote");
  await picture(voter.page, "voted-phone");
  await voter.page.getByRole("link", { name: "Ver se meu voto está na contagem" }).click();
  await voter.page.getByText("Sim. Seu voto está na contagem.").waitFor();
  await accessible(voter.page, "a receipt");
  await fits(voter.page, "a receipt");
  await picture(voter.page, "receipt-phone");
  await voter.close();
  await viewer.close();
  assert.equal(await total("two"), 2);
});

test("without JavaScript a vote is asked, cast, and found again; a second click counts once", async () => {
  await system.open("plain", { channels: [
    { id: "torcida", weight: 60, eligibility: "open" },
    { id: "casa", weight: 40, eligibility: "open" },
    { id: "unico", weight: 10, eligibility: "voter", votes_per_voter: 1 },
  ] });
  const context = await profile(browser, { javaScriptEnabled: false });
  const { page, close } = await open(context, at("/polls/plain"));
  await page.getByText("Pelo canal unico não se vota nesta página").waitFor();
  await page.getByRole("radio", { name: "casa" }).check();
  await page.getByRole("button", { name: "Votar para eliminar Bia" }).click();
  await page.getByRole("heading", { name: "Confirme seu voto" }).waitFor();
  await page.getByText("Seu voto é para eliminar Bia.").waitFor();
  await page.getByText("Canal: casa").waitFor();
  assert.ok(!page.url().includes("bia"), page.url());
  await fits(page, "the confirmation");
  await picture(page, "confirm-no-script");
  await page.getByRole("button", { name: "Confirmar: eliminar Bia" }).dblclick();
  await page.getByText("Sim. Seu voto está na contagem.").waitFor();
  assert.match(page.url(), /\/polls\/plain\/receipts\/v1\./);
  assert.equal(await total("plain"), 1);
  // The answer is lost: to load the page again sends the same form, and it counts once.
  await page.goto(at("/polls/plain?lang=en"));
  await page.getByRole("button", { name: "Vote to evict Ana" }).click();
  // As often as the browser tries by itself, and once more.
  front.losing = 2;
  await page.getByRole("button", { name: "Confirm: evict Ana" }).click().catch(() => undefined);
  await eventually("the receipt", async () => {
    if (await page.getByText("Yes. Your vote is in the count.").count()) return true;
    await page.reload().catch(() => undefined);
    return page.url();
  });
  assert.equal(front.losing, 0);
  assert.equal(await total("plain"), 2);
  for (const request of front.seen) assert.ok(!/candidate|ana|bia/.test(request.replace("/polls/plain", "")), request);
  await close();
});

test("without JavaScript a refusal is a page that says what to do", async () => {
  await system.open("late");
  const context = await profile(browser, { javaScriptEnabled: false });
  const { page, close } = await open(context, at("/polls/late"));
  await page.getByRole("button", { name: "Votar para eliminar Ana" }).click();
  await system.votectl("poll", "pause", "late");
  await eventually("ingest knows", async () => (await cast("late")) === 409);
  await page.getByRole("button", { name: "Confirmar: eliminar Ana" }).click();
  await page.getByRole("heading", { name: "A votação está pausada" }).waitFor();
  await fits(page, "a refusal");
  await picture(page, "refused-no-script");
  await system.votectl("poll", "resume", "late");
  await eventually("ingest knows", async () => (await cast("late")) === 201);
  await page.getByRole("button", { name: "Enviar de novo" }).click();
  await page.getByText("Sim. Seu voto está na contagem.").waitFor();
  await close();
});

async function cast(poll) {
  const answer = await fetch(`${system.ingest.url}/v1/polls/${poll}/votes`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ candidate: "bia" }),
  });
  return answer.status;
}

test("each language says all of it, on the phone and on the desktop", async () => {
  await system.open("tongues", { direction: "save" });
  await system.vote("tongues", "ana", 3);
  await system.vote("tongues", "bia", 1);
  for (const [name, viewport] of [["phone", PHONE], ["desktop", DESKTOP]]) {
    const context = await profile(browser, { viewport });
    for (const [lang, tag, button, percent, live] of [
      ["", "pt-BR", "Votar para salvar Ana", "75,00 %", "Ao vivo"],
      ["?lang=en", "en", "Vote to save Ana", "75.00%", "Live"],
      ["?lang=es", "es", "Votar para salvar a Ana", "75,00 %", "En vivo"],
    ]) {
      const { page, close } = await open(context, at(`/polls/tongues${lang}`));
      assert.equal(await page.locator("html").getAttribute("lang"), tag);
      const state = await page.locator("#state").textContent();
      await page.getByRole("button", { name: button }).waitFor();
      await page.locator("#live", { hasText: live }).waitFor();
      await untilPercent(page, "ana", percent);
      assert.equal(await page.locator("#state").textContent(), state, "the script writes what the server has written");
      assert.match(await page.locator("#countdown").textContent(), /0[23]:\d\d:\d\d$/);
      await accessible(page, `${name} ${tag}`);
      await fits(page, `${name} ${tag}`);
      await picture(page, `poll-${name}-${tag}`);
      await close();
    }
    await context.close();
  }
});

test("each state comes to an open page by itself, and votes are offered in one alone", async () => {
  await system.open("course");
  await system.vote("course", "ana", 1);
  const context = await profile(browser);
  const { page, close } = await open(context, at("/polls/course"));
  const buttons = page.locator("button.vote:visible");
  const check = async (state, said, count) => {
    await untilState(page, state);
    await page.locator("#state", { hasText: said }).waitFor();
    await eventually(`${count} buttons`, async () => (await buttons.count()) === count);
    const scripted = await page.locator("#state").textContent();
    await accessible(page, state);
    await picture(page, `state-${state}`);
    const plain = await (await fetch(at("/polls/course"))).text();
    assert.ok(plain.includes(`role="status">${scripted}<`), `${scripted} in ${plain}`);
  };
  await check("open", "Votação aberta até", 2);
  await system.votectl("poll", "pause", "course");
  await check("paused", "Votação pausada", 0);
  await system.votectl("poll", "resume", "course");
  await check("open", "Votação aberta até", 2);
  await system.votectl("poll", "withdraw", "course", "bia", "--reason", "a test", "--yes");
  await page.locator('[data-candidate="bia"] .out:visible').waitFor();
  await eventually("one button", async () => (await buttons.count()) === 1);
  await system.votectl("poll", "close", "course", "--yes");
  await check("closed", "O resultado ainda é provisório.", 0);
  // As soon as all that has voted is drained.
  await eventually("sealed", () => system.votectl("poll", "seal", "course", "--now", "--yes").then(() => true));
  await check("final", "Resultado final.", 0);
  await untilPercent(page, "ana", "100,00 %");
  await close();
  await context.close();
});

test("not open yet, void, a rehearsal and what is not there", async () => {
  await system.open("tomorrow", { opens_at: hours(20), closes_at: hours(30) });
  await system.open("void", { kind: "rehearsal" });
  await system.vote("void", "ana", 1);
  const context = await profile(browser);
  const early = await open(context, at("/polls/tomorrow"));
  await untilState(early.page, "not_open");
  await early.page.getByText("A votação abre em").waitFor();
  await early.page.locator("#countdown", { hasText: "Abre em" }).waitFor();
  assert.equal(await early.page.locator("button.vote:visible").count(), 0);
  assert.ok(!(await early.page.locator("main").textContent()).includes("0,00"));
  await accessible(early.page, "not open");
  await early.close();
  const { page, close } = await open(context, at("/polls/void"));
  await page.getByText("Ensaio: os votos não contam.").waitFor();
  await untilPercent(page, "ana", "100,00 %");
  await accessible(page, "a rehearsal");
  await system.votectl("poll", "void", "void", "--reason", "a test", "--yes");
  await untilState(page, "void");
  await page.locator("#state", { hasText: "Votação anulada" }).waitFor();
  await eventually("no figures", async () => !(await page.locator("ul.candidates").textContent()).includes("%"));
  await accessible(page, "void");
  await close();
  for (const [path, said] of [
    ["/polls/nobody", "Página não encontrada"],
    ["/nothing/here", "Página não encontrada"],
    ["/polls/void/receipts/x", "Este recibo não é válido"],
    ["/", "Votações"],
    ["/?lang=en", "Polls"],
  ]) {
    const missing = await open(context, at(path));
    await missing.page.getByRole("heading", { name: said, exact: true }).waitFor();
    await accessible(missing.page, path);
    await fits(missing.page, path);
    await missing.close();
  }
  await context.close();
});

test("figures are shown as far as they are public, and held ones stand still", async () => {
  await system.open("half", { visibility: "percentages" });
  await system.open("none", { visibility: "embargoed" });
  await system.open("held");
  for (const poll of ["half", "none", "held"]) await system.vote(poll, "ana", 2);
  const context = await profile(browser);
  const half = await open(context, at("/polls/half"));
  await untilPercent(half.page, "ana", "100,00 %");
  assert.equal(await half.page.locator("#total:visible").count(), 0);
  await half.close();
  const none = await open(context, at("/polls/none"));
  await none.page.getByText("Os percentuais não são públicos agora.").waitFor();
  await vote(none.page, "bia");
  await none.page.getByText("Voto registrado.").waitFor();
  await accessible(none.page, "embargoed");
  assert.ok(!(await none.page.locator("main").textContent()).includes("%"));
  assert.ok(!front.seen.some((one) => one.includes("/v1/polls/none/results")), "no figures are asked for");
  await none.close();
  const held = await open(context, at("/polls/held"));
  await held.page.locator("#total", { hasText: "Total de votos: 2" }).waitFor();
  await system.votectl("poll", "release", "held", "--yes");
  await system.votectl("poll", "hold", "held");
  await eventually("held", async () => (await (await fetch(at("/v1/polls/held"))).json()).release === "held");
  await system.vote("held", "bia", 2);
  await eventually("in the tally", async () => (await (await fetch(at("/v1/polls/held/results"))).json()).total_votes === 4);
  await held.page.reload();
  await held.page.locator("#total", { hasText: "Total de votos: 2" }).waitFor();
  await held.page.locator("#live.on").waitFor();
  await untilPercent(held.page, "ana", "100,00 %");
  await system.votectl("poll", "release", "held", "--yes");
  await untilPercent(held.page, "ana", "50,00 %");
  await held.close();
  // What was never released is held without figures.
  await system.open("shut");
  await system.vote("shut", "ana", 2);
  const shut = await open(context, at("/polls/shut"));
  await untilPercent(shut.page, "ana", "100,00 %");
  await system.votectl("poll", "hold", "shut");
  await shut.page.getByText("Os percentuais não estão disponíveis agora.").waitFor();
  assert.ok(!(await shut.page.locator("ul.candidates").textContent()).includes("%"));
  assert.ok(await shut.page.getByRole("button", { name: "Votar para eliminar Ana" }).isVisible());
  await shut.close();
  await context.close();
});

/** The poll's document, as anybody reads it. */
const documentOf = async (poll) => (await fetch(at(`/v1/polls/${poll}`))).json();

/** Releases and holds a poll with three votes for Ana and one for Bia; five more for Bia follow, and it is sealed. */
async function sealWhileHeld(poll, { once }) {
  await system.vote(poll, "ana", 3);
  await system.vote(poll, "bia", 1);
  await system.votectl("poll", "release", poll, "--yes");
  await once?.();
  await system.votectl("poll", "hold", poll);
  await eventually("held", async () => (await documentOf(poll)).release === "held");
  await system.vote(poll, "bia", 5);
  await system.votectl("poll", "close", poll, "--yes");
  await eventually("sealed", () => system.votectl("poll", "seal", poll, "--now", "--yes").then(() => true));
  await eventually("final", async () => (await documentOf(poll)).status === "final");
}

test("what is held is no final result, on a page that was open and on one that comes later, until it is released", async () => {
  await system.open("frozen");
  const context = await profile(browser);
  const early = await open(context, at("/polls/frozen"));
  await sealWhileHeld("frozen", { once: () => untilPercent(early.page, "ana", "75,00 %") });
  const { closes_at } = await documentOf("frozen");
  // Its own profile: it has a stream of its own.
  const later = await open(await profile(browser), at("/polls/frozen"));
  const plain = await (await fetch(at("/polls/frozen"))).text();
  for (const { page } of [early, later]) {
    await page.locator("#live.on").waitFor();
    // It has the newest document by then.
    await page.waitForResponse((response) => response.url().endsWith("/v1/polls/frozen") && response.status() === 304);
    await page.locator(`main[data-closes="${closes_at}"]`).waitFor();
    await untilState(page, "closed");
    await untilPercent(page, "ana", "75,00 %");
    const said = await page.locator("#state").textContent();
    assert.ok(plain.includes(`role="status">${said}<`), `${said}: ${plain}`);
    assert.ok(!said.includes("final"), said);
  }
  await system.votectl("poll", "release", "frozen", "--yes");
  for (const { page, close } of [early, later]) {
    await untilState(page, "final");
    await untilPercent(page, "ana", "33,33 %");
    await page.locator("#state", { hasText: "Resultado final." }).waitFor();
    await page.locator("#live").waitFor({ state: "hidden" });
    await close();
  }
  await context.close();
});

test("a page without a stream waits for the release, and shows the result then", async () => {
  const results = await system.service("vote-results", { settings: { VOTE__STREAM__MAX_READERS: "0" } });
  await system.open("streamless");
  const context = await profile(browser);
  const { page, close } = await open(context, `${results.url}/polls/streamless`);
  await sealWhileHeld("streamless", { once: () => untilPercent(page, "ana", "75,00 %") });
  await page.getByText("Os percentuais não estão disponíveis agora.").waitFor();
  await eventually("final there", async () => (await (await fetch(`${results.url}/v1/polls/streamless`)).json()).status === "final");
  // It has the newest document by then, and the result, which it keeps to itself.
  for (const path of ["/results", ""]) {
    await page.waitForResponse((response) => response.url().endsWith(`/v1/polls/streamless${path}`) && response.status() === 304);
  }
  await untilState(page, "closed");
  assert.ok(!(await page.locator("ul.candidates").textContent()).includes("%"));
  assert.ok(!(await page.locator("#state").textContent()).includes("final"));
  await system.votectl("poll", "release", "streamless", "--yes");
  await untilState(page, "final");
  await untilPercent(page, "ana", "33,33 %");
  await page.locator("#no-figures").waitFor({ state: "hidden" });
  await page.locator("#live").waitFor({ state: "hidden" });
  await close();
  await context.close();
  await system.kill(results, "SIGTERM");
});

test("the oldest browsers of the build show the poll, its times and its figures, and vote", async () => {
  await system.open("elders");
  await system.vote("elders", "ana", 1);
  const context = await profile(browser);
  await context.addInitScript(old);
  for (const query of ["", "?lang=en"]) {
    const { page, close } = await open(context, at(`/polls/elders${query}`));
    await page.locator("#live.on").waitFor();
    const plain = await (await fetch(at(`/polls/elders${query}`))).text();
    const said = await page.locator("#state").textContent();
    assert.ok(said.includes("(UTC-03:00)") && plain.includes(`role="status">${said}<`), said);
    await close();
  }
  const { page, close } = await open(context, at("/polls/elders"));
  await page.locator("#live.on").waitFor();
  assert.equal(await page.locator("#confirm").isVisible(), false);
  await page.getByRole("button", { name: "Votar para eliminar Bia" }).click();
  await page.getByRole("button", { name: "Confirmar: eliminar Bia" }).click();
  await page.getByText("Sim. Seu voto está na contagem.").waitFor();
  assert.equal(await total("elders"), 2);
  await close();
  await context.close();
});

test("ten tabs of one browser have one stream, and the tenth votes", async () => {
  await system.open("tabs");
  const before = front.streams();
  const context = await profile(browser);
  const tabs = [];
  for (let tab = 0; tab < 10; tab += 1) tabs.push(await open(context, at("/polls/tabs")));
  for (const { page } of tabs) await page.locator("#live.on").waitFor();
  assert.equal(front.streams() - before, 1);
  await vote(tabs[9].page, "ana");
  for (const { page } of tabs) await untilPercent(page, "ana", "100,00 %");
  // The tab that reads goes: another one takes over.
  await tabs[0].close();
  await vote(tabs[8].page, "bia");
  for (const { page } of tabs.slice(1)) await untilPercent(page, "bia", "50,00 %");
  await eventually("one stream", async () => front.streams() - before === 1);
  for (const { close } of tabs.slice(1)) await close();
  await context.close();
});

test("offline in mid-vote, then online: the vote is kept, says so, and counts once", async () => {
  await system.open("away");
  const context = await profile(browser);
  const { page, close } = await open(context, at("/polls/away"));
  await page.locator('[data-candidate="ana"] button').click();
  await context.setOffline(true);
  await page.locator("#confirm-do").click();
  await page.getByText("Sem conexão. Seu voto está guardado").waitFor();
  await accessible(page, "offline");
  await context.setOffline(false);
  await page.getByText("Voto registrado.").waitFor();
  // An answer that is lost on its way: sent again under the same key.
  front.losing = 1;
  await vote(page, "bia");
  await page.getByText("Este voto já estava registrado.").waitFor();
  assert.equal(await total("away"), 2);
  // The page is left before there is an answer; the next one finds out.
  await page.locator('[data-candidate="ana"] button').click();
  await context.setOffline(true);
  await page.locator("#confirm-do").click();
  await page.getByText("Sem conexão. Seu voto está guardado").waitFor();
  await page.close();
  await context.setOffline(false);
  const again = await open(context, at("/polls/away"));
  // A page that is closed is told that there is a network, and may have sent it as its last act.
  await again.page.getByText(/^(Voto registrado|Este voto já estava registrado)\./).waitFor();
  assert.equal(await total("away"), 3);
  await again.close();
  await close().catch(() => undefined);
  await context.close();
});

test("what another tab is sending is left to it, keeps nobody from voting, and is taken up when that tab is gone", async () => {
  await system.open("tabbed");
  const context = await profile(browser);
  const other = await open(context, at("/polls/tabbed"));
  await other.page.evaluate(async () => {
    const vote = { key: "of-a-tab-that-hangs", ingest: "", poll: "tabbed", candidate: "ana", channel: "torcida", made: Date.now(), life: 120_000 };
    await new Promise((held) => void navigator.locks.request(`paredao:${vote.key}`, () => (held(), new Promise(() => {}))));
    localStorage.setItem(`paredao:vote:${vote.key}`, JSON.stringify(vote));
  });
  const { page, close } = await open(context, at("/polls/tabbed"));
  await page.waitForFunction(async () => (await navigator.locks.query()).pending.some(({ name }) => name === "paredao:of-a-tab-that-hangs"));
  await vote(page, "bia");
  await page.getByText("Voto registrado.").waitFor();
  assert.equal(await total("tabbed"), 1);
  await other.close();
  await eventually("it is taken up", async () => (await total("tabbed")) === 2);
  await page.waitForFunction(() => !localStorage.getItem("paredao:vote:of-a-tab-that-hangs"));
  await page.getByText("Voto registrado.").waitFor();
  await close();
  await context.close();
});

test("figures that nobody confirms say that they are late, and go on when they are confirmed", async () => {
  await system.open("stale");
  await system.vote("stale", "ana", 1);
  const context = await profile(browser);
  const { page, close } = await open(context, at("/polls/stale"));
  await untilPercent(page, "ana", "100,00 %");
  system.redis.kill("SIGSTOP");
  try {
    await page.locator("#stale:visible").waitFor();
    await accessible(page, "stale");
    await untilPercent(page, "ana", "100,00 %");
    const plain = await (await fetch(at("/polls/stale"))).text();
    assert.ok(/id="stale" class="banner" role="status">/.test(plain), plain);
  } finally {
    system.redis.kill("SIGCONT");
  }
  await page.locator("#stale").waitFor({ state: "hidden" });
  await close();
  await context.close();
});

test("without Redis a poll before its time stays one, with no figure and no vote", async () => {
  await system.open("running");
  await system.open("soon", { opens_at: hours(1 / 3), release: "auto" });
  const feeds = async () => Promise.all(["csv", "flat.json"].map(async (format) => (await fetch(at(`/v1/polls/soon/results.${format}`))).text()));
  const context = await profile(browser);
  const { page, close } = await open(context, at("/polls/soon"));
  await untilState(page, "not_open");
  const before = await feeds();
  system.redis.kill("SIGSTOP");
  try {
    await eventually("stale", async () => (await documentOf("running")).status === "stale");
    await page.waitForResponse((response) => response.url().endsWith("/v1/polls/soon"));
    assert.equal(await page.locator("main").getAttribute("data-state"), "not_open");
    assert.equal(await page.locator("button.vote:visible").count(), 0);
    assert.ok(!(await page.locator("main").textContent()).includes("0,00"));
    assert.deepEqual(await feeds(), before);
    const plain = await (await fetch(at("/polls/soon"))).text();
    assert.ok(plain.includes('data-state="not_open"'), plain);
  } finally {
    system.redis.kill("SIGCONT");
  }
  await close();
  await context.close();
});

test("the first load is small, asks nobody else, and breaks no policy", async () => {
  await system.open("first");
  const context = await profile(browser);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  const hosts = new Set();
  session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  page.on("request", (request) => hosts.add(new URL(request.url()).origin));
  await page.goto(at("/polls/first"));
  await page.locator("#live.on").waitFor();
  await page.waitForLoadState("load");
  console.log(`first load: ${bytes} bytes`);
  assert.ok(bytes > 5000 && bytes <= 60_000, `${bytes} bytes`);
  assert.deepEqual([...hosts], [front.url]);
  await context.close();
});

test("the check itself: a page that breaks its policy, and one that is not accessible, are found out", async () => {
  await system.open("broken");
  const context = await profile(browser);
  const { page, wrong } = await open(context, at("/polls/broken"));
  await page.evaluate(() => {
    const image = document.createElement("img");
    image.src = "https://elsewhere.invalid/x.png";
    document.body.append(image);
  });
  await eventually("the violation", async () => wrong.some((one) => /Content Security Policy/i.test(one)));
  await page.evaluate(() => (document.querySelector("h1").outerHTML, document.documentElement.removeAttribute("lang")));
  await assert.rejects(accessible(page, "broken"), /image-alt|html-has-lang/);
  await context.close();
});

test("with an origin for each service, as without a proxy, votes go there by script and by form", async () => {
  const [voting, reading] = [await freePort(), await freePort()].map((port) => ({ port, url: `http://127.0.0.1:${port}` }));
  const ingest = await system.service("vote-ingest", {
    port: voting.port,
    settings: { VOTE__SITE__URL: reading.url, VOTE__HTTP__CORS_ALLOWED_ORIGINS: reading.url },
  });
  const results = await system.service("vote-results", { port: reading.port, settings: { VOTE__SITE__INGEST_URL: voting.url } });
  await system.open("apart");
  const page = `${reading.url}/polls/apart`;
  await eventually("the page", async () => (await fetch(page)).ok);
  const scripted = await open(await profile(browser), page, [voting.url]);
  await vote(scripted.page, "ana");
  await scripted.page.getByText("Voto registrado.").waitFor();
  await scripted.close();
  const plain = await open(await profile(browser, { javaScriptEnabled: false }), page, [voting.url]);
  await plain.page.getByRole("button", { name: "Votar para eliminar Bia" }).click();
  await plain.page.getByRole("button", { name: "Confirmar: eliminar Bia" }).click();
  await plain.page.getByText("Sim. Seu voto está na contagem.").waitFor();
  assert.ok(plain.page.url().startsWith(reading.url), plain.page.url());
  await plain.close();
  assert.equal(await total("apart"), 2);
  await system.kill(ingest, "SIGTERM");
  await system.kill(results, "SIGTERM");
});

test("a form on a stranger's page records nothing", async () => {
  await system.open("lured");
  const lure = `<form method="post" action="${front.url}/polls/lured/votes"><input name="candidate" value="ana">
    <input name="key" value="lured-key"><button>Win a prize</button></form>`;
  const stranger = createServer((_asked, answer) => {
    answer.writeHead(200, { "Content-Type": "text/html" });
    answer.end(lure);
  });
  await new Promise((listening) => stranger.listen(0, "127.0.0.1", listening));
  const context = await profile(browser);
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${stranger.address().port}/`);
  await page.getByRole("button", { name: "Win a prize" }).click();
  await page.getByRole("heading", { name: "O voto veio de outro site" }).waitFor();
  assert.equal(await total("lured"), 0);
  await context.close();
  stranger.closeAllConnections();
  await new Promise((closed) => stranger.close(closed));
});

test("a printed page has the figures, and no buttons", async () => {
  await system.open("paper");
  await system.vote("paper", "ana", 1);
  const context = await profile(browser, { viewport: DESKTOP });
  const { page, close } = await open(context, at("/polls/paper"));
  await untilPercent(page, "ana", "100,00 %");
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.locator("button:visible").count(), 0);
  assert.ok(await page.locator('[data-candidate="ana"] .percent').isVisible());
  await close();
  await context.close();
});
