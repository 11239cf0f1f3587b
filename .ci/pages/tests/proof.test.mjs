// Votes by a channel that asks for a proof of work, with the official widget, in a real Chromium.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, before } from "node:test";

import { Services, eventually, freePort } from "../../browser/lib/services.mjs";
import { Front } from "../lib/front.mjs";
import { accessible, fits, launch, open, picture, profile, vote } from "../lib/pages.mjs";

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

const OPEN = { id: "torcida", weight: 50, eligibility: "open" };
const PROOF = { id: "prova", weight: 50, eligibility: "proof_of_work", proof_cost: 1000 };

const at = (path) => front.url + path;
const total = async (poll) => {
  const shown = JSON.parse(await system.votectl("--output", "json", "audit", poll));
  return Number(shown.total_votes ?? shown.total);
};

/** The keys of what a page asks for, by what it asks: `challenge` and `votes`. */
function keysOf(page) {
  const keys = { challenge: [], votes: [] };
  page.on("request", (request) => {
    const [, asked] = /\/v1\/polls\/[^/]+\/(challenge|votes)(\?|$)/.exec(request.url()) ?? [];
    if (asked && request.method() !== "OPTIONS") keys[asked].push(request.headers()["idempotency-key"]);
  });
  return keys;
}

test("a vote by a proof of work: solved in workers, shown, and recorded once", async () => {
  await system.open("worked", { channels: [OPEN, PROOF] });
  const context = await profile(browser);
  const { page, close } = await open(context, at("/polls/worked"));
  const keys = keysOf(page);
  let workers = 0;
  page.on("worker", () => (workers += 1));
  // Workers begin when what is shown meanwhile was looked at: how long they take is up to the machine and to chance.
  let begin;
  const looked = new Promise((resolve) => (begin = resolve));
  await page.route("**/assets/solver-*.js", async (route) => {
    await looked;
    await route.continue();
  });
  assert.ok(await page.getByRole("radio", { name: "torcida" }).isChecked(), "who chooses nothing works for nothing");
  await page.getByRole("radio", { name: "prova" }).check();
  await vote(page, "ana");
  await page.getByText("Verificando seu navegador…").waitFor();
  await page.locator('#proof .altcha[data-state="verifying"]').waitFor();
  await page.getByText("Verificando...", { exact: true }).waitFor();
  assert.ok(await page.locator('[data-candidate="bia"] button').isDisabled(), "one vote after the other");
  await picture(page, "proving-phone");
  assert.deepEqual(keys.votes, [], "nothing is sent before it is solved");
  begin();
  await page.getByText("Voto registrado.").waitFor();
  assert.ok(await page.locator("#proof").isHidden());
  assert.ok(workers > 0, "it was solved in workers");
  assert.equal(keys.challenge.length, 1);
  assert.deepEqual(keys.votes, keys.challenge, "the challenge was for the vote's key");
  await accessible(page, "after a proof");
  await close();
  await context.close();
  assert.equal(await total("worked"), 1);
});

test("what is shown while a browser works is accessible, in each language", async () => {
  await system.open("shown", { channels: [PROOF] });
  const context = await profile(browser);
  for (const [lang, said, state] of [
    ["pt", "Verificando seu navegador…", "Verificando..."],
    ["en", "Checking your browser…", "Verifying..."],
    ["es", "Comprobando tu navegador…", "Verificando..."],
  ]) {
    const { page, close } = await open(context, at(`/polls/shown?lang=${lang}`));
    // Workers that never answer: it stays as it is for as long as it takes to look at it.
    await page.route("**/assets/solver-*.js", (route) => route.fulfill({ contentType: "text/javascript", body: "" }));
    await vote(page, "ana");
    await page.getByText(said).waitFor();
    await page.getByText(state, { exact: true }).waitFor();
    await accessible(page, `working, ${lang}`);
    await fits(page, `working, ${lang}`);
    await picture(page, `proving-${lang}`);
    await close();
    // What was not sent is not sent by the next page.
    const cleaned = await context.newPage();
    await cleaned.goto(at("/"));
    await cleaned.evaluate(() => localStorage.clear());
    await cleaned.close();
  }
  await context.close();
  assert.equal(await total("shown"), 0);
});

test("a lost answer and a refused challenge are tried again with the same key, and the vote counts once", async () => {
  await system.open("again", { channels: [PROOF] });
  const context = await profile(browser);
  const { page, close } = await open(context, at("/polls/again"));
  const keys = keysOf(page);
  let refusals = 1;
  await page.route("**/challenge?*", (route) => {
    refusals -= 1;
    if (refusals >= 0) return route.fulfill({ status: 503, headers: { "Retry-After": "1" }, body: "busy" });
    return route.continue();
  });
  // As often as the browser tries by itself, and once more.
  front.losing = 2;
  await vote(page, "ana");
  await page.getByText(/Voto registrado\.|Este voto já estava registrado/).waitFor();
  assert.equal(front.losing, 0);
  const sent = front.seen.filter((asked) => asked === "POST /v1/polls/again/votes");
  assert.ok(keys.challenge.length >= 2 && sent.length >= 3, JSON.stringify([keys, sent]));
  assert.equal(new Set([...keys.challenge, ...keys.votes]).size, 1, JSON.stringify(keys));
  await close();
  await context.close();
  assert.equal(await total("again"), 1);
});

test("an error is clear, can be tried again with the same key, and be left", async () => {
  await system.open("failed", { channels: [PROOF] });
  const context = await profile(browser);
  const { page, close } = await open(context, at("/polls/failed"));
  const keys = keysOf(page);
  // The service gives none for good.
  await page.route("**/challenge?*", (route) => route.fulfill({
    status: 403, contentType: "application/problem+json", body: JSON.stringify({ status: 403, code: "eligibility-not-available" }),
  }));
  await vote(page, "ana");
  await page.getByText("Por este canal não se vota nesta página").waitFor();
  await accessible(page, "no challenge");
  await fits(page, "no challenge");
  await picture(page, "no-challenge");
  await page.getByRole("button", { name: "Voltar" }).click();
  assert.ok(await page.locator("#proof").isHidden());
  assert.ok(await page.locator('[data-candidate="ana"] button').isEnabled());
  assert.deepEqual(keys.votes, [], "nothing was sent");
  await page.unroute("**/challenge?*");
  // The worker fails.
  await page.route("**/assets/solver-*.js", (route) => route.fulfill({ contentType: "text/javascript", body: "throw new Error('no memory');" }));
  keys.challenge.length = 0;
  await vote(page, "ana");
  await page.getByText("A verificação do navegador falhou. Nenhum voto foi registrado.").waitFor();
  await accessible(page, "a failed proof");
  await picture(page, "proof-failed");
  await page.unroute("**/assets/solver-*.js");
  await page.getByRole("button", { name: "Tentar de novo" }).click();
  await page.getByText("Voto registrado.").waitFor();
  assert.equal(keys.challenge.length, 2);
  assert.deepEqual(new Set(keys.challenge), new Set(keys.votes), "it was the same vote");
  // The browser itself writes of the worker's error.
  await close().catch((error) => assert.match(error.message, /no memory/));
  await context.close();
  assert.equal(await total("failed"), 1);
});

test("a proof that is too late is made anew, for the same key", async () => {
  // Gives the first challenge. What comes after it is taken for as long as usual, however slow the machine is.
  const short = await system.service("vote-ingest", { settings: { VOTE__PROOF__LIFETIME_S: "1" } });
  await system.open("late", { channels: [PROOF] });
  await eventually("ingest knows", async () => (await fetch(`${short.url}/v1/polls/late/challenge`)).ok);
  const context = await profile(browser);
  const { page, close } = await open(context, at("/polls/late"));
  const keys = keysOf(page);
  await page.route("**/challenge?*", async (route) => {
    const { pathname, search } = new URL(route.request().url());
    await route.fulfill({ response: await route.fetch({ url: `${short.url}${pathname}${search}` }) });
  }, { times: 1 });
  await page.route("**/v1/polls/late/votes", async (route) => {
    const { proof } = JSON.parse(route.request().postData());
    const { challenge } = JSON.parse(Buffer.from(proof, "base64").toString());
    const endsAt = challenge.parameters.expiresAt * 1000 + 1000;
    await eventually("it is late", async () => Date.now() > endsAt);
    await route.continue();
  }, { times: 1 });
  await vote(page, "ana");
  await page.getByText("Voto registrado.").waitFor();
  assert.equal(keys.challenge.length, 2, JSON.stringify(keys));
  assert.equal(keys.votes.length, 2, JSON.stringify(keys));
  assert.equal(new Set([...keys.challenge, ...keys.votes]).size, 1, JSON.stringify(keys));
  await close();
  await context.close();
  await system.kill(short, "SIGTERM");
  assert.equal(await total("late"), 1);
});

test("a channel that begins to ask while the page is open is voted by without loading it again", async () => {
  await system.open("hardened", { channels: [OPEN] });
  const context = await profile(browser);
  const { page, close } = await open(context, at("/polls/hardened"));
  await vote(page, "ana");
  await page.getByText("Voto registrado.").waitFor();
  await page.evaluate(() => (globalThis.isSame = true));
  await system.harden("hardened", { channels: [{ ...OPEN, eligibility: "proof_of_work", proof_cost: 1000 }] });
  await eventually("ingest asks", async () => (await fetch(at("/v1/polls/hardened/challenge?channel=torcida"))).ok);
  const keys = keysOf(page);
  await vote(page, "bia");
  await eventually("two votes", async () => (await total("hardened")) === 2);
  await page.getByText("Voto registrado.").waitFor();
  assert.equal(new Set([...keys.challenge, ...keys.votes]).size, 1, JSON.stringify(keys));
  assert.ok(await page.evaluate(() => globalThis.isSame));
  await close();
  await context.close();
});

test("with an origin for each service the challenge comes from there", async () => {
  const [voting, reading] = [await freePort(), await freePort()].map((port) => ({ port, url: `http://127.0.0.1:${port}` }));
  const ingest = await system.service("vote-ingest", { port: voting.port, settings: { VOTE__HTTP__CORS_ALLOWED_ORIGINS: reading.url } });
  const results = await system.service("vote-results", { port: reading.port, settings: { VOTE__SITE__INGEST_URL: voting.url } });
  await system.open("apart", { channels: [PROOF] });
  const page = `${reading.url}/polls/apart`;
  await eventually("the page", async () => (await fetch(page)).ok);
  const context = await profile(browser);
  const scripted = await open(context, page, [voting.url]);
  const keys = keysOf(scripted.page);
  await vote(scripted.page, "ana");
  await scripted.page.getByText("Voto registrado.").waitFor();
  assert.deepEqual(new Set(keys.votes), new Set(keys.challenge));
  await scripted.close();
  await context.close();
  assert.equal(await total("apart"), 1);
  await system.kill(ingest, "SIGTERM");
  await system.kill(results, "SIGTERM");
});

test("over plain HTTP from another machine the page says why, and other channels take votes", async () => {
  await system.open("plainly", { channels: [OPEN, PROOF] });
  await system.open("shut", { channels: [PROOF] });
  // A name that is no loopback to the browser; and an address of this machine, where it has one.
  const { port } = new URL(front.url);
  const context = await profile(browser);
  const { page, close } = await open(context, `http://studio.test:${port}/polls/plainly`);
  assert.equal(await page.evaluate(() => [isSecureContext, typeof crypto.subtle].join()), "false,undefined");
  await page.getByText("Pelo canal prova não se vota nesta página: ela precisa de uma conexão segura (https).").waitFor();
  assert.ok(await page.locator('input[value="prova"]').isDisabled());
  await accessible(page, "plain HTTP");
  await fits(page, "plain HTTP");
  await picture(page, "proof-plain-http");
  await vote(page, "ana");
  await page.getByText("Voto registrado.").waitFor();
  await close();
  const shut = await open(context, `http://studio.test:${port}/polls/shut`);
  await shut.page.getByText("ela precisa de uma conexão segura (https)").waitFor();
  assert.equal(await shut.page.locator("button.vote:visible").count(), 0, "nothing is offered that can't be done");
  await shut.close();
  await context.close();
  assert.equal(await total("plainly"), 1);
});

test("over TLS from another machine the channel takes votes", async (t) => {
  const file = (name) => join(system.folder, name);
  try {
    execFileSync("openssl", [
      "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=studio.test", "-addext", "subjectAltName=DNS:studio.test",
      "-keyout", file("tls.key"), "-out", file("tls.crt"),
    ], { stdio: "ignore" });
  } catch {
    return t.skip("there is no openssl to make a certificate with");
  }
  const secure = await Front.start(system, { key: readFileSync(file("tls.key")), cert: readFileSync(file("tls.crt")) });
  await system.open("secured", { channels: [PROOF] });
  // Nobody has signed it.
  const context = await profile(browser, { ignoreHTTPSErrors: true });
  const { page, close } = await open(context, `https://studio.test:${new URL(secure.url).port}/polls/secured`);
  assert.equal(await page.evaluate(() => [isSecureContext, typeof crypto.subtle].join()), "true,object");
  await vote(page, "ana");
  await page.getByText("Voto registrado.").waitFor();
  await close();
  await context.close();
  await secure.stop();
  assert.equal(await total("secured"), 1);
});

test("without JavaScript it is said that the channel needs it", async () => {
  await system.open("scriptless", { channels: [OPEN, PROOF] });
  const context = await profile(browser, { javaScriptEnabled: false });
  const { page, close } = await open(context, at("/polls/scriptless"));
  await page.getByText("Pelo canal prova só se vota com JavaScript").waitFor();
  assert.equal(await page.getByRole("radio").count(), 1);
  await page.getByRole("button", { name: "Votar para eliminar Bia" }).click();
  await page.getByText("Canal: torcida").waitFor();
  await close();
  await context.close();
});

test("the page of a poll that asks for nothing loads no widget", async () => {
  await system.open("light");
  const context = await profile(browser);
  const { page, close } = await open(context, at("/polls/light"));
  await vote(page, "ana");
  await page.getByText("Voto registrado.").waitFor();
  assert.ok(!front.seen.slice(-40).some((asked) => /proof-|solver-|challenge/.test(asked) && asked.includes("light")));
  assert.equal(await page.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => /proof-/.test(name)).length), 0);
  await close();
  await context.close();
});

test("the widget is small enough, and comes from the page's own host", async () => {
  await system.open("weighed", { channels: [PROOF] });
  const context = await profile(browser);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  const hosts = new Set();
  session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  page.on("request", (request) => hosts.add(new URL(request.url()).origin));
  await page.goto(at("/polls/weighed"));
  await page.locator("#live.on").waitFor();
  const before = bytes;
  await vote(page, "ana");
  await page.getByText("Voto registrado.").waitFor();
  console.log(`first load: ${before} bytes; with a proof: ${bytes} bytes`);
  assert.ok(before <= 60_000 && bytes <= 120_000, `${before}, ${bytes} bytes`);
  assert.deepEqual([...hosts], [front.url]);
  await context.close();
});
