// The desk's rules without a browser: rates, ages, buckets, cells, colours, words.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import test, { before } from "node:test";
import { fileURLToPath } from "node:url";

const WEB = new URL("../../../web/", import.meta.url);
const { build } = createRequire(new URL("package.json", WEB))("esbuild");

let desk;
before(async () => {
  const names = ["rate", "freshness", "plotted", "csv", "format", "colors", "words", "ask", "commands"];
  const contents = names.map((name) => `export * as ${name} from "./${name}.ts";`).join("\n");
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL("src/desk/", WEB)) }, bundle: true, write: false, format: "esm", platform: "neutral", logLevel: "error",
  });
  desk = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString("base64")}`);
});

test("a rate is that of confirmed totals over ten seconds, and null before three", () => {
  const meter = new desk.rate.RateMeter();
  assert.equal(meter.now(), null);
  meter.add(0, 100);
  meter.add(2_999, 100_000);
  assert.equal(meter.now(), null, "a single batch is no peak");
  meter.add(4_000, 500);
  assert.equal(meter.now(), null, "fewer votes than before: a restored backup");
  for (let second = 0; second <= 20; second += 1) meter.add(10_000 + second * 1_000, 1_000 + second * 50);
  assert.equal(meter.now(), 50);
  for (let second = 21; second <= 40; second += 1) meter.add(10_000 + second * 1_000, 2_000);
  assert.equal(meter.now(), 0, "304s say that nothing came");
  assert.ok(meter.highest() >= 50);
  meter.add(30_000, 9_999);
  assert.equal(meter.now(), 0, "another replica that is behind");
  meter.add(80_000, 90_000);
  assert.equal(meter.now(), null, "after a gap nobody knows when they came");
  meter.add(Number.NaN, 1);
  meter.forget();
  assert.equal(meter.now(), null);
});

test("the age is by the service's clocks and this page's steady one, and the level follows", () => {
  const { age, level, serviceTime } = desk.freshness;
  const heard = { status: "provisional", confirmedAt: 10_000, servedAt: 10_000, heardAt: 500 };
  assert.equal(age(null, 0), null);
  assert.equal(age(heard, 700), 200);
  assert.equal(age({ ...heard, servedAt: 9_000 }, 700), 200, "a date without its fraction is no future");
  assert.equal(age({ ...heard, confirmedAt: Number.NaN }, 700), null);
  assert.equal(age({ ...heard, servedAt: 52_000 }, 500), 42_000);
  assert.equal(level(null, 0), "unknown");
  assert.equal(level(heard, 500 + 6_000), "live");
  assert.equal(level(heard, 500 + 6_001), "away");
  assert.equal(level({ ...heard, status: "stale" }, 600), "stale");
  for (const status of ["final", "void"]) assert.equal(level({ ...heard, status }, 600), "settled");
  assert.equal(serviceTime(heard, 1_500, 77), 11_500);
  assert.equal(serviceTime(null, 1_500, 77), 77);
});

test("buckets go on with zeros to the last confirmation, and end there", () => {
  const { columns, since, steps } = desk.plotted;
  const bucket = (minute, ana) => ({ start: new Date(minute * 60_000).toISOString(), total_votes: ana, candidates: { ana } });
  const shown = columns([bucket(0, 3), bucket(1, 4)], ["ana", "bia"], 60, 4.5 * 60_000);
  assert.deepEqual([shown.starts, shown.totals, shown.votes, shown.end, shown.isRunning], [[0, 60, 120, 180, 240], [3, 4, 0, 0, 0], [[3, 4, 0, 0, 0], [0, 0, 0, 0, 0]], 300, true]);
  const closed = columns([bucket(0, 3)], ["ana"], 60, 60_000);
  assert.deepEqual([closed.starts, closed.isRunning], [[0], false], "no bucket begins at the end");
  assert.deepEqual(columns([], ["ana"], 60, 600_000).starts, []);
  assert.equal(columns([bucket(0, 3)], ["ana"], 60, Number.NaN).starts.length, 1);
  assert.ok(columns([bucket(0, 3)], ["ana"], 60, 1e15).starts.length <= 3_000, "whatever a clock says");
  assert.deepEqual(since(shown, 120).totals, [0, 0, 0]);
  assert.deepEqual(since(shown, 900).starts, []);
  assert.deepEqual(steps(columns([bucket(0, 3), bucket(1, 4)], ["ana"], 60, 0)), [[0, 60, 120], [3, 4, 4], [3, 4, 4]]);
});

test("no cell of the CSV is a formula, and each language has its separators", () => {
  const { csv } = desk.csv;
  for (const start of ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"]) {
    const written = csv([[`${start}cmd|' /C calc'!A0`, 1]], "pt-BR");
    assert.ok(written.includes(`'${start}cmd|' /C calc'!A0`), JSON.stringify(written));
  }
  assert.equal(csv([["Ana; B", 'a"b', 12.5, undefined, "a-b", "x,y"]], "pt-BR"), '\ufeff"Ana; B";"a""b";12,5;;a-b;x,y\r\n');
  assert.equal(csv([["Ana; B", 12.5, "x,y"]], "en"), '\ufeffAna; B,12.5,"x,y"\r\n');
});

test("figures and times are written as each language does, and what is unknown is a dash", () => {
  const { count, percent, rate, duration, age, clock, zoned } = desk.format;
  assert.deepEqual([count(1_500_000_000, "pt-BR"), count(1_135, "en"), count(undefined, "en"), count(0, "en")], ["1.500.000.000", "1,135", "–", "0"]);
  assert.deepEqual([percent(56.7, "pt-BR"), percent(56.73, "en"), percent(undefined, "en")], ["56,70\u00a0%", "56.73%", "–"]);
  assert.deepEqual([rate(null, "en"), rate(0, "en"), rate(12_345.6, "pt-BR")], ["–", "0.0", "12.346"]);
  assert.deepEqual([duration(0), duration(-5), duration(59_001), duration(3_599_000), duration(3_661_000), duration(90_061_000)], ["00:00", "00:00", "01:00", "59:59", "01:01:01", "1 d 01:01:01"]);
  assert.deepEqual([age(null, "en"), age(420, "pt-BR"), age(42_400, "en"), age(61_000, "en")], ["–", "0,4 s", "42 s", "01:01"]);
  assert.equal(clock(Date.parse("2026-11-24T01:02:03Z"), "America/Sao_Paulo", "pt-BR"), "22:02:03");
  for (const [zone, text] of [["America/Sao_Paulo", "2026-11-23T22:02:03-03:00"], ["Asia/Kolkata", "2026-11-24T06:32:03+05:30"], ["UTC", "2026-11-24T01:02:03+00:00"]]) {
    assert.equal(zoned(Date.parse("2026-11-24T01:02:03Z"), zone), text);
  }
});

test("a candidate's colour can be told from the background, whatever its file says", () => {
  const { colorOf, contrastOf } = desk.colors;
  for (const ground of ["#161b22", "#ffffff"]) {
    for (const color of ["#000000", "#ffffff", "#161b22", "#ff0000", undefined, 'red"><b>', "#12", "url(x)"]) {
      const drawn = colorOf(color, 3, ground);
      assert.match(drawn, /^#[0-9a-f]{6}$/);
      assert.ok(contrastOf(drawn, ground) >= 3, `${color} on ${ground}: ${drawn}`);
    }
  }
  assert.equal(colorOf("#ff5c8a", 0, "#161b22"), "#ff5c8a", "one that is fine stays");
});

test("both languages say all of it, with the same places for values", () => {
  const { wordsOf, langOf } = desk.words;
  const walk = (one, other, path) => {
    assert.equal(typeof one, typeof other, path);
    if (typeof one === "object") {
      assert.deepEqual(Object.keys(one).sort(), Object.keys(other).sort(), path);
      for (const key of Object.keys(one)) walk(one[key], other[key], `${path}.${key}`);
    } else {
      const places = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
      assert.deepEqual(places(one), places(other), path);
    }
  };
  walk(wordsOf("pt-BR"), wordsOf("en"), "words");
  assert.deepEqual([langOf(["fr", "en-US"]), langOf(["pt-PT", "en"]), langOf([null, "fr"]), langOf([])], ["en", "pt-BR", "pt-BR", "pt-BR"]);
});

test("an answer is one of five things, and Retry-After is followed for ten seconds at most", async () => {
  const { ask, isToken } = desk.ask;
  const asked = [];
  const of = (status, headers = {}, body = "{}") => ask(async (path, given) => {
    asked.push([path, given]);
    return new Response(status === 304 ? null : body, { status, headers });
  }, "/v1/polls/p/desk", "a-token", '"e"');
  assert.equal((await of(200, { etag: '"f"', "figures-confirmed-at": "2026-11-24T00:00:00Z" })).is, "new");
  assert.equal((await of(304)).is, "same");
  assert.equal((await of(401)).is, "refused");
  assert.deepEqual(await of(404, {}, '{"detail":"no such poll"}'), { is: "none", detail: "no such poll" });
  assert.equal((await of(404, {}, "<html>")).detail, "");
  assert.equal((await of(503, { "retry-after": "3" })).retryAfterMs, 3_000);
  assert.equal((await of(429, { "retry-after": "9999" })).retryAfterMs, 10_000);
  assert.equal((await of(503, { "retry-after": "soon" })).retryAfterMs, 0);
  assert.equal((await of(200, {}, "not JSON")).is, "failed");
  assert.equal((await ask(() => Promise.reject(new TypeError("no network")), "/", "t", "")).why, "network");
  assert.ok(asked.every(([path, given]) => !path.includes("a-token") && given.headers.authorization === "Bearer a-token" && given.credentials === "omit" && given.cache === "no-store"));
  for (const wrong of ["", "with blank", "ü", "a\nb", "x".repeat(5_000)]) assert.equal(isToken(wrong), false);
  assert.equal(isToken("abc.DEF-123_~+/="), true);
});
