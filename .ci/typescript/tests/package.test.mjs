// The package as it is published: its types are those of openapi/, its lock files name no registry, what it says of itself
// holds for a strict consumer, and it runs without a page.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const PACKAGE = join(ROOT, "clients", "typescript");
const tool = (name) => join(PACKAGE, "node_modules", ".bin", name);
const run = promisify(execFile);
const read = (...path) => readFileSync(join(PACKAGE, ...path), "utf8");

let folder;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "paredao-package-"));
  mkdirSync(join(folder, "node_modules", "@paredao"), { recursive: true });
  symlinkSync(PACKAGE, join(folder, "node_modules", "@paredao", "client"));
});
after(() => rmSync(folder, { recursive: true }));

for (const service of ["ingest", "results"]) {
  test(`the types are those of openapi/${service}.json: make typescript-types writes them`, async () => {
    const made = join(folder, `${service}.ts`);
    await run(tool("openapi-typescript"), [join(ROOT, "openapi", `${service}.json`), "--output", made]);
    assert.equal(read("src", "generated", `${service}.ts`), readFileSync(made, "utf8"));
  });
}

test("lock files name no address of a registry, and pin each package by its checksum", () => {
  for (const lock of [read("package-lock.json"), readFileSync(join(ROOT, ".ci", "typescript", "package-lock.json"), "utf8")]) {
    assert.doesNotMatch(lock, /"resolved"|https?:\/\/[^"]*registry/);
    for (const [name, { integrity, link }] of Object.entries(JSON.parse(lock).packages)) {
      if (name && !link) assert.match(integrity, /^sha512-/, name);
    }
  }
});

test("nothing is needed at run time, and every file that is named is there", () => {
  const manifest = JSON.parse(read("package.json"));
  assert.equal(manifest.dependencies, undefined);
  assert.equal(manifest.license, "Apache-2.0 OR MIT");
  const named = (entry) => (typeof entry === "string" ? [entry] : Object.values(entry).flatMap(named));
  for (const file of named(manifest.exports)) assert.ok(read(file).length > 0, file);
  for (const file of ["dist/index.js", "dist/elements.js"]) {
    for (const [, from] of read(file).matchAll(/(?:from|import)\s*"([^"]+)"/g)) assert.equal(from, "./index.js", file);
  }
});

test("a strict consumer's compiler takes its types, as bundlers and as Node.js find them", async () => {
  const program = `
    import { castVote, checkReceipt, watchStanding, type CastOutcome, type Standing, type VoteStorage } from "@paredao/client";
    import { ParedaoVote } from "@paredao/client/elements";
    const storage: VoteStorage = { get: async () => null, set: async () => {}, remove: async () => {}, names: async () => [] };
    export async function vote(): Promise<string> {
      const end: CastOutcome = await castVote({ ingest: "https://vote.example", poll: "p", candidate: "a", storage });
      switch (end.outcome) {
        case "accepted": return end.receipt ?? "";
        case "refused": return end.code;
        case "unknown": return end.problem?.code ?? "";
      }
    }
    export const watch = watchStanding({ results: "", poll: "p", onStanding: (standing: Standing) => standing.total_votes });
    export const rows = watchStanding({ results: "", poll: "p", view: "rows", onStanding: ([first]) => first?.on_air });
    export const receipt = checkReceipt({ results: "", receipt: "r" });
    export const element: ParedaoVote = document.createElement("paredao-vote");
    // @ts-expect-error: a vote is for somebody
    export const nobody = castVote({ ingest: "", poll: "p" });
    // @ts-expect-error: there is no such view
    export const view = watchStanding({ results: "", poll: "p", view: "delta", onStanding: () => {} });
  `;
  writeFileSync(join(folder, "consumer.mts"), program);
  for (const [module, moduleResolution] of [["esnext", "bundler"], ["node16", "node16"]]) {
    const config = { compilerOptions: { module, moduleResolution, strict: true, noEmit: true, target: "es2022", lib: ["es2022", "dom", "dom.iterable"], types: [], exactOptionalPropertyTypes: true }, files: ["consumer.mts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    await run(tool("tsc"), ["--project", folder]).catch(({ stdout }) => assert.fail(`${moduleResolution}: ${stdout}`));
  }
});

test("both entries can be imported where there is no page", async () => {
  writeFileSync(join(folder, "server.mjs"), `
    import * as client from "@paredao/client";
    import * as elements from "@paredao/client/elements";
    console.log(JSON.stringify([Object.keys(client).sort(), Object.keys(elements).sort()]));
  `);
  const { stdout } = await run(process.execPath, [join(folder, "server.mjs")]);
  assert.deepEqual(JSON.parse(stdout), [
    ["castVote", "checkReceipt", "keptReceipts", "newKey", "resumeVotes", "watchPoll", "watchStanding"], ["ParedaoStanding", "ParedaoVote"],
  ]);
});

test("a process ends once its vote is answered", async () => {
  writeFileSync(join(folder, "ends.mjs"), `
    import { castVote } from "@paredao/client";
    const fetch = async () => new Response(JSON.stringify({ status: "accepted" }), { status: 201 });
    console.log((await castVote({ ingest: "https://vote.example", poll: "p", candidate: "a", fetch })).outcome);
  `);
  // An attempt's timer would hold it for ten seconds.
  const { stdout } = await run(process.execPath, [join(folder, "ends.mjs")], { timeout: 8000 });
  assert.equal(stdout.trim(), "accepted");
});
