// One origin for both services, as HAProxy or an Ingress makes it, that counts what passes.

import { Agent, createServer, request } from "node:http";
import { createServer as createSecureServer } from "node:https";

const IS_VOTE = /^\/(v1\/)?polls\/[^/]+\/votes$/;
const IS_CHALLENGE = /^\/v1\/polls\/[^/]+\/challenge$/;

export class Front {
  /** Requests that are open, by their path. */
  open = new Map();
  /** Every request, as `METHOD path`. */
  seen = [];
  /** Votes whose answer is thrown away, after the service has given it. */
  losing = 0;
  #agent = new Agent({ keepAlive: true });

  /** With a key and a certificate it speaks TLS. */
  static async start({ ingest, results }, tls) {
    const front = new Front();
    const pass = (asked, answer) => front.#pass(asked, answer, { ingest, results });
    front.server = tls ? createSecureServer(tls, pass) : createServer(pass);
    await new Promise((listening) => front.server.listen(0, "127.0.0.1", listening));
    front.url = `${tls ? "https" : "http"}://127.0.0.1:${front.server.address().port}`;
    return front;
  }

  #pass(asked, answer, { ingest, results }) {
    const path = asked.url.split("?")[0];
    const isVote = IS_VOTE.test(path);
    this.seen.push(`${asked.method} ${asked.url}`);
    this.open.set(path, (this.open.get(path) ?? 0) + 1);
    answer.on("close", () => this.open.set(path, this.open.get(path) - 1));
    const to = new URL(asked.url, isVote || IS_CHALLENGE.test(path) ? ingest.url : results.url);
    const passed = request(to, { method: asked.method, headers: asked.headers, agent: this.#agent }, (given) => {
      if (isVote && this.losing > 0) {
        this.losing -= 1;
        given.resume();
        given.on("end", () => asked.socket.destroy());
        return;
      }
      answer.writeHead(given.statusCode, given.headers);
      given.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
  }

  /** How many streams are open. */
  streams() {
    const streams = [...this.open].filter(([path]) => path.endsWith("/stream"));
    return streams.reduce((sum, [, count]) => sum + count, 0);
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
    this.#agent.destroy();
  }
}
