// A site of another origin than the services': a page with the package's files beside it, and a strict policy.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const DIST = fileURLToPath(new URL("../../../clients/typescript/dist/", import.meta.url));
const HERE = fileURLToPath(new URL("./", import.meta.url));

const WORKER = `
import { castVote } from "/dist/index.js";
import { castMany } from "/votes.mjs";
onmessage = async ({ data }) => postMessage(await castMany(castVote, data));
`;

export class Site {
  pages = new Map();

  /** @param {string[]} services origins that its pages may call */
  static async start(services = []) {
    const site = new Site();
    site.services = services;
    site.server = createServer((request, response) => site.#answer(new URL(request.url, "http://site"), response));
    await new Promise((listening) => site.server.listen(0, "127.0.0.1", listening));
    site.port = site.server.address().port;
    site.url = `http://127.0.0.1:${site.port}`;
    return site;
  }

  /** Nothing inline, nothing from elsewhere, no text made into script. */
  get policy() {
    return [
      "default-src 'none'", "script-src 'self'", "style-src 'self'", "worker-src 'self'", "base-uri 'none'", "form-action 'none'",
      "require-trusted-types-for 'script'", "trusted-types 'none'", `connect-src 'self' ${this.services.join(" ")}`,
    ].join("; ");
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  #answer({ pathname }, response) {
    const script = { "Content-Type": "text/javascript; charset=utf-8", "Content-Security-Policy": this.policy };
    if (/^\/dist\/[\w.-]+$/.test(pathname)) return response.writeHead(200, script).end(readFileSync(DIST + pathname.slice(6)));
    if (pathname === "/votes.mjs") return response.writeHead(200, script).end(readFileSync(HERE + "votes.mjs"));
    if (pathname === "/worker.js") return response.writeHead(200, script).end(WORKER);
    if (pathname === "/elements.js") return response.writeHead(200, script).end('import "/dist/elements.js";');
    if (pathname === "/favicon.ico") return response.writeHead(204).end();
    const page = this.pages.get(pathname);
    if (page === undefined) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": this.policy });
    return response.end(page);
  }

  /** Puts up a page; its body is that of the test. */
  page(path, body, lang = "pt-BR") {
    const head = `<meta charset="utf-8"><title>Site</title><script type="module" src="/elements.js"></script>`;
    this.pages.set(path, `<!doctype html><html lang="${lang}"><head>${head}</head><body><main><h1>Site</h1>${body}</main></body></html>`);
    return this.url + path;
  }
}
