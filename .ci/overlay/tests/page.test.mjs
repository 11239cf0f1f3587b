// The page in Chromium: layouts, sizes, states, themes, at a service that answers what the test says.

import assert from "node:assert/strict";
import test, { after, afterEach, before, beforeEach } from "node:test";

import { flags, isEmpty, launch, open, pixels, require, same, settled, stillPicture, texts, until } from "../lib/browser.mjs";
import { rowsOf } from "../lib/rows.mjs";
import { StandIn } from "../lib/stand-in.mjs";

const { PNG } = require("pngjs");

let browser;
let service;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});
beforeEach(async () => {
  service = await StandIn.start();
  service.rows = rowsOf([56.73, 30.2, 13.07]);
});
afterEach(() => service.stop());

const overlay = (query = "") => `${service.url}/overlay/paredao-01${query}`;
/** Where each layout's panel is, in parts of the picture, and the parts of it that show figures. */
const PLACES = {
  bars: { percents: [56.73, 30.2, 13.07], wide: 760, left: 96 },
  "lower-third": { percents: [56.73, 30.2, 13.07], wide: 1728, left: 96 },
  duel: { percents: [56.73, 43.27], wide: 1400, left: 260 },
  countdown: { percents: [56.73, 43.27], wide: 460, left: 1364 },
};

for (const [width, height] of [[1920, 1080], [3840, 2160]]) {
  for (const [layout, { percents, wide, left }] of Object.entries(PLACES)) {
    test(`${layout} stands in its place at ${width}×${height}, and the rest is transparent`, async () => {
      const closes_at = new Date(Date.now() + 40_000).toISOString();
      service.rows = rowsOf(percents, { closes_at });
      const { page, close } = await open(browser, overlay(`?layout=${layout}`), { width, height });
      await until(page, { air: "live", shown: "yes", layout });
      await settled(page);
      const picture = await pixels(page, `${layout}-${height}`);
      assert.deepEqual([picture.width, picture.height], [width, height]);
      const scale = height / 1080;
      const box = picture.shown();
      // The panel's shape, to a pixel on each side; it is filled but for nothing.
      assert.ok(Math.abs(box.left - left * scale) <= 1, `left at ${box.left}`);
      assert.ok(Math.abs(box.right + 1 - (left + wide) * scale) <= 1, `right at ${box.right}`);
      assert.equal(box.count, (box.right - box.left + 1) * (box.bottom - box.top + 1));
      // Safe title: a twentieth of the picture on each side is empty.
      assert.ok(box.top >= height / 20 - 1 && box.bottom < height - height / 20 + 1, JSON.stringify(box));
      // The head is opaque, the rest lets the picture behind it through.
      assert.deepEqual(picture.at(box.left + 4, box.top + 4), [179, 18, 74, 255]);
      const alpha = picture.at(box.left + 4, box.bottom - (layout === "countdown" ? 40 * scale : 4))[3];
      assert.ok(alpha > 200 && alpha < 255, `alpha ${alpha}`);
      if (layout !== "countdown") await figures(page, picture, percents);
      await close();
    });
  }
}

/** Each bar is as long as its percentage, and in its candidate's colour. */
async function figures(page, picture, percents) {
  const tracks = await page.locator(".track").evaluateAll((all) => all.map((one) => one.getBoundingClientRect().toJSON()));
  const colors = [[255, 46, 126], [31, 155, 255], [255, 179, 0]];
  tracks.forEach(({ x, y, width, height }, index) => {
    const middle = Math.round(y + height / 2);
    let long = 0;
    for (let at = Math.ceil(x); at < x + width - 1; at += 1) {
      const found = picture.at(at, middle);
      if (found.slice(0, 3).every((part, place) => Math.abs(part - colors[index][place]) < 8)) long += 1;
    }
    assert.ok(Math.abs((long / width) * 100 - percents[index]) < 1, `bar ${index}: ${(long / width) * 100} %`);
  });
  const written = percents.map((percent) => percent.toFixed(2).replace(".", ",") + " %");
  assert.deepEqual(await texts(page, "percent"), written);
}

test("OBS' first size and any other fit a picture of 16:9", async () => {
  for (const [width, height, unit] of [[800, 600, 800 / 1920], [640, 1000, 640 / 1920], [2560, 1080, 1]]) {
    const { page, close } = await open(browser, overlay(), { width, height });
    await until(page, { shown: "yes" });
    await settled(page);
    const panel = await page.locator(".panel").boundingBox();
    assert.ok(Math.abs(panel.width - 760 * unit) < 1, `${width}×${height}: ${panel.width}`);
    assert.equal(await page.evaluate(() => document.scrollingElement.scrollHeight <= window.innerHeight), true);
    await close();
  }
});

test("?size= sets the picture's size whatever the window's is", async () => {
  for (const [size, wide] of [["2160", 1520], ["1080", 760], ["960x540", 380]]) {
    const { page, close } = await open(browser, overlay(`?size=${size}`), { width: 1000, height: 700 });
    await until(page, { shown: "yes" });
    await settled(page);
    assert.ok(Math.abs((await page.locator(".panel").boundingBox()).width - wide) < 1, size);
    await close();
  }
});

test("nothing is drawn in any state that may not go on air", async () => {
  for (const [head, reason] of [
    [{ release: "unreleased", on_air: false }, "unreleased"],
    [{ release: "held", on_air: false }, "held"],
    [{ status: "stale", on_air: false }, "stale"],
    [{ status: "void", state: "void", on_air: false }, "void"],
    [{ status: "not_open", state: "draft", on_air: false }, "not_open"],
  ]) {
    service.rows = rowsOf([60, 40], head);
    const { page, close } = await open(browser, overlay());
    await until(page, { air: "waiting", airReason: reason, playing: "yes", shown: "no", revision: "" });
    await settled(page);
    assert.ok(await isEmpty(page, `waiting-${reason}`), reason);
    await close();
  }
});

test("hold freezes the picture to the pixel, release moves it on", async () => {
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "live", revision: "100" });
  const before = await stillPicture(page);
  service.push(rowsOf([10, 80, 10], { on_air: false, release: "held", revision: 101 }));
  await until(page, { air: "frozen", airReason: "held", revision: "100" });
  await same(page, before, "the held picture");
  service.push(rowsOf([20, 70, 10], { revision: 150 }));
  await until(page, { air: "live", airReason: "", revision: "150" });
  await settled(page);
  assert.deepEqual(await texts(page, "percent"), ["20,00 %", "70,00 %", "10,00 %"]);
  service.push(rowsOf([20, 70, 10], { revision: 151, status: "void", state: "void", on_air: false }));
  await until(page, { air: "waiting", airReason: "void", shown: "no", revision: "" });
  await settled(page);
  assert.ok(await isEmpty(page), "void figures are taken away");
  await close();
});

test("figures count up to exactly what the service wrote, and bars move along", async () => {
  const { page, close } = await open(browser, overlay());
  await until(page, { shown: "yes" });
  await settled(page);
  await page.evaluate(() => {
    const percent = document.querySelector(".percent");
    window.seen = [];
    new MutationObserver(() => window.seen.push(percent.textContent)).observe(percent, { characterData: true, subtree: true });
  });
  service.push(rowsOf([70.01, 19.99, 10], { revision: 101 }));
  await until(page, { revision: "101" });
  await settled(page);
  const seen = await page.evaluate(() => window.seen);
  assert.equal(seen[seen.length - 1], "70,01 %");
  assert.ok(seen.length > 3, `${seen.length} steps`);
  const numbers = seen.map((text) => Number(/^(\d+),(\d\d) %$/.exec(text).slice(1).join(".")));
  numbers.forEach((number, index) => assert.ok(number >= (numbers[index - 1] || 56.73) && number <= 70.01, seen.join()));
  await close();
});

test("a final result, a withdrawn candidate and counts that are not public are shown as what they are", async () => {
  const gone = { withdrawn: true, rank: null, percent: null, percent_text: "" };
  service.rows = rowsOf([60, 40, 0], { status: "final", state: "sealed", total_votes_text: "" }, { 2: gone });
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "live" });
  assert.deepEqual(await texts(page, "status"), ["Resultado final"]);
  assert.deepEqual(await texts(page, "total"), [""]);
  assert.deepEqual(await texts(page, "percent"), ["60,00 %", "40,00 %", "fora da disputa"]);
  await page.evaluate(() => window.update('{"layout":"lower-third"}'));
  await until(page, { layout: "lower-third", shown: "yes" });
  assert.deepEqual(await texts(page, "name"), ["Ana Clara", "Bia"]);
  await close();
});

test("a rehearsal says so, in the picture and to programs", async () => {
  service.rows = rowsOf([60, 40], { kind: "rehearsal", on_air: false, title: "Paredão 1" });
  const { page, close } = await open(browser, overlay());
  await until(page, { air: "rehearsal", shown: "yes" });
  await settled(page);
  assert.deepEqual(await texts(page, "mark"), ["ENSAIO"]);
  const yellow = (await pixels(page, "rehearsal")).box((red, green, blue, alpha) => red > 240 && green > 190 && blue < 40 && alpha > 200);
  assert.ok(yellow.count > 3000, `${yellow.count} pixels of the mark`);
  // Where the title says it already, as the service writes it, it is not said twice.
  service.push(rowsOf([60, 40], { kind: "rehearsal", on_air: false, title: "ENSAIO – Paredão 1", revision: 101 }));
  await until(page, { revision: "101" });
  assert.deepEqual(await texts(page, "mark"), [""]);
  await close();
});

test("photos are shown where they come, initials where they don't", async () => {
  const photo = new PNG({ width: 8, height: 8 });
  for (let place = 0; place < photo.data.length; place += 4) photo.data.set([0, 200, 0, 255], place);
  service.files["/files/ana.png"] = { type: "image/png", body: PNG.sync.write(photo) };
  service.rows = rowsOf([60, 30, 10], {}, {
    0: { photo: `${service.url}/files/ana.png` },
    1: { photo: `${service.url}/files/missing.png`, color: "#102030" },
    2: { photo: "javascript:alert(1)", color: "url(x)" },
  });
  const { page, close } = await open(browser, overlay());
  await until(page, { shown: "yes" });
  await page.locator('.image[data-loaded="yes"]').waitFor({ state: "attached" });
  await settled(page);
  const picture = await pixels(page, "photos");
  const places = await page.locator(".photo").evaluateAll((all) => all.map((one) => one.getBoundingClientRect().toJSON()));
  const middle = ({ x, y, width, height }, down) => picture.at(Math.round(x + width / 2), Math.round(y + height * down));
  assert.deepEqual(middle(places[0], 0.5), [0, 200, 0, 255]);
  assert.deepEqual(middle(places[1], 0.1), [16, 32, 48, 255], "its own colour");
  assert.deepEqual(middle(places[2], 0.1), [255, 179, 0, 255], "the theme's, where it is none");
  assert.deepEqual(await texts(page, "initials"), ["AC", "B", "C"]);
  await close();
});

test("hostile names, titles and colours are text", async () => {
  const evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
  service.rows = rowsOf([60, 40], { title: evil, total_votes_text: evil }, { 0: { name: evil, color: 'red"><b>' } });
  const { page, close } = await open(browser, overlay());
  await until(page, { shown: "yes" });
  await settled(page);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal((await texts(page, "title"))[0], evil);
  await close();
});

test("a long name is made narrower, a longer one is cut, and none leaves its place", async () => {
  const names = ["Maria Antonieta de Albuquerque", "W".repeat(200), "Zé"];
  service.rows = rowsOf([60, 30, 10], {}, Object.fromEntries(names.map((name, index) => [index, { name }])));
  for (const layout of ["bars", "lower-third"]) {
    const { page, close } = await open(browser, overlay(`?layout=${layout}`));
    await until(page, { shown: "yes" });
    await settled(page);
    const shown = await page.locator(".name").evaluateAll((all) => all.map((one) => {
      const [name, text] = [one.getBoundingClientRect(), one.firstChild.getBoundingClientRect()];
      return { isInside: text.right <= name.right + 1, isNarrow: one.firstChild.style.transform !== "" };
    }));
    assert.deepEqual(shown.map(({ isInside }) => isInside), [true, true, true], layout);
    assert.deepEqual([shown[1].isNarrow, shown[2].isNarrow], [true, false], layout);
    await close();
  }
});

test("a poll with more candidates than a layout holds shows the first of them by rank", async () => {
  const percents = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 25];
  service.rows = rowsOf(percents);
  const { page, close } = await open(browser, overlay("?layout=lower-third,bars&sort=rank"));
  await until(page, { shown: "yes" });
  assert.deepEqual(await texts(page, "percent"), ["25,00 %", "20,00 %", "10,00 %", "9,00 %", "8,00 %", "7,00 %"]);
  await page.evaluate(() => window.next());
  await until(page, { layout: "bars" });
  assert.equal((await texts(page, "percent")).length, 10);
  await settled(page);
  const box = (await pixels(page, "many")).shown();
  assert.ok(box.top >= 54 && box.bottom < 1026, JSON.stringify(box));
  await close();
});

test("rows change places where they are sorted by rank, and keep their nodes", async () => {
  const { page, close } = await open(browser, overlay("?sort=rank"));
  await until(page, { shown: "yes" });
  await page.evaluate(() => {
    window.ana = document.querySelector('[data-candidate="ana"]');
  });
  service.push(rowsOf([10, 60, 30], { revision: 101 }));
  await until(page, { revision: "101" });
  await settled(page);
  const tops = await page.evaluate(() => ["bia", "caio", "ana"].map((id) =>
    document.querySelector(`[data-candidate="${id}"]`).getBoundingClientRect().top));
  assert.ok(tops[0] < tops[1] && tops[1] < tops[2], tops.join());
  assert.equal(await page.evaluate(() => window.ana === document.querySelector('[data-candidate="ana"]')), true);
  await close();
});

test("a duel of more than two is shown as bars, unless two are named", async () => {
  const { page, close } = await open(browser, overlay("?layout=duel"));
  await until(page, { shown: "yes", layout: "bars" });
  assert.equal((await texts(page, "percent")).length, 3);
  await page.evaluate(() => window.update('{"candidates":"caio,ana"}'));
  await until(page, { layout: "duel" });
  await settled(page);
  assert.deepEqual((await texts(page, "name")).sort(), ["Ana Clara", "Caio"]);
  const left = await page.evaluate(() => ["caio", "ana"].map((id) =>
    document.querySelector(`[data-candidate="${id}"]`).getBoundingClientRect().left));
  assert.ok(left[0] < left[1], "in the order in which they were named");
  await close();
});

test("the countdown comes in the last minute, follows an extension, and ends with the poll", async () => {
  const closing = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();
  service.rows = rowsOf([60, 40], { closes_at: closing(600) });
  const { page, close } = await open(browser, overlay("?layout=countdown"));
  await until(page, { air: "live", playing: "yes", shown: "no" });
  assert.ok(await isEmpty(page), "ten minutes before");
  service.push(rowsOf([60, 40], { closes_at: closing(45), revision: 101 }));
  await until(page, { revision: "101", shown: "yes" });
  assert.match((await texts(page, "time"))[0], /^0:(4[0-5]|3\d)$/);
  assert.deepEqual(await texts(page, "time-text"), ["para votar"]);
  service.push(rowsOf([60, 40], { closes_at: closing(600), revision: 102 }));
  await until(page, { revision: "102", shown: "no" });
  service.push(rowsOf([60, 40], { closes_at: closing(-1), state: "closed", revision: 103 }));
  await until(page, { revision: "103", shown: "yes" });
  assert.deepEqual([await texts(page, "time"), await texts(page, "time-text")], [["0:00"], ["Votação encerrada"]]);
  const paths = new Set(service.asked.filter((path) => path.startsWith("/v1/")).map((path) => path.split("?")[0]));
  assert.deepEqual([...paths].filter((path) => !/\/results(\.rows\.json|\/stream)$/.test(path)), [], "nothing else is asked for");
  await close();
});

test("a countdown follows an extension and an early end while figures are held", async () => {
  const closing = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();
  service.rows = rowsOf([60, 40], { closes_at: closing(50) });
  const { page, close } = await open(browser, overlay("?layout=countdown"));
  await until(page, { air: "live", shown: "yes" });
  const held = { on_air: false, release: "held" };
  service.push(rowsOf([60, 40], { ...held, closes_at: closing(600) }));
  await until(page, { air: "frozen", airReason: "held", shown: "no" });
  service.push(rowsOf([60, 40], { ...held, closes_at: closing(-1), state: "closed" }));
  await until(page, { air: "frozen", shown: "yes" });
  assert.deepEqual(await texts(page, "time-text"), ["Votação encerrada"]);
  await close();
});

test("a browser whose clock is wrong counts down by the server's", async () => {
  service.rows = rowsOf([60, 40], { closes_at: new Date(Date.now() + 50_000).toISOString() });
  const init = () => {
    const real = Date.now;
    Date.now = () => real() - 3_600_000;
  };
  const { page, close } = await open(browser, overlay("?layout=countdown"), { init });
  await until(page, { shown: "yes" });
  assert.match((await texts(page, "time"))[0], /^0:(50|[34]\d)$/);
  await close();
});

test("a theme sets colours, place, safe title and layouts", async () => {
  service.themes["season.json"] = {
    name: "Season", layout: ["lower-third", "bars"], position: "top-right", safe_title: 0.8,
    colors: { title_panel: "#00ff00", panel: "rgb(0, 0, 255)" }, candidates: ["#ffffff"],
  };
  const { page, close } = await open(browser, overlay("?theme=season"));
  await until(page, { shown: "yes", layout: "lower-third", themeProblem: "" });
  await settled(page);
  const picture = await pixels(page, "theme");
  const box = picture.shown();
  assert.deepEqual([box.left, box.right + 1, box.top], [192, 1728, 108]);
  assert.deepEqual(picture.at(box.left + 4, box.top + 4), [0, 255, 0, 255]);
  assert.deepEqual(picture.at(box.left + 4, box.bottom - 4), [0, 0, 255, 255]);
  await close();
});

test("a theme that is wrong costs no graphic, and says what is wrong", async () => {
  for (const [theme, said] of [
    [undefined, "the theme answered 404"],
    ["{", "is no JSON"],
    [[1], "the theme is no object"],
    [{ colors: { panel: "rgb(1,2" } }, "colors.panel: is none"],
    [{ colours: {} }, "colours: is unknown"],
    [{ colors: { bar: "red" } }, "colors.bar: is unknown"],
    [{ safe_title: 90 }, "safe_title: is none"],
    [{ logo: "../../etc/passwd" }, "logo: is none"],
    [{ fonts: { text: { family: "x; } body { color: red" } } }, "fonts.text: is none"],
    [{ fonts: { text: { family: "Arial", file: "missing.woff2" } } }, "missing.woff2 can't be loaded"],
    [{ layout: "circle" }, "layout: must be of"],
  ]) {
    service.themes = theme === undefined ? {} : { "t.json": theme };
    const { page, close } = await open(browser, overlay("?theme=t"));
    await until(page, { shown: "yes", layout: "bars" });
    const { themeProblem } = await flags(page);
    assert.ok(themeProblem.includes(said), `${JSON.stringify(theme)}: ${themeProblem}`);
    await close();
  }
});

test("the page is in the poll's language, or in the one that is asked for", async () => {
  for (const [query, language, status, asked] of [
    ["", "pt", "Parcial", undefined],
    ["", "en", "Partial result", undefined],
    ["", "es", "Resultado parcial", undefined],
    ["?lang=en", "pt", "Partial result", "en"],
  ]) {
    service.rows = rowsOf([60, 40], { language });
    const { page, close } = await open(browser, overlay(query));
    await until(page, { shown: "yes" });
    assert.deepEqual(await texts(page, "status"), [status]);
    const feeds = service.asked.filter((path) => path.startsWith("/v1/")).slice(-1);
    assert.equal(new URL(feeds[0], service.url).searchParams.get("lang") ?? undefined, asked);
    await close();
  }
});

test("what is wrong in the address is said, and the rest of it holds", async () => {
  for (const [query, said] of [
    ["layout=circle&sort=rank&rows=x", /^layout must be of.*rows must be/],
    ["lang=pt_BR", /^lang must be pt, en or es/],
    ["position=left", /^position must be of/],
    ["size=0", /^size must be/],
    ["size=00000x1080", /^size must be/],
    ["size=large", /^size must be/],
    ["autoplay=false", /^autoplay must be/],
  ]) {
    const { page, close } = await open(browser, overlay(`?${query}`), { width: 960, height: 540 });
    await until(page, { shown: "yes", layout: "bars" });
    await settled(page);
    assert.match((await flags(page)).addressProblem, said, query);
    const box = await page.locator(".panel").boundingBox();
    assert.deepEqual([box.x, box.width], [48, 380], `${query}: the panel stands where it does without it`);
    await close();
  }
});

test("a theme that can't be had leaves the one that is worn", async () => {
  service.themes["season.json"] = { colors: { title_panel: "#00ff00" } };
  const { page, close } = await open(browser, overlay("?theme=season"));
  await until(page, { shown: "yes", themeProblem: "" });
  const before = await stillPicture(page);
  await page.evaluate(() => window.update('{"theme":"saeson"}'));
  await until(page, { shown: "yes", themeProblem: "the theme answered 404" });
  await same(page, before, "another theme");
  await close();
});

test("the token goes to the feed, and nowhere else", async () => {
  service.files["/files/ana.png"] = { type: "image/png", body: "" };
  service.rows = rowsOf([60, 40], {}, { 0: { photo: `${service.url}/files/ana.png` } });
  const { page, close } = await open(browser, overlay("?token=secret-token&theme=t"));
  await until(page, { shown: "yes" });
  await settled(page);
  const asked = service.asked.filter((path) => path.includes("secret-token"));
  assert.ok(asked.some((path) => path.startsWith("/v1/polls/paredao-01/results/stream")), asked.join());
  const others = asked.filter((path) => !path.startsWith("/v1/") && !path.startsWith("/overlay/paredao-01"));
  assert.deepEqual(others, []);
  assert.ok(!(await page.evaluate(() => document.documentElement.outerHTML)).includes("secret-token"));
  await close();
});
