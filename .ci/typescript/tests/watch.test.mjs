// How figures are followed: by a service that answers what a test says, with a time of the test's own.

import assert from "node:assert/strict";
import test, { afterEach, beforeEach } from "node:test";

import { checkReceipt, watchPoll, watchStanding } from "../../../clients/typescript/dist/node.js";
import { Clock } from "../lib/clock.mjs";

let clock;
let watches;
beforeEach(() => {
  clock = new Clock().install();
  watches = [];
});
afterEach(async () => {
  for (const watch of watches) {
    watch.close();
    await clock.end(watch.done);
  }
  assert.equal(clock.timers, 0, "nothing keeps a process alive afterwards");
  clock.uninstall();
});

const standing = (revision, changes = {}) => ({
  poll: "paredao-01", title: "Paredão 1", kind: "live", direction: "eliminate", state: "open", status: "provisional",
  as_of: new Date(1_800_000_000_000 + revision).toISOString(), revision, candidates: [{ id: "ana", name: "Ana", percent: 100 }],
  channels: [{ id: "torcida", weight: 100, candidates: [] }], ...changes,
});
/** The figures at which a poll is held: they have no channels. */
const held = (revision, changes = {}) => standing(revision, { channels: [], ...changes });
const problem = (status, code) => ({ status, code, title: code, type: `/problems/${code}`, detail: code });

class Service {
  asked = [];
  body = standing(1);
  /** `ok`, a status, `cut`, or `silent`. */
  stream = "ok";
  polling = "ok";
  #open = new Set();
  #bytes = new TextEncoder();

  fetch = async (url, { headers, signal }) => {
    const isStream = url.includes("/stream");
    this.asked.push({ url, headers, at: Date.now(), isStream });
    if (signal.aborted) throw signal.reason;
    const how = isStream ? this.stream : this.polling;
    if (how === "cut") throw new TypeError("fetch failed");
    if (how === 204) return new Response(null, { status: 204 });
    if (typeof how === "number") return new Response(JSON.stringify(problem(how, `code-${how}`)), { status: how, headers: { "retry-after": "90" } });
    return isStream ? this.#stream(signal) : this.#whole(headers);
  };

  #whole(headers) {
    const text = typeof this.body === "string" ? this.body : JSON.stringify(this.body);
    const tag = `"${text.length}-${this.body.revision}"`;
    if (headers["if-none-match"] === tag) return new Response(null, { status: 304, headers: { etag: tag } });
    return new Response(text, { headers: { etag: tag, date: new Date(Date.now()).toUTCString() } });
  }

  #stream(signal) {
    const readers = this.#open;
    const body = new ReadableStream({
      start(control) {
        readers.add(control);
        signal.addEventListener("abort", () => {
          readers.delete(control);
          control.error(signal.reason);
        });
      },
    });
    const answer = new Response(body, { headers: { "content-type": "text/event-stream", date: new Date(Date.now()).toUTCString() } });
    if (this.stream !== "silent") this.text(`retry: 1500\n\nid: 1\ndata: ${JSON.stringify(this.body)}\n\n`);
    return answer;
  }

  get streams() {
    return this.#open.size;
  }

  text(text) {
    for (const control of this.#open) control.enqueue(typeof text === "string" ? this.#bytes.encode(text) : text);
  }

  push(body) {
    this.body = body;
    this.text(`id: 7\ndata: ${JSON.stringify(body)}\n\n`);
  }

  end(isCut = false) {
    for (const control of this.#open) {
      if (isCut) control.error(new TypeError("terminated"));
      else control.close();
    }
    this.#open.clear();
  }

  count = (isStream) => this.asked.filter((one) => one.isStream === isStream).length;
}

function follow(service, options = {}) {
  const seen = { bodies: [], states: [], metas: [], problems: [] };
  const watch = watchStanding({
    results: "https://results.example", poll: "paredao-01", fetch: service.fetch,
    onStanding: (body, meta) => {
      seen.bodies.push(body);
      seen.metas.push(meta);
    },
    onState: (state, why) => {
      seen.states.push(state);
      if (why) seen.problems.push(why.code);
    },
    ...options,
  });
  watches.push(watch);
  seen.watch = watch;
  seen.revisions = () => seen.bodies.map(({ revision }) => revision);
  return seen;
}

test("figures come by the stream, as they change", async () => {
  const service = new Service();
  const seen = follow(service, { maxRate: 2 });
  await clock.until(() => seen.bodies.length === 1);
  service.push(standing(2));
  await clock.until(() => seen.bodies.length === 2);
  assert.deepEqual(seen.revisions(), [1, 2]);
  assert.deepEqual(seen.states, ["live"]);
  assert.equal(seen.metas[0].how, "stream");
  assert.ok(Math.abs(seen.metas[0].serverMs - Date.now()) < 1000);
  assert.deepEqual(service.asked.map(({ url }) => url), ["https://results.example/v1/polls/paredao-01/results/stream?view=standing&max_rate=2"]);
  assert.equal(service.asked[0].headers["last-event-id"], undefined, "pages of other origins may not send it");
});

test("events are read wherever their pieces end", async () => {
  const service = new Service();
  const seen = follow(service);
  await clock.until(() => seen.bodies.length === 1);
  const text = `: ping\r\nevent: other\r\ndata: {}\r\n\r\nid: 2\rdata: ${JSON.stringify(standing(2, { title: "Paredão ãé😀" }))}\r\r` +
    `data:${JSON.stringify(standing(3)).replace(',"title"', '\ndata: ,"title"')}\n\n`;
  for (const byte of new TextEncoder().encode(text)) {
    service.text(new Uint8Array([byte]));
    if (byte === 13) await clock.until(() => true);
  }
  await clock.until(() => seen.bodies.length === 3);
  assert.deepEqual(seen.revisions(), [1, 2, 3]);
  assert.equal(seen.bodies[1].title, "Paredão ãé😀");
});

test("what is older is dropped, with and without a revision, and what is the same is given once", async () => {
  for (const without of [{}, { revision: undefined }]) {
    const service = new Service();
    service.body = standing(5, without);
    const seen = follow(service);
    await clock.until(() => seen.bodies.length === 1);
    for (const revision of [7, 7, 7]) service.push(standing(revision, without));
    await clock.until(() => seen.bodies.length === 2);
    // Processes that are behind: each answers first what is older, and then what comes next there.
    for (const revision of [4, 5]) {
      service.body = standing(revision, without);
      service.end(true);
      await clock.until(() => service.streams === 1);
      service.push(standing(6, without));
    }
    service.push(standing(7, without));
    service.push(standing(8, without));
    await clock.until(() => seen.bodies.at(-1).as_of === standing(8).as_of);
    assert.deepEqual(seen.bodies.map(({ as_of }) => Date.parse(as_of) - 1_800_000_000_000), [5, 7, 8]);
    // The same figures, of which something else is said now.
    service.push(standing(8, { ...without, status: "stale" }));
    await clock.until(() => seen.bodies.length === 4);
    // `current` goes on to another poll, whose revisions begin anew.
    service.push(standing(1, { ...without, poll: "paredao-02" }));
    await clock.until(() => seen.bodies.at(-1).poll === "paredao-02");
  }
});

test("one stream is of one process: where it goes back, votes were lost, and that is shown", async () => {
  const service = new Service();
  service.body = standing(5);
  const seen = follow(service);
  await clock.until(() => seen.bodies.length === 1);
  service.push(standing(3));
  await clock.until(() => seen.bodies.length === 2);
  assert.deepEqual(seen.revisions(), [5, 3]);
});

test("a hold goes back to the figures of its moment, for who reads and for who comes back", async (t) => {
  const without = { revision: undefined };
  for (const [name, body, hold, view] of [
    ["a standing", standing(5), held(4), "standing"],
    ["percentages", standing(5, without), held(4, without), "standing"],
    ["rows", [{ ...standing(5), release: "released" }], [{ ...standing(4), release: "held" }], "rows"],
  ]) {
    await t.test(name, async () => {
      const service = new Service();
      service.body = body;
      const seen = follow(service, { view });
      await clock.until(() => seen.bodies.length === 1);
      service.push(hold);
      await clock.until(() => seen.bodies.length === 2);
      // Released; and held while the reader has no stream, nor answers.
      service.push(body);
      await clock.until(() => seen.bodies.length === 3);
      service.polling = "cut";
      service.body = hold;
      service.end(true);
      await clock.until(() => seen.bodies.length === 4);
      const given = (one) => JSON.parse(JSON.stringify(one));
      assert.deepEqual(seen.bodies, [body, hold, body, hold].map(given));
      assert.ok(seen.metas.every(({ how }) => how === "stream"));
    });
  }
});

test("a stream that is cut, ends, is silent or has no end of line is asked for again, and figures are asked for meanwhile", async (t) => {
  for (const [name, fault] of Object.entries({
    cut: (service) => service.end(true), ended: (service) => service.end(), silent: () => {}, endless: (service) => service.text("x".repeat(5 * 1024 * 1024)),
  })) {
    await t.test(name, async () => {
      const service = new Service();
      const seen = follow(service);
      await clock.until(() => seen.bodies.length === 1);
      service.stream = "cut";
      fault(service);
      service.body = standing(2);
      await clock.until(() => seen.states.includes("polling"));
      assert.deepEqual(seen.revisions(), [1, 2]);
      service.stream = "ok";
      await clock.until(() => seen.states.at(-1) === "live");
      assert.equal(service.streams, 1);
    });
  }
});

test("a service that is away is said to be, is not stormed, and is come back to", async () => {
  const service = new Service();
  const seen = follow(service);
  await clock.until(() => seen.bodies.length === 1);
  service.stream = service.polling = "cut";
  service.end(true);
  await clock.until(() => seen.states.at(-1) === "stale");
  const before = service.asked.length;
  const began = Date.now();
  await clock.until(() => Date.now() - began > 10 * 60_000);
  const rate = (service.asked.length - before) / 600;
  assert.ok(rate > 0.05 && rate < 0.3, `${rate} requests a second`);
  service.stream = service.polling = "ok";
  service.body = standing(9);
  await clock.until(() => seen.states.at(-1) === "live");
  assert.deepEqual(seen.revisions(), [1, 9]);
});

test("who is refused the stream asks with the ETag, and comes back to it", async (t) => {
  for (const status of [429, 503, 404, 403]) {
    await t.test(String(status), async () => {
      const service = new Service();
      service.stream = status;
      const seen = follow(service);
      const began = Date.now();
      await clock.until(() => Date.now() - began > 20_000);
      assert.deepEqual(seen.states, ["polling"]);
      assert.equal(seen.bodies.length, 1);
      const asked = service.asked.filter(({ isStream }) => !isStream);
      assert.ok(asked.length >= 10 && asked.length <= 25, `${asked.length} questions in 20 s`);
      assert.ok(asked.slice(1).every(({ headers }) => headers["if-none-match"] === '"' + JSON.stringify(service.body).length + '-1"'));
      const again = service.asked.filter(({ isStream }) => isStream)[1];
      if (status !== 503) assert.equal(again, undefined, "not so soon");
      service.stream = "ok";
      await clock.until(() => seen.states.at(-1) === "live");
      if (status === 429) assert.ok(Date.now() - began >= 90_000, "Retry-After");
    });
  }
});

test("the last figures end it", async (t) => {
  for (const status of ["final", "void"]) {
    await t.test(`${status}, by the stream`, async () => {
      const service = new Service();
      const seen = follow(service);
      await clock.until(() => seen.bodies.length === 1);
      service.push(standing(9, { status }));
      service.end();
      await clock.end(seen.watch.done);
      assert.deepEqual(seen.states, ["live", "ended"]);
      assert.equal(seen.bodies.at(-1).status, status);
    });
  }
  await t.test("void, by asking", async () => {
    const service = new Service();
    service.stream = 404;
    service.body = standing(9, { status: "void" });
    const seen = follow(service);
    await clock.end(seen.watch.done);
    assert.deepEqual(seen.states, ["polling", "ended"]);
  });
  await t.test("final, by asking, is for the stream to say", async () => {
    const service = new Service();
    service.stream = 429;
    service.body = standing(9, { status: "final" });
    const seen = follow(service);
    const began = Date.now();
    await clock.until(() => Date.now() - began > 60_000);
    assert.deepEqual(seen.states, ["polling"]);
    assert.ok(service.count(false) < 12, `${service.count(false)} questions in a minute for what changes no more`);
    service.stream = "ok";
    service.body = held(5, { state: "sealed" });
    await clock.until(() => seen.bodies.at(-1).revision === 5);
    service.push(standing(9, { status: "final" }));
    service.end();
    await clock.end(seen.watch.done);
    assert.deepEqual(seen.revisions(), [9, 5, 9]);
    assert.deepEqual(seen.states, ["polling", "live", "ended"]);
  });
  await t.test("final, where there is no stream at all", async () => {
    const service = new Service();
    service.body = standing(9, { status: "final" });
    const before = Object.getOwnPropertyDescriptor(globalThis, "isSecureContext");
    Object.defineProperty(globalThis, "isSecureContext", { value: false, configurable: true });
    try {
      const seen = follow(service);
      await clock.end(seen.watch.done);
      assert.deepEqual(seen.states, ["polling", "ended"]);
      assert.equal(service.count(true), 0);
    } finally {
      if (before) Object.defineProperty(globalThis, "isSecureContext", before);
      else delete globalThis.isSecureContext;
    }
  });
  await t.test("204", async () => {
    const service = new Service();
    service.stream = 204;
    const seen = follow(service);
    await clock.end(seen.watch.done);
    assert.deepEqual(seen.states, ["ended"]);
  });
});

test("a result that is held, or not released yet, is not the last", async (t) => {
  const row = (release, changes = {}) => [{ ...standing(9), status: "final", release, ...changes }];
  for (const [name, body, last, view] of [
    // Held at the result itself.
    ["a standing", held(9, { status: "final" }), standing(10, { status: "final" }), "standing"],
    ["rows that are held", row("held"), row("released", { revision: 10 }), "rows"],
    ["rows that are not released", row("unreleased"), row("released", { revision: 10 }), "rows"],
  ]) {
    for (const stream of ["ok", 404]) {
      if (stream === 404 && view === "standing") continue;
      await t.test(`${name}, ${stream === "ok" ? "by the stream" : "by asking"}`, async () => {
        const service = new Service();
        service.stream = stream;
        service.body = body;
        const seen = follow(service, { view });
        await clock.until(() => seen.bodies.length === 1);
        service.end(true);
        const began = Date.now();
        await clock.until(() => Date.now() - began > 60_000);
        assert.ok(!seen.states.includes("ended"));
        service.push(last);
        service.end();
        await clock.end(seen.watch.done);
        assert.deepEqual(seen.bodies, [body, last]);
        assert.equal(seen.states.at(-1), "ended");
      });
    }
  }
  await t.test("a poll's document", async () => {
    const service = new Service();
    service.body = { id: "p", revision: 1, status: "final", release: "held", as_of: "2026-01-01T00:00:00Z" };
    const seen = [];
    const watch = watchPoll({ results: "", poll: "p", fetch: service.fetch, onPoll: ({ release }) => seen.push(release) });
    watches.push(watch);
    for (const [revision, release] of [[2, "unreleased"], [3, "released"]]) {
      await clock.until(() => seen.length === revision - 1);
      const began = Date.now();
      await clock.until(() => Date.now() - began > 60_000);
      service.body = { ...service.body, revision, release };
    }
    await clock.end(watch.done);
    assert.deepEqual(seen, ["held", "unreleased", "released"]);
  });
});

test("an event that says why is told", async () => {
  const service = new Service();
  service.polling = 403;
  service.stream = "silent";
  const seen = follow(service);
  await clock.until(() => service.streams === 1);
  service.text(`event: problem\ndata: ${JSON.stringify(problem(403, "figures-restricted"))}\n\n`);
  service.end();
  await clock.until(() => seen.problems.length === 2);
  assert.deepEqual(seen.states, ["stale", "stale"]);
  assert.deepEqual(seen.problems, ["figures-restricted", "code-403"]);
  assert.deepEqual(seen.bodies, []);
});

test("bodies that are none are no figures", async () => {
  for (const body of ["", "null", "[]", "{", "7", "\"text\"", "<html>"]) {
    const service = new Service();
    service.stream = 404;
    service.body = body;
    const seen = follow(service);
    await clock.until(() => seen.states.length > 0);
    assert.deepEqual(seen.bodies, [], body);
    assert.deepEqual(seen.states, ["stale"], body);
  }
  const service = new Service();
  const seen = follow(service);
  await clock.until(() => seen.bodies.length === 1);
  service.text("data: {\n\ndata: null\n\ndata: []\n\ndata: 7\n\n");
  service.push(standing(2));
  await clock.until(() => seen.revisions().at(-1) === 2);
  assert.deepEqual(seen.revisions(), [1, 2]);
});

test("a closed watch calls nothing any more, and what a caller throws ends no reading", async () => {
  const service = new Service();
  const thrown = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => thrown.push(error.message));
  try {
    let calls = 0;
    const seen = follow(service, {
      onStanding: () => {
        calls += 1;
        throw new Error("the page's own");
      },
    });
    await clock.until(() => calls === 1);
    service.push(standing(2));
    await clock.until(() => calls === 2);
    assert.deepEqual(seen.states, ["live"]);
    seen.watch.close();
    await clock.end(seen.watch.done);
    await clock.until(() => service.streams === 0);
    assert.equal(calls, 2);
    await clock.until(() => thrown.length === 2);
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  }
  const gone = new AbortController();
  gone.abort();
  const never = follow(new Service(), { signal: gone.signal });
  await clock.end(never.watch.done);
  assert.deepEqual(never.states, []);
});

test("rows are read by their own names, and a token goes as a header", async () => {
  const service = new Service();
  service.body = [{ poll: "p", id: "ana", revision: 4, as_of: "x", status: "provisional" }];
  const seen = follow(service, { view: "rows", token: "secret" });
  await clock.until(() => seen.bodies.length === 1);
  assert.ok(service.asked[0].url.endsWith("/results/stream?view=rows"));
  assert.equal(service.asked[0].headers.authorization, "Bearer secret");
  service.stream = "cut";
  service.end(true);
  await clock.until(() => service.count(false) > 0);
  const asked = service.asked.find(({ isStream }) => !isStream);
  assert.ok(asked.url.endsWith("/results.rows.json"));
  assert.equal(asked.headers.authorization, "Bearer secret");
});

test("a poll's document is asked for again and again", async () => {
  const service = new Service();
  service.body = { id: "paredao-01", revision: 1, status: "not_open", as_of: "2026-01-01T00:00:00Z" };
  const polls = [];
  const watch = watchPoll({ results: "", poll: "paredao-01", fetch: service.fetch, onPoll: (poll) => polls.push(poll) });
  watches.push(watch);
  await clock.until(() => polls.length === 1);
  service.body = { ...service.body, revision: 2, status: "final" };
  await clock.end(watch.done);
  assert.deepEqual(polls.map(({ revision }) => revision), [1, 2]);
  assert.ok(service.asked.every(({ url, isStream }) => url === "/v1/polls/paredao-01" && !isStream));
});

test("a receipt is asked for until its vote is in the figures, or it is none", async () => {
  const report = (in_tally) => () => new Response(JSON.stringify({ genuine: true, in_tally }));
  const said = (status, code) => () => new Response(JSON.stringify(problem(status, code)), { status });
  const cut = () => {
    throw new TypeError("fetch failed");
  };
  const hang = (_url, { signal }) => new Promise((_good, bad) => signal.addEventListener("abort", () => bad(signal.reason)));
  for (const [answers, outcome, inTally] of [
    [[report(true)], "genuine", true], [[report(false), cut, said(503, "snapshot-unavailable"), report(true)], "genuine", true],
    [[report(false)], "genuine", false], [[said(400, "invalid-receipt")], "invalid"], [[said(404, "unknown-poll")], "invalid"],
    [[cut], "unknown"], [[hang], "unknown"], [[() => new Response("<html>")], "unknown"], [[said(500, "internal")], "unknown"],
  ]) {
    const urls = [];
    const fetch = async (url, init) => {
      urls.push(url);
      return answers[Math.min(urls.length, answers.length) - 1](url, init);
    };
    const began = Date.now();
    const end = await clock.end(checkReceipt({ results: "https://results.example", receipt: "v1.a/b", fetch }));
    assert.equal(end.outcome, outcome);
    assert.equal(end.inTally, inTally);
    assert.equal(urls[0], "https://results.example/v1/receipts/v1.a%2Fb");
    assert.ok(Date.now() - began < 15_000);
  }
  await assert.rejects(checkReceipt({ results: "", receipt: "" }), TypeError);
});
