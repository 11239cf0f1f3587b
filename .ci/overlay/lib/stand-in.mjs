// A results service that answers what a test says: for the faults and states that a real one is rarely in.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

export const OVERLAY = fileURLToPath(new URL("../../../web/overlay/", import.meta.url));
const TYPES = { js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8" };
// As the results service sends it with the page; the tests of the live service compare.
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; " +
  "font-src 'self'; img-src 'self' https: http: data:; base-uri 'none'; form-action 'none'";

export class StandIn {
  /** What is answered; a test changes it at will. */
  rows = [];
  /** `ok`, a status, `silent`, `over` (the last event and the end), or `cut`: accepted, and closed at once. */
  stream = "ok";
  polling = "ok";
  headers = {};
  themes = {};
  files = {};
  /** What was asked for, in its order: method, path and query. */
  asked = [];
  #open = new Set();
  #id = 0;

  static async start(port = 0) {
    const service = new StandIn();
    service.server = createServer((request, response) => service.#answer(request, response));
    await new Promise((listening) => service.server.listen(port, "127.0.0.1", listening));
    service.port = service.server.address().port;
    service.url = `http://127.0.0.1:${service.port}`;
    return service;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  /** Answers these rows from now on, and says so on every open stream. */
  push(rows) {
    this.rows = rows;
    for (const response of this.#open) this.#event(response);
  }

  /** Cuts every open stream. */
  cut() {
    for (const response of this.#open) response.destroy();
    this.#open.clear();
  }

  get streams() {
    return this.#open.size;
  }

  countOf(part) {
    return this.asked.filter((path) => path.includes(part)).length;
  }

  #event(response) {
    this.#id += 1;
    response.write(`id: ${this.#id}\ndata: ${JSON.stringify(this.rows)}\n\n`);
  }

  #answer(request, response) {
    const url = new URL(request.url, this.url);
    this.asked.push(request.url);
    const path = url.pathname;
    for (const [name, value] of Object.entries(this.headers)) response.setHeader(name, value);
    if (path.startsWith("/overlay/assets/")) return this.#file(path.split("/").pop(), response);
    if (path.startsWith("/overlay/themes/")) return this.#theme(path.split("/").pop(), response);
    if (path.startsWith("/overlay/")) return this.#page(response);
    if (path.startsWith("/files/")) return this.#own(path, response);
    if (path.endsWith("/results/stream")) return this.#stream(request, response);
    if (path.endsWith("/results.rows.json")) return this.#rows(request, response);
    this.#problem(response, 404, "not-found");
  }

  #page(response) {
    const text = readFileSync(join(OVERLAY, "index.html"), "utf8").replaceAll("@ASSETS@", "test");
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY });
    response.end(text);
  }

  #file(name, response) {
    const type = TYPES[name.split(".").pop()];
    if (!type) return this.#problem(response, 404, "not-found");
    response.writeHead(200, { "Content-Type": type, "Content-Security-Policy": POLICY });
    response.end(readFileSync(join(OVERLAY, name)));
  }

  #theme(name, response) {
    const theme = this.themes[name];
    if (theme === undefined) return this.#problem(response, 404, "not-found");
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(typeof theme === "string" ? theme : JSON.stringify(theme));
  }

  #own(path, response) {
    const file = this.files[path];
    if (!file) return this.#problem(response, 404, "not-found");
    response.writeHead(200, { "Content-Type": file.type });
    response.end(file.body);
  }

  #stream(request, response) {
    if (this.stream === "cut") return response.destroy();
    if (typeof this.stream === "number") {
      if (this.stream === 204) return response.writeHead(204).end();
      return this.#problem(response, this.stream, "server-busy");
    }
    if (this.stream === "over" && request.headers["last-event-id"] === "last") return response.writeHead(204).end();
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    if (this.stream === "over") return response.end(`id: last\ndata: ${JSON.stringify(this.rows)}\n\n: bye\n\n`);
    response.write("retry: 200\n\n");
    if (this.stream === "silent") return undefined;
    this.#open.add(response);
    response.on("close", () => this.#open.delete(response));
    this.#event(response);
    return undefined;
  }

  #rows(request, response) {
    if (this.polling === "cut") return response.destroy();
    if (typeof this.polling === "number") return this.#problem(response, this.polling, "server-busy");
    const body = typeof this.rows === "string" ? this.rows : JSON.stringify(this.rows);
    const tag = `"${createHash("sha256").update(body).digest("hex")}"`;
    const headers = { "Content-Type": "application/json", ETag: tag, "Cache-Control": "max-age=1" };
    if (request.headers["if-none-match"] === tag) return response.writeHead(304, headers).end();
    response.writeHead(200, headers);
    response.end(body);
    return undefined;
  }

  #problem(response, status, code) {
    response.writeHead(status, { "Content-Type": "application/problem+json" });
    response.end(JSON.stringify({ status, code }));
  }
}
