// What the sources may use: the overlay runs as it is written, in browsers back to Chromium 71 (CasparCG 2.3).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

import { require } from "../lib/browser.mjs";
import { OVERLAY } from "../lib/stand-in.mjs";

const ts = require("typescript");
const HERE = fileURLToPath(new URL("..", import.meta.url));
const modules = readdirSync(OVERLAY).filter((name) => name.endsWith(".js"));
const text = (name) => readFileSync(join(OVERLAY, name), "utf8");

/** What tsc says of a project with these files; nothing is fine. */
function compiled(files, options = {}) {
  const folder = mkdtempSync(join(tmpdir(), "overlay-types-"));
  try {
    const config = { extends: join(HERE, "tsconfig.json"), compilerOptions: options, files };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = require.resolve("typescript/bin/tsc");
    return spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" }).stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("types agree, with the library of ECMAScript 2018 alone", () => {
  // early.js runs before there is a module to import a type from.
  const typed = modules.filter((name) => name !== "early.js");
  assert.equal(compiled(typed.map((name) => join(OVERLAY, name))), "");
});

// Newer than Chromium 71.
const NEWER = new Map([
  [ts.SyntaxKind.QuestionDotToken, "?."],
  [ts.SyntaxKind.QuestionQuestionToken, "??"],
  [ts.SyntaxKind.QuestionQuestionEqualsToken, "??="],
  [ts.SyntaxKind.BarBarEqualsToken, "||="],
  [ts.SyntaxKind.AmpersandAmpersandEqualsToken, "&&="],
  [ts.SyntaxKind.PrivateIdentifier, "#private"],
  [ts.SyntaxKind.PropertyDeclaration, "a field of a class"],
  [ts.SyntaxKind.ClassStaticBlockDeclaration, "static {}"],
  [ts.SyntaxKind.BigIntLiteral, "a bigint"],
]);
const NEWER_DOM = /\b(replaceChildren|structuredClone|adoptedStyleSheets|requestIdleCallback|AbortSignal|attachInternals)\b|\.finished\b|\.at\(/;
const NEWER_CSS = /\b(gap|inset|aspect-ratio|translate|scale|rotate)\s*:|\b(clamp|min|max)\(|:(is|where|has)\(|@(layer|container)|color-mix/;

function newerIn(source) {
  const found = [];
  const walk = (node) => {
    if (NEWER.has(node.kind)) found.push(NEWER.get(node.kind));
    node.getChildren().forEach(walk);
  };
  walk(ts.createSourceFile("x.js", source, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS));
  return found;
}

test("scripts are of what Chromium 71 reads", () => {
  for (const newer of ["a?.b", "a ?? b", "a ||= b", "class A { #b() {} }", "class A { b = 1 }", "1n"]) {
    assert.equal(newerIn(newer).length > 0, true, `the check itself is broken: ${newer} passed`);
  }
  for (const name of modules) {
    assert.deepEqual(newerIn(text(name)), [], name);
    assert.doesNotMatch(text(name).replace(/^\s*(\/\/|\*|\/\*\*).*$/gm, ""), NEWER_DOM, name);
  }
});

test("style sheets are of what Chromium 71 reads", () => {
  for (const newer of ["gap: 1px", "inset:0", "width: clamp(1px, 2px, 3px)", ".a:is(.b) {}", "aspect-ratio: 1"]) {
    assert.match(newer, NEWER_CSS, "the check itself is broken");
  }
  for (const name of ["graphic.css", "page.css"]) {
    assert.doesNotMatch(text(name).replace(/\/\*[^]*?\*\//g, ""), NEWER_CSS, name);
  }
});

test("only transform and opacity move", () => {
  const moves = text("graphic.css").match(/transition:[^;]+/g);
  assert.ok(moves.length >= 5);
  for (const move of moves) {
    const properties = move.replace("transition:", "").replace(/\([^)]*\)/g, "").split(",").map((one) => one.trim().split(" ")[0]);
    for (const property of properties) assert.match(property, /^(opacity|transform|visibility|none)$/, move);
  }
});

test("the class is what the published types of OGraf call a graphic", () => {
  const folder = mkdtempSync(join(tmpdir(), "overlay-ograf-"));
  try {
    const check = join(folder, "check.ts");
    const types = require.resolve("ograf").replace(/main\.js$/, "main.d.ts");
    const write = (method) =>
      writeFileSync(check, `
        import type { GraphicsAPI } from ${JSON.stringify(types.replace(/\.d\.ts$/, ""))};
        import { graphicOf } from ${JSON.stringify(join(OVERLAY, "ograf.js"))};
        const graphic: GraphicsAPI.Graphic = new (graphicOf("bars", { url: "", poll: "" }))();
        graphic.${method};
      `);
    write("load");
    assert.equal(compiled([check], { skipLibCheck: true }), "");
    write("pause");
    assert.match(compiled([check], { skipLibCheck: true }), /'pause' does not exist/, "the check itself is broken");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
