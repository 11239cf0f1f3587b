import { address, need, problemOf, request } from "./request.js";
import type { Answer } from "./request.js";
import { Kept } from "./storage.js";
import type { Pending } from "./storage.js";
import type { CastOutcome, KeptReceipt, Problem, ResumeOptions, SendOptions, VoteAccepted, VoteOptions, VoteStorage, WaitingFor } from "./types.js";
import { isOffline, linked, pause } from "./wait.js";

/** An attempt that has no answer by then has none. */
const ATTEMPT_MS = 10_000;
/** The random part of a pause: at most this after the first attempt, twice as much after each further one, up to the most. */
const SPREAD_MS = 500;
const SPREAD_MOST_MS = 10_000;
/** A process may not know yet what was opened this second. */
const NEW_POLL_ATTEMPTS = 5;
const NEW_POLL_MS = 1000;
/** The browser says when there is a network again; it is looked up as well. */
const OFFLINE_LOOK_MS = 30_000;
/** A page that was just left, or loaded again, holds its locks a moment longer: so long it is waited for. */
const CLOSING_MS = 3000;

/** Refusals that the service gives only after it has looked for the key: no earlier attempt has recorded the vote. */
const AFTER_KEY = /^(vote-limit-reached|candidate-withdrawn)$/;

/** The keys of votes that this page is sending: `resumeVotes` leaves them alone. */
const sending = new Set<string>();

/** A key that no other vote has. `randomUUID` is missing on pages that come over plain HTTP. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Casts a vote so that it counts once: sends it again with the same key, for half of the time for which the service
 * remembers keys, until it is known what became of it. Resolves with that, and rejects only if it was aborted, if
 * `proof` failed, or with a TypeError where something is missing; nothing was sent in the last two cases.
 */
export async function castVote(vote: VoteOptions): Promise<CastOutcome> {
  const { key = newKey(), ingest, poll, candidate, channel, direction, keyLifeMs: life = 120_000 } = vote;
  need(vote, "ingest", "poll", "candidate");
  const kept = new Kept(vote.storage);
  const pending: Pending = { key, ingest, poll, candidate, channel, direction, made: Date.now(), life };
  return (await settle(pending, vote, kept))!;
}

/**
 * Takes up again what was kept and never answered, with the same keys, and resolves when all of it has ended. What
 * another tab is sending is left to it, and is not waited for: this page takes it up if that one goes without an end,
 * and `onResumed` is told of it. Where the browser can't say so (no Web Locks), both send it, which is harmless: the
 * key is the same.
 */
export async function resumeVotes(options: ResumeOptions = {}): Promise<CastOutcome[]> {
  const kept = new Kept(options.storage);
  const votes = (await kept.pending()).filter(({ poll }) => !options.poll || poll === options.poll);
  const ends = await Promise.all(votes.map((vote) => resume(vote, options, kept)));
  return ends.filter((end) => !!end);
}

/** How it ended here; nothing where another page has ended it, or is still at it after a moment. */
async function resume(vote: Pending, options: ResumeOptions, kept: Kept): Promise<CastOutcome | undefined> {
  const ours = linked(options.signal);
  const end = settle(vote, options, kept, () => {
    ours.abort();
    options.onResumed?.(vote.key, end as Promise<CastOutcome>);
  });
  // A rejection after that is nobody's but `onResumed`'s: to be in this race is to be handled.
  await Promise.race([end, pause(CLOSING_MS, ours.signal)]);
  return ours.signal.aborted ? end : undefined;
}

/** The receipts that were kept. */
export function keptReceipts(options: { storage?: VoteStorage | null } = {}): Promise<KeptReceipt[]> {
  return new Kept(options.storage).receipts();
}

/**
 * Sends a new vote to its end; with `onOurs` one that was kept, when those pages have let go that are at it, and unless
 * one of them has ended it.
 */
async function settle(
  vote: Pending,
  options: SendOptions,
  kept: Kept,
  onOurs?: () => void,
): Promise<CastOutcome | undefined> {
  const { key } = vote;
  if (sending.has(key)) return undefined;
  sending.add(key);
  const locks = kept.items && globalThis.navigator?.locks;
  let isAlone = !locks;
  const run = async () => {
    isAlone = true;
    if (!onOurs) await kept.keep(vote);
    // Another page may have sent it, or ended it, just now.
    else if (!(vote = (await kept.pending()).find((one) => one.key === key)!)) return undefined;
    onOurs?.();
    if (options.proof && !vote.proof) {
      try {
        vote.proof = await options.proof(vote);
      } catch (error) {
        await kept.forget(key);
        throw error;
      }
      await kept.keep(vote);
    }
    const outcome = await new Sender(vote, options, kept).run();
    await kept.settle(outcome);
    return outcome;
  };
  try {
    return await (locks ? locks.request("paredao:" + key, { signal: options.signal! }, run) : run());
  } catch (error) {
    if (isAlone || options.signal?.aborted) throw error;
    // A page without an origin of its own has no locks.
    return await run();
  } finally {
    sending.delete(key);
  }
}

class Sender {
  /** Whether an attempt may have recorded the vote: that of a page before this one, for example. */
  #isOpen: boolean;
  #problem: Problem | undefined;
  #last: { status: number; retryAfterMs: number; code?: string } = { status: 0, retryAfterMs: 0 };
  /** By which the time since the first attempt is measured where the clock is changed meanwhile. */
  #since = performance.now();
  #before = 0;

  constructor(
    readonly vote: Pending,
    readonly options: SendOptions,
    readonly kept: Kept,
  ) {
    this.#isOpen = !!vote.sent;
    // A clock that was put back says nothing of the time that has gone by.
    if (vote.sent) this.#before = vote.sent > Date.now() ? Infinity : Date.now() - vote.sent;
  }

  /** How long it may still be sent. Before the first attempt the key's life has not begun. */
  get #leftMs() {
    const { made, sent, life } = this.vote;
    if (!sent) return (this.options.offlineMs ?? 600_000) - (Date.now() - made);
    return life / 2 - Math.max(Date.now() - sent, this.#before + performance.now() - this.#since);
  }

  async run(): Promise<CastOutcome> {
    for (let attempt = 0; ; attempt += 1) {
      await this.#online();
      // Who wakes up late (a page that was frozen) may send once more what was refused for certain until then.
      if (this.#leftMs <= 0 && (this.#isOpen || attempt === 0 || isOffline())) return this.#end();
      const token = await this.#token();
      const answer = token === null ? null : await this.#send(token);
      this.options.signal?.throwIfAborted();
      const ended = answer && this.#judge(answer, attempt);
      if (ended) return ended;
      const [why, least] = answer ? this.#again(answer) : (["voter-token", 0] as const);
      const ms = least + Math.random() * Math.min(SPREAD_MS * 2 ** attempt, SPREAD_MOST_MS);
      if (ms >= this.#leftMs) return this.#end();
      await this.#wait(why, ms);
    }
  }

  async #wait(why: WaitingFor, ms: number, ...wakers: string[]) {
    const { onWaiting, signal } = this.options;
    onWaiting?.(why, Date.now() + ms);
    await pause(ms, signal, ...wakers);
    signal?.throwIfAborted();
  }

  async #online() {
    this.options.signal?.throwIfAborted();
    while (isOffline() && this.#leftMs > 0) await this.#wait("offline", Math.min(this.#leftMs, OFFLINE_LOOK_MS), "online");
  }

  /** Null where it can't be had. */
  async #token() {
    const { voterToken } = this.options;
    try {
      return typeof voterToken === "function" ? await voterToken() : (voterToken ?? "");
    } catch {
      this.#last.code = "voter-token-unavailable";
      return null;
    }
  }

  async #send(token: string) {
    const { ingest, poll, candidate, channel, direction, proof, key } = this.vote;
    if (!this.vote.sent) {
      this.vote.sent = Date.now();
      this.#since = performance.now();
      await this.kept.keep(this.vote);
    }
    const headers: Record<string, string> = { "content-type": "application/json", "idempotency-key": key };
    if (token) headers.authorization = "Bearer " + token;
    const body = JSON.stringify({ candidate, channel, direction, proof });
    // keepalive: the page may be left while the vote is on its way.
    const init: RequestInit = { method: "POST", headers, body, keepalive: true };
    return request(address(ingest, `polls/${encodeURIComponent(poll)}/votes`), init, ATTEMPT_MS, this.options);
  }

  /** How it ended, or nothing where it has to be sent again. */
  #judge(answer: Answer, attempt: number): CastOutcome | undefined {
    const { status, body, retryAfterMs } = answer;
    const { key, poll } = this.vote;
    const problem = problemOf(answer);
    if (problem) this.#problem = problem;
    const code = problem?.code ?? `http-${status}`;
    this.#last = { status, retryAfterMs, code };
    if ((status === 200 || status === 201) && /^(already_)?accepted$/.test(String(body.status))) {
      const accepted = body as unknown as VoteAccepted;
      const duplicate = accepted.status === "already_accepted";
      return { outcome: "accepted", key, poll, receipt: accepted.receipt, duplicate, answer: accepted };
    }
    if (status === 429 || status === 408 || (status === 503 && problem)) return undefined;
    // None, 504, 500, a proxy's 502, or something that is no answer of the service at all.
    if (status < 400 || status > 499) {
      this.#isOpen = true;
      return undefined;
    }
    if (code === "unknown-poll" && attempt < NEW_POLL_ATTEMPTS) return undefined;
    if (this.#isOpen && code === "poll-paused") return undefined;
    if (AFTER_KEY.test(code)) this.#isOpen = false;
    return this.#end();
  }

  #again({ status, retryAfterMs }: Answer): readonly [WaitingFor, number] {
    if (status === 404) return ["unknown-poll", Math.max(NEW_POLL_MS, retryAfterMs)];
    if (status === 409) return ["paused", retryAfterMs];
    return [status === 429 || status === 408 || status === 503 ? "busy" : "no-answer", retryAfterMs];
  }

  #end(): CastOutcome {
    const { key, poll } = this.vote;
    const problem = this.#problem;
    if (this.#isOpen) return { outcome: "unknown", key, poll, problem };
    const { status, retryAfterMs, code = "offline" } = this.#last;
    return { outcome: "refused", key, poll, code: code as Problem["code"], status, problem, retryAfterMs };
  }
}
