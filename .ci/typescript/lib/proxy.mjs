// A proxy that does to requests what bad networks do: cuts them before they arrive, cuts their answers off before or
// within, delays either, and sends some twice. By a seed, so that a run can be repeated as far as its requests come in
// the same order.

import { Agent, createServer, request as send } from "node:http";

export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class BadNetwork {
  seen = { requests: 0, cutBefore: 0, cutAfter: 0, cutWithin: 0, delayed: 0, doubled: 0 };

  /**
   * @param {string} target where requests go
   * @param {{seed: number, cut?: number, delay?: number, double?: number, mostMs?: number}} how shares of requests, and the
   *   longest delay
   */
  static async start(target, { seed, cut = 0.2, delay = 0.1, double = 0.1, mostMs = 300 }) {
    const here = new BadNetwork();
    Object.assign(here, { target: new URL(target), chance: random(seed), cut, delay, double, mostMs });
    here.agent = new Agent({ keepAlive: true, maxSockets: 256 });
    here.server = createServer((request, response) => {
      here.#pass(request, response).catch(() => request.socket.destroy());
    });
    await new Promise((listening) => here.server.listen(0, "127.0.0.1", listening));
    here.url = `http://127.0.0.1:${here.server.address().port}`;
    return here;
  }

  async stop() {
    this.server.closeAllConnections();
    this.agent.destroy();
    await new Promise((closed) => this.server.close(closed));
  }

  async #pass(request, response) {
    const { seen, chance } = this;
    const body = await whole(request);
    seen.requests += 1;
    const cut = chance() < this.cut ? ["cutBefore", "cutAfter", "cutWithin"][Math.floor(chance() * 3)] : "";
    const late = { before: this.#delay(), after: this.#delay() };
    const isDoubled = chance() < this.double;
    if (cut) seen[cut] += 1;
    if (cut === "cutBefore") return request.socket.destroy();
    await late.before();
    const asked = [this.#forward(request, body)];
    if (isDoubled) {
      seen.doubled += 1;
      asked.push(this.#forward(request, body));
    }
    // Of two, the later answer is the one that arrives.
    const answer = (await Promise.all(asked)).pop();
    await late.after();
    if (cut === "cutAfter") return request.socket.destroy();
    response.writeHead(answer.status, answer.headers);
    if (cut === "cutWithin") {
      response.write(answer.body.subarray(0, answer.body.length >> 1), () => request.socket.destroy());
    } else {
      response.end(answer.body);
    }
  }

  #delay() {
    if (this.chance() >= this.delay) return async () => {};
    this.seen.delayed += 1;
    const ms = this.chance() * this.mostMs;
    return () => new Promise((next) => setTimeout(next, ms));
  }

  #forward({ method, url, headers }, body) {
    const { hostname, port } = this.target;
    return new Promise((good, bad) => {
      const asked = send({ hostname, port, method, path: url, agent: this.agent, headers: { ...headers, host: `${hostname}:${port}` } });
      asked.on("error", bad);
      asked.on("response", async (answer) => {
        try {
          const { connection, "transfer-encoding": _coding, ...kept } = answer.headers;
          const text = await whole(answer);
          good({ status: answer.statusCode, headers: { ...kept, "content-length": text.length }, body: text });
        } catch (error) {
          bad(error);
        }
      });
      asked.end(body);
    });
  }
}

async function whole(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}
