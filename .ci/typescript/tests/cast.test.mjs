// How a vote is sent: by the table of answers, with a time of the test's own.

import assert from "node:assert/strict";
import test, { afterEach, beforeEach } from "node:test";

import { castVote, keptReceipts, newKey, resumeVotes } from "../../../clients/typescript/dist/node.js";
import { Clock } from "../lib/clock.mjs";

const VOTE = { ingest: "https://vote.example", poll: "paredao-01", candidate: "ana" };
const LIFE_MS = 120_000;

let clock;
beforeEach(() => {
  clock = new Clock().install();
});
afterEach(() => clock.uninstall());

const json = (status, body, headers = {}) => () => new Response(JSON.stringify(body), { status, headers });
const problem = (status, code, headers) => json(status, { status, code, title: code, type: `/problems/${code}`, detail: code }, headers);
const accepted = (status = "accepted") =>
  json(status === "accepted" ? 201 : 200, { status, poll: "paredao-01", candidate: "ana", channel: "torcida", direction: "eliminate", receipt: "v1.r" });
const cut = () => {
  throw new TypeError("fetch failed");
};
const hang = (_url, { signal }) => new Promise((_good, bad) => signal.addEventListener("abort", () => bad(signal.reason)));
/** One that does not even hear that it is to end. */
const deaf = () => new Promise(() => {});

/** A network that gives these answers in their order, the last one again and again. */
function network(...answers) {
  const asked = [];
  const fetch = async (url, init) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)];
    asked.push({ url, ...init, at: Date.now(), passed: performance.now(), vote: JSON.parse(init.body) });
    return answer(url, init);
  };
  return { asked, fetch };
}

function memory(given = {}) {
  const items = new Map(Object.entries(given));
  return {
    items,
    get: (name) => items.get(name) ?? null,
    set: (name, value) => items.set(name, value),
    remove: (name) => items.delete(name),
    names: () => [...items.keys()],
  };
}

const cast = (net, options = {}) => clock.end(castVote({ ...VOTE, fetch: net.fetch, ...options }));

test("a recorded vote has its receipt, and is sent once", async () => {
  const net = network(accepted());
  const end = await cast(net, { channel: "torcida", direction: "eliminate" });
  assert.deepEqual([end.outcome, end.receipt, end.duplicate, end.poll], ["accepted", "v1.r", false, "paredao-01"]);
  assert.equal(net.asked.length, 1);
  const [{ url, method, headers, vote }] = net.asked;
  assert.equal(url, "https://vote.example/v1/polls/paredao-01/votes");
  assert.equal(method, "POST");
  assert.deepEqual(vote, { candidate: "ana", channel: "torcida", direction: "eliminate" });
  assert.equal(headers["idempotency-key"], end.key);
  assert.equal(clock.timers, 0, "nothing keeps a process alive afterwards");
});

test("what is told on the way is answered by the table", async (t) => {
  const again = [["no answer", cut], ["504", problem(504, "outcome-unknown")], ["500", problem(500, "internal")],
    ["a proxy's 502", json(502, "bad gateway")], ["503", problem(503, "overloaded")], ["429", problem(429, "too-many-requests")],
    ["408", problem(408, "request-timeout")], ["HAProxy's 408", () => new Response("", { status: 408 })],
    ["a portal's page", () => new Response("<html>Log in</html>", { status: 200 })],
    ["another 2xx", json(204 + 2, {})], ["an empty 201", () => new Response("", { status: 201 })],
    ["404 of a new poll", problem(404, "unknown-poll")]];
  for (const [name, first] of again) {
    await t.test(`${name} is sent again with the same key`, async () => {
      const net = network(first, accepted("already_accepted"));
      const end = await cast(net);
      assert.equal(end.outcome, "accepted");
      assert.equal(end.duplicate, true);
      assert.equal(net.asked.length, 2);
      assert.equal(new Set(net.asked.map(({ headers }) => headers["idempotency-key"])).size, 1);
    });
  }
  const never = [[400, "malformed-body"], [401, "unauthorized"], [403, "vote-limit-reached"], [404, "not-found"], [405, "method-not-allowed"],
    [409, "poll-not-open"], [409, "poll-paused"], [410, "poll-closed"], [410, "poll-void"], [413, "body-too-large"],
    [415, "unsupported-media-type"], [422, "candidate-withdrawn"], [422, "idempotency-key-reused"], [418, "a-code-of-a-release-to-come"]];
  for (const [status, code] of never) {
    await t.test(`${status} ${code} is refused, and not sent again`, async () => {
      const net = network(problem(status, code, { "retry-after": "5" }));
      const end = await cast(net);
      assert.deepEqual([end.outcome, end.code, end.status, end.problem.code], ["refused", code, status, code]);
      assert.equal(end.retryAfterMs, 5000);
      assert.equal(net.asked.length, 1);
    });
  }
  await t.test("a firewall's 403 has no code of ours", async () => {
    const end = await cast(network(() => new Response("<html>", { status: 403 })));
    assert.deepEqual([end.outcome, end.code, end.problem], ["refused", "http-403", undefined]);
  });
});

test("a refusal after an attempt without an answer leaves open what that one did", async (t) => {
  for (const [status, code, outcome] of [[410, "poll-closed", "unknown"], [422, "unknown-candidate", "unknown"], [409, "poll-not-open", "unknown"],
    [403, "vote-limit-reached", "refused"], [422, "candidate-withdrawn", "refused"]]) {
    await t.test(code, async () => {
      const end = await cast(network(cut, problem(status, code)));
      assert.equal(end.outcome, outcome);
      assert.equal(end.problem.code, code);
    });
  }
  await t.test("a pause is waited for: the key tells when the poll goes on", async () => {
    const net = network(cut, problem(409, "poll-paused", { "retry-after": "5" }), accepted("already_accepted"));
    const why = [];
    assert.equal((await cast(net, { onWaiting: (reason) => why.push(reason) })).outcome, "accepted");
    assert.deepEqual(why, ["no-answer", "paused"]);
  });
});

test("every promise ends, whatever is answered, and nothing is sent beyond half of the key's life", async (t) => {
  const forever = { hang, deaf, cut, "503": problem(503, "not-recorded"), "504": problem(504, "outcome-unknown"), "404": problem(404, "unknown-poll"),
    "408 without a code": () => new Response("", { status: 408 }), "503 of a proxy": json(503, {}), "a day of Retry-After": problem(503, "overloaded", { "retry-after": "86400" }),
    "a body that never ends": () => new Response(new ReadableStream({ start() {} })) };
  const certain = { "503": "not-recorded", "404": "unknown-poll", "408 without a code": "http-408", "a day of Retry-After": "overloaded" };
  for (const [name, answer] of Object.entries(forever)) {
    for (const keyLifeMs of [LIFE_MS, 20_000]) {
      await t.test(`${name}, ${keyLifeMs / 1000} s`, async () => {
        const began = Date.now();
        const net = network(answer);
        const end = await cast(net, { keyLifeMs });
        assert.ok(Date.now() - began <= keyLifeMs / 2 + 10_000, `${Date.now() - began} ms`);
        assert.ok(net.asked.every(({ at }) => at - began < keyLifeMs / 2));
        assert.equal(end.outcome, certain[name] ? "refused" : "unknown");
        assert.equal(end.code, certain[name]);
      });
    }
  }
  await t.test("a new poll is asked for five times more", async () => {
    const net = network(problem(404, "unknown-poll"));
    await cast(net);
    assert.equal(net.asked.length, 6);
  });
});

test("pauses are those of the table: Retry-After, and a random part that grows", async () => {
  const real = Math.random;
  try {
    for (const [share, most] of [[0, [0, 0, 0, 0, 0, 0, 0]], [1 - 1e-9, [500, 1000, 2000, 4000, 8000, 10_000, 10_000]]]) {
      Math.random = () => share;
      const net = network(...Array(7).fill(cut), accepted());
      await cast(net);
      const pauses = net.asked.slice(1).map(({ at }, place) => Math.round(at - net.asked[place].at));
      assert.deepEqual(pauses, most);
      const asked = network(problem(503, "overloaded", { "retry-after": "3" }), accepted());
      await cast(asked);
      assert.equal(Math.round(asked.asked[1].at - asked.asked[0].at), 3000 + most[0]);
    }
    const date = new Date(Date.now() + 4000).toUTCString();
    const net = network(problem(503, "overloaded", { "retry-after": date }), accepted());
    await cast(net);
    assert.ok(net.asked[1].at - net.asked[0].at >= 3000, "a date, as proxies say it");
    // What is no such thing is no reason to wait for ever.
    for (const odd of ["-5", "soon", "1e9", ""]) {
      const asked = network(problem(503, "overloaded", { "retry-after": odd }), accepted());
      assert.equal((await cast(asked)).outcome, "accepted", odd);
    }
  } finally {
    Math.random = real;
  }
});

test("keys are 32 hexadecimal digits, and no two are equal", async () => {
  const keys = Array.from({ length: 10_000 }, newKey);
  assert.ok(keys.every((key) => /^[0-9a-f]{32}$/.test(key)));
  assert.equal(new Set(keys).size, keys.length);
});

test("what is missing is said before anything is sent", async () => {
  const net = network(accepted());
  for (const changes of [{ poll: "" }, { candidate: undefined }, { ingest: undefined }, { candidate: 7 }]) {
    await assert.rejects(castVote({ ...VOTE, fetch: net.fetch, ...changes }), TypeError);
  }
  assert.equal(net.asked.length, 0);
  // An id that is no id is the service's to refuse; it changes no other path.
  await cast(network(problem(400, "malformed-poll-id")), { poll: "../../x?y" });
  const odd = network(problem(400, "malformed-poll-id"));
  await cast(odd, { poll: "../x?y#z", ingest: "https://vote.example///" });
  assert.equal(odd.asked[0].url, "https://vote.example/v1/polls/..%2Fx%3Fy%23z/votes");
});

test("a vote is kept before it is sent, and let go when it is answered; its receipt stays", async () => {
  const storage = memory();
  let before;
  const net = network((...asked) => {
    before = [...storage.items.values()].map((value) => JSON.parse(value));
    return accepted()(...asked);
  });
  const end = await cast(net, { storage, voterToken: "secret" });
  assert.equal(before.length, 1);
  assert.equal(before[0].key, end.key);
  assert.ok(before[0].sent > 0, "that it may be on its way is known before it is");
  assert.ok(!JSON.stringify(before).includes("secret"));
  assert.deepEqual(await keptReceipts({ storage }), [{ poll: "paredao-01", key: end.key, receipt: "v1.r" }]);
  assert.ok(![...storage.items.values()].join().includes("ana"), "what is kept for good does not say for whom it was");
  assert.deepEqual([...storage.items.keys()], [`paredao:receipt:${end.key}`]);
});

test("a page that ends in mid-vote goes on with the same key", async () => {
  const storage = memory();
  const gone = new AbortController();
  const first = network(hang);
  const vote = castVote({ ...VOTE, fetch: first.fetch, storage, signal: gone.signal });
  vote.catch(() => {});
  await clock.until(() => first.asked.length === 1);
  gone.abort();
  await assert.rejects(clock.end(vote), { name: "AbortError" });
  const second = network(accepted("already_accepted"));
  const ends = await clock.end(resumeVotes({ fetch: second.fetch, storage }));
  assert.deepEqual(ends.map(({ outcome }) => outcome), ["accepted"]);
  assert.equal(second.asked[0].headers["idempotency-key"], first.asked[0].headers["idempotency-key"]);
  assert.deepEqual(await clock.end(resumeVotes({ fetch: second.fetch, storage })), []);
});

test("what is taken up again too late is not sent, for it might count twice", async () => {
  for (const changed of [(at) => at + LIFE_MS / 2 + 1, (at) => at - 1000]) {
    const storage = memory();
    const gone = new AbortController();
    const first = network(hang);
    castVote({ ...VOTE, fetch: first.fetch, storage, signal: gone.signal }).catch(() => {});
    await clock.until(() => first.asked.length === 1);
    gone.abort();
    await clock.until(() => clock.timers === 0);
    // A minute later; or by a clock that was put back meanwhile, which says nothing.
    clock.now = changed(clock.now);
    const second = network(accepted());
    const ends = await clock.end(resumeVotes({ fetch: second.fetch, storage }));
    assert.deepEqual(ends.map(({ outcome }) => outcome), ["unknown"]);
    assert.equal(second.asked.length, 0);
    assert.equal(storage.items.size, 0);
  }
});

/** Runs it with Web Locks, all of which another page holds until the promise resolves. */
async function withLocks(letGo, run) {
  const locks = {
    request: (_name, { signal }, held) => Promise.race([
      letGo.then(held),
      new Promise((_good, bad) => signal?.addEventListener("abort", () => bad(signal.reason))),
    ]),
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { onLine: true, locks } });
  try {
    await run();
  } finally {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete globalThis.navigator;
  }
}

test("a page that is just being left lets its vote go a moment later: it is taken up as that page left it", async () => {
  const storage = memory();
  let release;
  await withLocks(new Promise((go) => (release = go)), async () => {
    const vote = { key: "a", ingest: VOTE.ingest, poll: VOTE.poll, candidate: "ana", made: Date.now(), life: LIFE_MS };
    storage.items.set("paredao:vote:a", JSON.stringify(vote));
    const net = network(cut);
    const ends = resumeVotes({ fetch: net.fetch, storage });
    await clock.until(() => clock.timers === 1);
    assert.equal(net.asked.length, 0);
    // Its last act was to send it.
    storage.items.set("paredao:vote:a", JSON.stringify({ ...vote, sent: Date.now() - LIFE_MS / 2 + 1000 }));
    const began = Date.now();
    release();
    assert.deepEqual((await clock.end(ends)).map(({ outcome }) => outcome), ["unknown"]);
    assert.ok(net.asked.length > 0 && net.asked.at(-1).at - began <= 1000, "for the rest of the key's life");
  });
});

test("what a page is sending, and goes on sending, is left to it, and not waited for", () => withLocks(new Promise(() => {}), async () => {
  const storage = memory();
  const vote = { key: "a", ingest: VOTE.ingest, poll: VOTE.poll, candidate: "ana", made: Date.now(), life: LIFE_MS };
  storage.items.set("paredao:vote:a", JSON.stringify(vote));
  const net = network(accepted());
  assert.deepEqual(await clock.end(resumeVotes({ fetch: net.fetch, storage })), []);
  assert.equal(net.asked.length, 0);
  assert.ok(storage.items.has("paredao:vote:a"));
}));

test("a page that is left much later lets its vote go then: it is taken up by the page that had asked, which is told", async () => {
  for (const [key, isEnded] of [["b", false], ["c", true]]) {
    let release;
    await withLocks(new Promise((go) => (release = go)), async () => {
      const storage = memory();
      const vote = { key, ingest: VOTE.ingest, poll: VOTE.poll, candidate: "ana", made: Date.now(), life: LIFE_MS };
      storage.items.set(`paredao:vote:${key}`, JSON.stringify(vote));
      const net = network(accepted());
      const resumed = [];
      const onResumed = (...told) => resumed.push(told);
      assert.deepEqual(await clock.end(resumeVotes({ fetch: net.fetch, storage, onResumed })), []);
      assert.equal(resumed.length, 0);
      // Asked once more meanwhile: it is waited for already.
      assert.deepEqual(await clock.end(resumeVotes({ fetch: net.fetch, storage, onResumed })), []);
      if (isEnded) storage.items.clear();
      release();
      await clock.until(() => isEnded || resumed.length === 1);
      if (isEnded) {
        // That page has had its answer.
        await clock.end(new Promise((done) => setTimeout(done, 1)));
        assert.deepEqual([resumed.length, net.asked.length], [0, 0]);
      } else {
        assert.deepEqual([resumed[0][0], (await clock.end(resumed[0][1])).outcome], [key, "accepted"]);
        assert.deepEqual([resumed.length, net.asked.length, storage.items.has(`paredao:vote:${key}`)], [1, 1, false]);
      }
    });
  }
});

test("a page that waits for another one's vote stops at an abort, and leaves it as it is", () => withLocks(new Promise(() => {}), async () => {
  const storage = memory();
  const vote = { key: "d", ingest: VOTE.ingest, poll: VOTE.poll, candidate: "ana", made: Date.now(), life: LIFE_MS };
  storage.items.set("paredao:vote:d", JSON.stringify(vote));
  const gone = new AbortController();
  const ends = resumeVotes({ fetch: network(accepted()).fetch, storage, signal: gone.signal });
  await clock.until(() => clock.timers === 1);
  gone.abort();
  await assert.rejects(clock.end(ends), { name: "AbortError" });
  assert.ok(storage.items.has("paredao:vote:d"));
}));

test("what was kept and is none of ours, or broken, is left alone", async () => {
  const storage = memory({
    "paredao:vote:a": "not json", "paredao:vote:b": "null", "paredao:vote:c": "{}", "paredao:vote:d": JSON.stringify({ key: "e" }),
    "paredao:vote:f": JSON.stringify({ key: "f", ingest: 7, poll: "p", candidate: "c", made: 1, life: 1 }), "paredao:receipt:g": "[", other: "{}",
  });
  const net = network(accepted());
  assert.deepEqual(await clock.end(resumeVotes({ fetch: net.fetch, storage })), []);
  assert.deepEqual(await keptReceipts({ storage }), []);
  assert.equal(net.asked.length, 0);
});

test("a storage that fails keeps no vote from being sent", async () => {
  const fail = () => {
    throw new Error("quota");
  };
  const failing = { get: fail, set: async () => fail(), remove: fail, names: fail };
  assert.equal((await cast(network(cut, accepted()), { storage: failing })).outcome, "accepted");
  assert.deepEqual(await clock.end(resumeVotes({ storage: failing })), []);
});

test("a vote that is being sent is not taken up a second time", async () => {
  const storage = memory();
  const net = network(problem(503, "overloaded", { "retry-after": "5" }), accepted());
  const vote = castVote({ ...VOTE, fetch: net.fetch, storage });
  await clock.until(() => net.asked.length === 1);
  assert.deepEqual(await clock.end(resumeVotes({ fetch: net.fetch, storage })), []);
  assert.equal((await clock.end(vote)).outcome, "accepted");
  assert.equal(net.asked.length, 2);
});

/** A browser's word on the network, and its events. */
async function withNetwork(isOnline, run) {
  const target = new EventTarget();
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const network = { onLine: isOnline };
  Object.defineProperty(globalThis, "navigator", { value: network, configurable: true });
  globalThis.addEventListener = target.addEventListener.bind(target);
  globalThis.removeEventListener = target.removeEventListener.bind(target);
  try {
    await run((online) => {
      network.onLine = online;
      target.dispatchEvent(new Event(online ? "online" : "offline"));
    });
  } finally {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete globalThis.navigator;
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
}

test("without a network a vote waits for one, and its key's life has not begun", () => withNetwork(false, async (online) => {
  const net = network(accepted());
  const why = [];
  const vote = castVote({ ...VOTE, fetch: net.fetch, onWaiting: (reason) => why.push(reason) });
  const began = Date.now();
  await clock.until(() => Date.now() - began >= 5 * 60_000);
  assert.equal(net.asked.length, 0);
  online(true);
  assert.equal((await clock.end(vote)).outcome, "accepted");
  assert.equal(new Set(why).size, 1);
  assert.equal(why[0], "offline");
}));

test("a network that never comes ends the wait as well", () => withNetwork(false, async () => {
  const net = network(accepted());
  const end = await cast(net);
  assert.deepEqual([end.outcome, end.code, end.status], ["refused", "offline", 0]);
  assert.equal(net.asked.length, 0);
}));

test("a network that goes in mid-vote is waited for, within the key's life", () => withNetwork(true, async (online) => {
  const net = network(cut, accepted("already_accepted"));
  const vote = castVote({ ...VOTE, fetch: net.fetch });
  await clock.until(() => net.asked.length === 1);
  online(false);
  const began = Date.now();
  await clock.until(() => Date.now() - began >= 20_000);
  assert.equal(net.asked.length, 1);
  online(true);
  assert.equal((await clock.end(vote)).outcome, "accepted");
  const gone = network(cut);
  const other = castVote({ ...VOTE, fetch: gone.fetch });
  await clock.until(() => gone.asked.length === 1);
  online(false);
  assert.equal((await clock.end(other)).outcome, "unknown");
}));

test("a page that was frozen sends what was refused until then once more, and nothing that may be recorded", async () => {
  for (const [first, outcome, requests] of [[problem(503, "overloaded"), "accepted", 2], [cut, "unknown", 1]]) {
    const net = network(first, accepted());
    const vote = castVote({ ...VOTE, fetch: net.fetch, onWaiting: () => (clock.late = 10 * 60_000) });
    assert.equal((await clock.end(vote)).outcome, outcome);
    assert.equal(net.asked.length, requests);
  }
});

test("a clock that is put back does not make a key live longer", async () => {
  const net = network(cut);
  const vote = castVote({ ...VOTE, fetch: net.fetch, onWaiting: () => (clock.now -= 30_000) });
  const timers = [];
  assert.equal((await clock.end(vote.finally(() => timers.push(clock.timers)))).outcome, "unknown");
  const passed = net.asked.at(-1).passed - net.asked[0].passed;
  assert.ok(net.asked.length > 2 && passed <= LIFE_MS / 2, `${net.asked.length} attempts in ${passed} ms`);
});

test("a proof is made once, goes with each attempt, and is kept", async () => {
  const storage = memory();
  const made = [];
  const net = network(cut, accepted());
  const proof = async (vote) => {
    made.push(vote);
    return "cHJvb2Y=";
  };
  await cast(net, { proof, storage });
  assert.equal(made.length, 1);
  const [{ key, ingest, poll, candidate, channel }] = made;
  assert.deepEqual({ ingest, poll, candidate, channel }, { ...VOTE, channel: undefined });
  assert.deepEqual(net.asked.map(({ headers }) => headers["idempotency-key"]), [key, key]);
  assert.deepEqual(net.asked.map(({ vote }) => vote.proof), ["cHJvb2Y=", "cHJvb2Y="]);
  const failed = network(accepted());
  const fails = async () => {
    throw new RangeError("no worker");
  };
  await assert.rejects(cast(failed, { proof: fails, storage }), RangeError);
  assert.equal(failed.asked.length, 0);
  assert.deepEqual(await clock.end(resumeVotes({ storage, fetch: failed.fetch })), [], "it is not pending either");
});

test("a refused vote can be sent again under its key, with a new proof", async () => {
  const net = network(problem(422, "proof-expired"), accepted());
  const first = await cast(net, { proof: ({ key }) => `first ${key}`, storage: memory() });
  assert.deepEqual([first.outcome, first.code], ["refused", "proof-expired"]);
  const second = await cast(net, { key: first.key, proof: ({ key }) => `second ${key}`, storage: memory() });
  assert.deepEqual([second.outcome, second.key], ["accepted", first.key]);
  assert.deepEqual(net.asked.map(({ vote }) => vote.proof), [`first ${first.key}`, `second ${first.key}`]);
  assert.deepEqual(net.asked.map(({ headers }) => headers["idempotency-key"]), [first.key, first.key]);
  // A channel that asks for none has none.
  const plain = network(accepted());
  await cast(plain, { proof: () => undefined, storage: memory() });
  assert.deepEqual(plain.asked.map(({ vote }) => vote.proof), [undefined]);
});

test("a voter's token is asked for at each attempt", async () => {
  let count = 0;
  const net = network(cut, accepted());
  await cast(net, { voterToken: () => `token-${(count += 1)}` });
  assert.deepEqual(net.asked.map(({ headers }) => headers.authorization), ["Bearer token-1", "Bearer token-2"]);
  const away = network(accepted());
  let failures = 0;
  const late = await cast(away, { voterToken: async () => {
    failures += 1;
    if (failures < 3) throw new Error("away");
    return "token";
  } });
  assert.equal(late.outcome, "accepted");
  assert.equal(away.asked.length, 1);
  const never = await cast(network(accepted()), { voterToken: () => Promise.reject(new Error("away")) });
  assert.deepEqual([never.outcome, never.code], ["refused", "voter-token-unavailable"]);
});
