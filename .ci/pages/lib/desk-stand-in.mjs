// A results service that answers the desk what a test says: for the states and faults that a real one is rarely in.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const DIST = process.env.DESK_DIST ?? fileURLToPath(new URL("../../../web/dist/", import.meta.url));
export const TOKEN = "desk-token-of-production";
/** As the results service sends it with the desk; the tests of the live service compare. */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'; trusted-types 'none'; connect-src 'self'; form-action 'none'; img-src 'self'";

const MINUTE_MS = 60_000;
/** The service gives no more minutes than those of three days. */
const LONGEST_MS = 72 * 60 * MINUTE_MS;
const TYPES = { js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml" };

export const CANDIDATES = [
  { id: "ana", name: "Ana Clara", color: "#e4572e" }, { id: "bia", name: "Bia" }, { id: "caio", name: "Caio", color: "#111111" },
];

/** A desk: `votes` by channel and candidate, `poll` and the other members over what is usual. */
export function deskOf({ votes = [[900, 300, 100], [100, 500, 100]], poll = {}, ...members } = {}) {
  const now = Date.now();
  const sum = (list) => list.reduce((one, other) => one + other, 0);
  const at = (ms) => new Date(now + ms).toISOString();
  const head = {
    id: "paredao-01", title: "Paredão 1", kind: "live", direction: "eliminate", visibility: "public", release: "released", state: "open",
    status: "provisional", as_of: at(-1000), opens_at: at(-90 * MINUTE_MS), closes_at: at(30 * MINUTE_MS), timezone: "America/Sao_Paulo",
    candidates: CANDIDATES, channels: [], revision: 3, ...poll,
  };
  const rows = (list, percents) => head.candidates.map((one, index) => ({
    id: one.id, name: one.name, votes: list[index] ?? 0, percent: percents[index],
    rank: 1 + percents.filter((other) => other > percents[index]).length,
  }));
  const share = (list) => list.map((one) => (sum(list) === 0 ? 0 : Math.round((one / sum(list)) * 10_000) / 100));
  const columns = head.candidates.map((_, index) => sum(votes.map((channel) => channel[index] ?? 0)));
  const weighted = head.candidates.map((_, index) => Math.round(votes.reduce((part, list) => part + share(list)[index] * 50, 0)) / 100);
  const total = sum(columns);
  const desk = {
    poll: head,
    standing: {
      poll: head.id, title: head.title, kind: head.kind, direction: head.direction, state: head.state, status: head.status, as_of: head.as_of,
      revision: 815, total_votes: total, candidates: rows(columns, weighted),
      channels: ["torcida", "unico"].map((id, index) => ({ id, weight: 50, total_votes: sum(votes[index]), candidates: rows(votes[index], share(votes[index])) })),
    },
    unweighted: rows(columns, share(columns)),
    on_air: {
      on_air: head.release === "released" && head.kind === "live" && ["provisional", "final"].includes(head.status), release: head.release,
      status: head.status, as_of: head.as_of, revision: 815, total_votes: total,
      candidates: head.candidates.map((one, index) => ({ id: one.id, percent: weighted[index], votes: columns[index] })),
    },
    outcomes: { recorded: total, withdrawn: 0, late: 0, lost: 0 },
    peak: { start: new Date(Math.floor(now / MINUTE_MS) * MINUTE_MS - 10 * MINUTE_MS).toISOString(), total_votes: 600 },
    checks: { agree: true, tally: total, minutes: total, ledger: total, writers: 4, waiting: [] },
    journal: [{ at: at(-90 * MINUTE_MS), action: "open", by: "ines", detail: "draft to open" }],
    ...members,
  };
  return desk;
}

/** A series that ends with the running bucket: `votes` has a list for each one, a number for each candidate. */
export function seriesOf(desk, seconds, votes, end = Date.now()) {
  const last = Math.floor(end / (seconds * 1_000)) * seconds * 1_000;
  const buckets = votes.map((list, index) => ({
    start: new Date(last - (votes.length - 1 - index) * seconds * 1_000).toISOString(),
    total_votes: list.reduce((one, other) => one + other, 0),
    candidates: Object.fromEntries(desk.poll.candidates.map((one, place) => [one.id, list[place] ?? 0])),
  }));
  const { standing, poll } = desk;
  return {
    poll: poll.id, kind: poll.kind, direction: poll.direction, timezone: poll.timezone, status: standing.status, as_of: standing.as_of,
    revision: standing.revision, [seconds === 60 ? "minutes" : "hours"]: buckets,
  };
}

/** What the page may be asked for: the built files by their manifest. */
function manifest() {
  return JSON.parse(readFileSync(join(DIST, "manifest.json"), "utf8"));
}

export class DeskStandIn {
  desk = deskOf();
  minutely = null;
  hourly = null;
  polls = [];
  /** How long ago the figures were confirmed. */
  ageMs = 0;
  /** `ok`, `silent` (no answer), or a status. */
  mode = "ok";
  /** The policy of the page; a test may send a wrong one. */
  body = "";
  /** What was asked for: method, address, and the field with the token. */
  asked = [];
  #open = new Set();

  static async start(port = 0) {
    const service = new DeskStandIn();
    service.server = createServer((request, response) => service.#answer(request, response));
    service.server.on("connection", (socket) => {
      service.#open.add(socket);
      socket.on("close", () => service.#open.delete(socket));
    });
    await new Promise((listening) => service.server.listen(port, "127.0.0.1", listening));
    service.port = service.server.address().port;
    service.url = `http://127.0.0.1:${service.port}`;
    return service;
  }

  async stop() {
    for (const socket of this.#open) socket.destroy();
    await new Promise((closed) => this.server.close(closed));
  }

  #answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    this.asked.push({ method: request.method, url: request.url, authorization: request.headers.authorization ?? "", referer: request.headers.referer ?? "" });
    if (pathname.startsWith("/production/")) return this.#page(response);
    if (pathname.startsWith("/assets/")) {
      const name = pathname.slice("/assets/".length);
      response.setHeader("content-type", TYPES[name.split(".").at(-1)] ?? "text/plain");
      return response.end(readFileSync(join(DIST, name)));
    }
    return this.#api(request, response, pathname, searchParams);
  }

  #page(response) {
    const { "desk.js": script, "desk.css": style, "icon.svg": icon } = manifest();
    response.setHeader("content-type", "text/html; charset=utf-8").setHeader("content-security-policy", POLICY);
    const link = icon ? `<link rel="icon" href="/assets/${icon}" type="image/svg+xml">` : "";
    response.end(`<!doctype html><html lang="pt-BR"><head><meta charset="utf-8"><title>Mesa da produção</title>
      <meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/assets/${style}">${link}
      <script type="module" src="/assets/${script}"></script></head><body><div id="desk"></div>${this.body}</body></html>`);
  }

  /** As the service has it: who says from when on is told up to now, who doesn't would be told all of the poll. */
  #isTooLong(from) {
    const [opens, closes] = [Date.parse(this.desk.poll.opens_at), Date.parse(this.desk.poll.closes_at)];
    if (from === null) return closes - opens > LONGEST_MS;
    return Math.min(Date.now(), closes) - Math.max(Date.parse(from), opens) > LONGEST_MS;
  }

  #api(request, response, pathname, searchParams) {
    if (this.mode === "silent") return undefined;
    const say = (status, body, headers = {}) => {
      response.writeHead(status, { "content-type": "application/json", "figures-confirmed-at": new Date(Date.now() - this.ageMs).toISOString(), ...headers });
      response.end(body === undefined ? "" : JSON.stringify(body));
    };
    if (this.mode !== "ok") return say(this.mode, { code: "some-problem", title: "Some problem" });
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return say(401, { code: "unauthorized" });
    const last = pathname.split("/").at(-1);
    const body = { desk: this.desk, minutely: this.minutely, hourly: this.hourly, polls: { polls: this.polls } }[last];
    if (last === "minutely" && this.#isTooLong(searchParams.get("from"))) return say(400, { code: "invalid-query", detail: "Three days at most." });
    if (!body) return say(404, { code: "unknown-poll", detail: "There is no poll of that id." });
    const etag = `"${createHash("sha256").update(JSON.stringify(body)).digest("hex").slice(0, 20)}"`;
    if (request.headers["if-none-match"] === etag) return say(304, undefined, { etag });
    return say(200, body, { etag });
  }
}
