// The parts that need no browser.

import assert from "node:assert/strict";
import test from "node:test";

import { EventReader } from "../../../web/overlay/events.js";
import { Gate, readRows } from "../../../web/overlay/gate.js";
import { choicesOf, readData } from "../../../web/overlay/data.js";
import { writerLike } from "../../../web/overlay/number.js";
import { rowsOf } from "../lib/rows.mjs";

const STREAM =
  "\ufeffretry: 1500\r\n: a comment\r\n\r\nid: 7\r\ndata: {\"a\":\r\ndata:1}\r\n\r\nevent: delta\ndata: x\n\n" +
  "data\n\nid:8\n\nid: 9\0\rdata: ção €\r\r:end\n\n";

test("events are the same however their text is cut", () => {
  const read = (pieces) => {
    const found = [];
    const reader = new EventReader((event) => found.push(event), (retry) => found.push(retry));
    pieces.forEach((piece) => reader.push(piece));
    return found;
  };
  const wanted = [
    1500,
    { type: "message", data: "{\"a\":\n1}", id: "7" },
    { type: "delta", data: "x", id: "7" },
    { type: "message", data: "", id: "7" },
    { type: "message", data: "ção €", id: "8" },
  ];
  assert.deepEqual(read([STREAM]), wanted);
  for (let size = 1; size < 12; size += 1) {
    const pieces = STREAM.match(new RegExp(`[^]{1,${size}}`, "g"));
    assert.deepEqual(read(pieces), wanted, `pieces of ${size}`);
  }
});

test("a stream without an end of line is given up, and not kept for ever", () => {
  const reader = new EventReader(() => {}, () => {});
  assert.throws(() => {
    for (let piece = 0; piece < 100; piece += 1) reader.push("x".repeat(100_000));
  }, /has no end/);
});

test("what is no array of rows is no body", () => {
  for (const body of [null, undefined, {}, "[]", 1, [], [null], [1], [[]], [{}], [{ id: "" }], Array(2000).fill({ id: "a" })]) {
    assert.equal(readRows(body), null, JSON.stringify(body)?.slice(0, 50));
  }
  const blank = { ...rowsOf([1])[0], id: "", name: "" };
  assert.deepEqual(readRows([...rowsOf([60, 40]), blank, blank]), rowsOf([60, 40]));
});

/** The state of a gate that takes these one after the other, and the revision that it shows. */
function after(...heads) {
  const gate = new Gate();
  for (const head of heads) gate.take(rowsOf([60, 40], head));
  const { air, reason } = gate.state;
  return [air, reason, gate.shown ? gate.shown[0].revision : null];
}

const off = (why) => ({ on_air: false, ...why });

test("nothing is shown that is not on air", () => {
  assert.deepEqual(after({ revision: 5 }), ["live", "", 5]);
  assert.deepEqual(after(off({ release: "unreleased" })), ["waiting", "unreleased", null]);
  assert.deepEqual(after(off({ release: "held" })), ["waiting", "held", null]);
  assert.deepEqual(after(off({ status: "stale" })), ["waiting", "stale", null]);
  assert.deepEqual(after(off({ status: "not_open" })), ["waiting", "not_open", null]);
  // Only the boolean says so: whoever answers "true" or 1 is not our service.
  for (const flag of ["true", 1, null, undefined]) assert.equal(after({ on_air: flag })[0], "waiting", String(flag));
});

test("when the poll closes is known of the newest body, on air or not, but of no older one", () => {
  const gate = new Gate();
  const take = (head) => {
    gate.take(rowsOf([60, 40], head));
    return [gate.newest.closes_at, gate.shown && gate.shown[0].closes_at];
  };
  assert.deepEqual(take({ ...off({ release: "unreleased" }), closes_at: "first" }), ["first", null]);
  assert.deepEqual(take({ revision: 5, closes_at: "second" }), ["second", "second"]);
  assert.deepEqual(take({ ...off({ release: "held" }), revision: 5, closes_at: "third" }), ["third", "second"]);
  assert.deepEqual(take({ revision: 4, closes_at: "first" }), ["third", "second"]);
  assert.deepEqual(take({ poll: "paredao-02", revision: 1, closes_at: "other" }), ["other", "other"]);
});

test("the last good figures stay while a poll is held or stale, and come alive again", () => {
  const held = off({ release: "held", revision: 9 });
  assert.deepEqual(after({ revision: 5 }, held), ["frozen", "held", 5]);
  assert.deepEqual(after({ revision: 5 }, off({ status: "stale", revision: 6 })), ["frozen", "stale", 5]);
  assert.deepEqual(after({ revision: 5 }, held, { revision: 10 }), ["live", "", 10]);
  // A hold counts whatever its revision: it is what production has said last.
  assert.deepEqual(after({ revision: 5 }, off({ release: "held", revision: 4 })), ["frozen", "held", 5]);
});

test("void figures are taken away", () => {
  assert.deepEqual(after({ revision: 5 }, off({ status: "void", state: "void" })), ["waiting", "void", null]);
});

test("nothing older is shown than what was shown", () => {
  assert.deepEqual(after({ revision: 5 }, { revision: 4 }), ["frozen", "older", 5]);
  assert.deepEqual(after({ revision: 5 }, { revision: 4 }, { revision: 5 }), ["live", "", 5]);
  const at = (seconds) => ({ revision: null, as_of: `2026-11-24T01:02:0${seconds}.000Z` });
  assert.deepEqual(after(at(2), at(1)), ["frozen", "older", null]);
  assert.deepEqual(after(at(2), at(3)), ["live", "", null]);
  // Another poll, as `current` goes on to it: its revisions begin anew.
  assert.deepEqual(after({ revision: 900 }, { revision: 3, poll: "paredao-02" }), ["live", "", 3]);
  assert.deepEqual(after({ revision: 900 }, off({ revision: 3, poll: "paredao-02", release: "unreleased" })), [
    "waiting", "unreleased", null,
  ]);
});

test("a rehearsal is shown as one, and held as a live poll is", () => {
  const rehearsal = { kind: "rehearsal", on_air: false };
  assert.deepEqual(after({ ...rehearsal, revision: 1 }), ["rehearsal", "", 1]);
  assert.deepEqual(after({ ...rehearsal, release: "unreleased" }), ["waiting", "unreleased", null]);
  assert.deepEqual(after({ ...rehearsal, revision: 1 }, { ...rehearsal, release: "held" }), ["frozen", "held", 1]);
  assert.deepEqual(after({ ...rehearsal, status: "void" }), ["waiting", "void", null]);
});

test("a service that can't be asked freezes, and the next word of it lifts that alone", () => {
  const gate = new Gate();
  gate.take(rowsOf([60, 40]));
  gate.trouble("unreachable");
  assert.deepEqual(gate.state, { air: "frozen", reason: "unreachable" });
  gate.confirm();
  assert.deepEqual(gate.state, { air: "live", reason: "" });
  gate.take(rowsOf([60, 40], off({ release: "held" })));
  gate.trouble("unreachable");
  gate.confirm();
  assert.deepEqual(gate.state, { air: "frozen", reason: "held" });
  gate.take({ not: "rows" });
  assert.deepEqual(gate.state, { air: "frozen", reason: "malformed" });
});

test("data are taken as far as they are understood, and never as figures", () => {
  const read = (given) => readData(given);
  for (const empty of [undefined, null, "", "  ", "{}", {}]) assert.deepEqual(read(empty), { choices: {}, problem: "" });
  assert.deepEqual(read('{"poll":"paredao-02","layout":"duel,bars","candidates":"ana, bia","rows":"4","sort":"rank"}'), {
    choices: { poll: "paredao-02", layouts: ["duel", "bars"], candidates: ["ana", "bia"], rows: 4, sort: "rank" },
    problem: "",
  });
  assert.deepEqual(read({ layout: ["countdown"], percent: 99, votes: 1, name: "x" }).choices, { layouts: ["countdown"] });
  for (const [given, said] of [
    ["{", "neither JSON nor XML"],
    ["[1]", "no object"],
    ["7", "no object"],
    ["x".repeat(200_000), "too long"],
    [{ theme: "http://elsewhere/x" }, "theme must be"],
    [{ theme: ".hidden" }, "theme must be"],
    [{ position: "left" }, "position must be of top-left, top-center"],
    [{ position: "bottom-left-left" }, "position must be"],
    [{ candidates: "Ana Clara" }, "candidates must be"],
    [{ candidates: [1] }, "candidates must be"],
    [{ candidates: {} }, "candidates must be"],
    [{ layout: [1] }, "layout must be of bars"],
    [{ layout: "bar" }, "layout must be of bars"],
    [{ sort: "votes" }, "sort must be"],
    [{ rows: 0 }, "rows must be"],
    [{ rows: 1.5 }, "rows must be"],
    [{ rows: 99 }, "rows must be"],
  ]) {
    const { choices, problem } = read(given);
    assert.deepEqual(choices, {}, problem);
    assert.match(problem, new RegExp(said.replace(/[()]/g, "\\$&")));
  }
  // One that is wrong does not cost the others.
  assert.deepEqual(choicesOf({ layout: "duel", sort: "x" }).choices, { layouts: ["duel"] });
  assert.deepEqual(choicesOf({ candidates: "ana,Bia" }).choices, { candidates: ["ana"] });
  assert.deepEqual(choicesOf({ candidates: [] }), { choices: { candidates: [] }, problem: "" });
});

test("a poll and a language are taken where the service takes them", () => {
  const long = "x".repeat(300);
  for (const [name, good, bad] of [
    ["poll", ["current", "a", "0", "a_b-c", "x".repeat(64)], ["../../secret", "Paredao-01", "-a", "_a", "a.b", "a b", "a\n", 7, long]],
    ["lang", ["pt", "EN", "es", "pt-BR", "es-419", "en-Latn-GB"], ["fr", "pt_BR", "pt.BR", "ptt", "p", "-pt", "pt-", "en-" + long, 1]],
  ]) {
    for (const value of good) assert.deepEqual(choicesOf({ [name]: value }), { choices: { [name]: value }, problem: "" });
    for (const value of bad) {
      const { choices, problem } = choicesOf({ [name]: value, sort: "rank" });
      assert.deepEqual(choices, { sort: "rank" }, String(value));
      assert.match(problem, new RegExp(`^${name} must be [^;]+$`));
    }
  }
});

test("numbers are counted in the way that the service writes them", () => {
  for (const [text, value, written] of [
    ["56,73 %", 40, "40,00 %"],
    ["56.73%", 7.125, "7.13%"],
    ["100,00 %", 99.999, "100,00 %"],
    ["0,05 %", 0, "0,00 %"],
  ]) {
    assert.equal(writerLike(text)(value), written);
  }
  for (const text of ["", "–", "fora da disputa"]) assert.equal(writerLike(text), null, text);
});
