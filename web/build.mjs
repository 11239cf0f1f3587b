// Builds the pages' scripts and style sheets: one file each, minified, named by what is in it. The same sources give the
// same bytes on every machine; `make web-check` builds them anew and compares.
//
//   node build.mjs [--out FOLDER]      instead of dist/

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, parse, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const { values } = parseArgs({ options: { out: { type: "string", default: join(HERE, "dist") } } });
const out = resolve(values.out);

const ENTRIES = [
  ...["public", "desk", "proof"].flatMap((page) => [`src/${page}/${page}.ts`, `src/${page}/${page}.css`]),
  "src/proof/solver.ts",
  "src/shared/icon.svg",
].map((path) => ({ in: path, out: parse(path).name }));

const { metafile, outputFiles } = await build({
  absWorkingDir: HERE,
  entryPoints: ENTRIES,
  outdir: "dist",
  write: false,
  bundle: true,
  minify: true,
  format: "esm",
  // What browsers of the last five years know.
  target: ["chrome92", "edge92", "firefox91", "safari15"],
  charset: "utf8",
  loader: { ".svg": "copy" },
  entryNames: "[name]-[hash]",
  // Licences of what is bundled stay with it.
  legalComments: "eof",
  metafile: true,
  logLevel: "warning",
});

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const file of outputFiles) writeFileSync(join(out, basename(file.path)), file.contents);

const manifest = {};
for (const [path, output] of Object.entries(metafile.outputs)) {
  if (!output.entryPoint) throw new Error(`${path} belongs to no page`);
  manifest[basename(output.entryPoint).replace(/\.ts$/, ".js")] = basename(path);
}
const sorted = Object.fromEntries(Object.entries(manifest).sort(([one], [other]) => (one < other ? -1 : 1)));
writeFileSync(join(out, "manifest.json"), `${JSON.stringify(sorted, null, 2)}\n`);
