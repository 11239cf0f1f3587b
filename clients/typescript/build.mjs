// Makes dist/: the core in one file, and the elements in another one that imports it. Says how large they are, and fails
// where the core has outgrown its bound.

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Bytes of the core, compressed by gzip at its best; brotli makes less of it. */
const MOST_CORE = 5250;

const here = fileURLToPath(new URL(".", import.meta.url));
process.chdir(here);
rmSync("dist", { recursive: true, force: true });
mkdirSync("dist");

// What both entries have in common is the core itself: the others import it as it is published.
const core = {
  name: "core",
  setup(made) {
    made.onResolve({ filter: /(^|\/)index\.js$/ }, () => ({ path: "./index.js", external: true }));
  },
};
const shared = {
  bundle: true,
  charset: "utf8",
  format: "esm",
  legalComments: "none",
  logLevel: "warning",
  minify: true,
  sourcemap: true,
  target: "es2022",
};
await build({ ...shared, entryPoints: ["src/index.ts"], outfile: "dist/index.js" });
await build({ ...shared, entryPoints: ["src/elements/index.ts"], outfile: "dist/elements.js", plugins: [core] });
await build({ ...shared, entryPoints: ["src/node.ts"], outfile: "dist/node.js", plugins: [core], platform: "node" });

const sizes = {};
for (const name of ["index.js", "elements.js", "node.js"]) {
  const bytes = readFileSync(`dist/${name}`);
  sizes[name] = { plain: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotliCompressSync(bytes).length };
  const { plain, gzip, brotli } = sizes[name];
  console.log(`dist/${name}: ${plain} bytes, ${gzip} by gzip, ${brotli} by brotli`);
}
if (sizes["index.js"].gzip > MOST_CORE) {
  console.error(`dist/index.js is larger than ${MOST_CORE} bytes by gzip`);
  process.exit(1);
}
