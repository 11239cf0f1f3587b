// A real Chromium, from which nothing leaves the machine.

import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const { chromium } = createRequire(join(resolve(process.env.PLAYWRIGHT), "/"))("playwright-core");

/** How long a page may take for anything. */
export const PATIENCE_MS = 30_000;
// Nothing of the browser's own leaves the machine, and no page's request does either.
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
  // A host of that name is this machine, and to the browser any other one: over plain HTTP no secure context.
  "--host-resolver-rules=MAP studio.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

export async function launch() {
  return await chromium.launch({ executablePath: process.env.BROWSER, args: FLAGS });
}
