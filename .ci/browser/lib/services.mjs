// Redis and the real services on free ports, each of which a test may kill, pause and start again.

import { execFile, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const BIN = resolve(process.env.BIN_DIR);
const PATIENCE_MS = 60_000;
const run = promisify(execFile);

// Below every system's ephemeral range: no client of a check beside this one is given a port whose server is started again.
const FIRST_PORT = 14_000;
const PORTS = 3_000;
let nextPort = randomInt(PORTS);

/** A port that nobody listens on, and that this process has not had before. */
export async function freePort() {
  for (let tried = 0; tried < PORTS; tried += 1) {
    const port = FIRST_PORT + (nextPort++ % PORTS);
    const server = createServer();
    const listens = await new Promise((said) => {
      server.once("error", () => said(false));
      server.listen(port, "127.0.0.1", () => said(true));
    });
    if (!listens) continue;
    await new Promise((closed) => server.close(closed));
    return port;
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${FIRST_PORT + PORTS - 1}`);
}

/** Asks until it holds, and says what it last saw. */
export async function eventually(what, holds) {
  const until = Date.now() + PATIENCE_MS;
  let last;
  while (Date.now() < until) {
    last = await holds().catch((error) => ({ error: error.message }));
    if (last === true) return;
    await new Promise((next) => setTimeout(next, 50));
  }
  throw new Error(`${what}: not after ${PATIENCE_MS / 1000} s; last ${JSON.stringify(last)}`);
}

export class Services {
  #children = [];
  /** All that read, also those that tests start beside the first. */
  #readers = [];

  /**
   * Redis and one of each service; the settings are those of the results service.
   * @param {{results?: Record<string, string>}} [settings]
   */
  static async start({ results = {} } = {}) {
    const services = new Services();
    services.folder = mkdtempSync(join(tmpdir(), "browser-check-"));
    services.redisPort = await freePort();
    services.redisUrl = `redis://127.0.0.1:${services.redisPort}`;
    services.redis = services.#spawn("redis-server", [
      "--port", String(services.redisPort), "--bind", "127.0.0.1", "--save", "", "--dir", services.folder,
    ], {}, "ignore");
    await eventually("Redis", async () => {
      const socket = connect(services.redisPort, "127.0.0.1");
      const connected = new Promise((good, bad) => socket.once("connect", () => good(true)).once("error", bad));
      return await connected.finally(() => socket.destroy());
    });
    services.ingest = await services.service("vote-ingest");
    services.results = await services.service("vote-results", { settings: results });
    return services;
  }

  /** A service, ready; on that port, where it has been before. */
  async service(name, { port, settings = {} } = {}) {
    const at = port ?? (await freePort());
    const admin = await freePort();
    const child = this.#spawn(join(BIN, name), [], {
      VOTE__REDIS__URL: this.redisUrl,
      VOTE__HTTP__BIND: `127.0.0.1:${at}`,
      VOTE__ADMIN__BIND: `127.0.0.1:${admin}`,
      VOTE__SHUTDOWN__GRACE_MS: "0",
      VOTE__LOG__LEVEL: "error",
      ...settings,
    }, "inherit");
    const url = `http://127.0.0.1:${at}`;
    await eventually(name, async () => {
      if (child.exitCode !== null) throw new Error(`${name} has ended`);
      return (await fetch(`${url}/readyz`)).ok;
    });
    const service = { child, url, port: at };
    if (name === "vote-results") this.#readers.push(service);
    return service;
  }

  #spawn(program, given, env, stderr) {
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VOTE__")));
    const child = spawn(program, given, { env: { ...clean, ...env }, stdio: ["ignore", "ignore", stderr] });
    this.#children.push(child);
    return child;
  }

  async votectl(...command) {
    const { stdout } = await run(join(BIN, "votectl"), ["--redis", this.redisUrl, "--by", "browser-check", ...command]);
    return stdout;
  }

  /** Applies a poll that takes votes, and opens it. */
  async open(id, changes = {}) {
    const at = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString();
    const poll = {
      id, title: `Paredão ${id}`, direction: "eliminate", kind: "live", opens_at: at(-1), closes_at: at(3),
      timezone: "America/Sao_Paulo", visibility: "public", shards: 1,
      candidates: [{ id: "ana", name: "Ana" }, { id: "bia", name: "Bia" }],
      channels: [{ id: "torcida", weight: 100, eligibility: "open" }],
      ...changes,
    };
    const file = join(this.folder, `${id}.json`);
    writeFileSync(file, JSON.stringify(poll));
    await this.votectl("poll", "apply", file);
    await this.votectl("poll", "open", id);
    await this.known(id);
  }

  /** Applies an open poll with changes to its file. */
  async harden(id, changes) {
    const file = join(this.folder, `${id}.json`);
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...changes }));
    await this.votectl("poll", "apply", file);
  }

  /** Waits until all results that run know the poll as open, and have read its first figures: each reads by itself. */
  async known(id) {
    const running = this.#readers.filter(({ child }) => child.exitCode === null && child.signalCode === null);
    for (const { url } of running) {
      await eventually(`${id} is open at ${url}`, async () => {
        const answer = await fetch(`${url}/v1/polls/${id}`);
        if (!answer.ok || (await answer.json()).state !== "open") return false;
        const { status } = await fetch(`${url}/v1/polls/${id}/results`);
        return status !== 503;
      });
    }
  }

  async vote(poll, candidate, count = 1) {
    for (let vote = 0; vote < count; vote += 1) {
      await eventually(`a vote for ${candidate}`, async () => {
        const answer = await fetch(`${this.ingest.url}/v1/polls/${poll}/votes`, {
          method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ candidate }),
        });
        return answer.status === 201 || answer.status;
      });
    }
  }

  async kill(service, signal = "SIGKILL") {
    const ended = new Promise((end) => service.child.once("exit", end));
    if (service.child.exitCode === null) service.child.kill(signal);
    await ended;
  }

  async stop() {
    for (const child of this.#children) {
      child.kill("SIGCONT");
      child.kill("SIGKILL");
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One address before several services: hands connections to the one it is told to. */
export class Switch {
  #open = new Set();

  static async start(port) {
    const here = new Switch();
    here.to = port;
    here.server = createServer((socket) => {
      const other = connect(here.to, "127.0.0.1");
      for (const [one, two] of [[socket, other], [other, socket]]) {
        one.pipe(two);
        one.on("error", () => two.destroy()).on("close", () => two.destroy());
      }
      here.#open.add(socket);
      socket.on("close", () => here.#open.delete(socket));
    });
    await new Promise((listening) => here.server.listen(0, "127.0.0.1", listening));
    here.url = `http://127.0.0.1:${here.server.address().port}`;
    return here;
  }

  /** From now on to that port; what is open is cut. */
  turn(port) {
    this.to = port;
    for (const socket of this.#open) socket.destroy();
  }

  async stop() {
    for (const socket of this.#open) socket.destroy();
    await new Promise((closed) => this.server.close(closed));
  }
}
