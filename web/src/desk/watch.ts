// Keeps asking for the desk and its series, and goes on whatever the service does meanwhile.
//
// It polls and does not stream: while production holds a poll, the stream tells all its readers the held figures, and the desk has to
// see the others. A question that finds nothing new is answered 304 with the time of the last confirmation, which a quiet stream
// does not tell.

import { ask } from "./ask.ts";
import type { Answer } from "./ask.ts";
import type { Bucket, Desk, Series } from "./document.ts";
import type { Heard } from "./freshness.ts";
import { serviceTime } from "./freshness.ts";
import { RateMeter } from "./rate.ts";

/** How often the desk is asked for, and how often its series where votes have come. */
const DESK_MS = 1_000;
const MINUTES_MS = 3_000;
const HOURS_MS = 10_000;

/** The longest pause after failures. */
const LONGEST_PAUSE_MS = 5_000;

const HOUR_MS = 3_600_000;

/** The service gives minutes of three days at most, up to now; of a poll that lasts longer it wants to know from when on. */
const LONGEST_MS = 72 * HOUR_MS;

/** So much of such a poll is asked for at most: less by an hour, for the figures may be newer than what this page takes for now. */
const MOST_HOURS = 71;

/** Whether one answer can't have all of a poll's minutes. */
function isLong(poll: Desk["poll"]): boolean {
  return Date.parse(poll.closes_at) - Date.parse(poll.opens_at) > LONGEST_MS;
}

/** Over how many hours minutes are shown. */
export type Window = "1" | "3" | "24" | "all";

export type Trouble = { is: "unavailable" } | { is: "none"; detail: string } | null;

export interface Around {
  fetcher: typeof fetch;
  /** Milliseconds that are never put back. */
  now(): number;
  /** What this machine takes for the time. */
  wall(): number;
  onNews(): void;
  onRefused(): void;
}

/** A series that is asked for again and again. */
interface Line {
  step: "hourly" | "minutely";
  everyMs: number;
  etag: string;
  from: string;
  revision: number | undefined;
  askedAt: number;
  isAsked: boolean;
  buckets: Bucket[] | null;
  /** Up to when, by the service, there are no more votes than in the buckets; milliseconds since 1970. */
  knownUntil: number;
  isBehind: boolean;
}

export class Watch {
  desk: Desk | null = null;
  heard: Heard | null = null;
  trouble: Trouble = null;
  rate = new RateMeter();
  readonly hours = line("hourly", HOURS_MS);
  readonly minutes = line("minutely", MINUTES_MS);
  window: Window = "1";

  #etag = "";
  #failures = 0;
  #isOver = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #path: string;
  readonly #token: string;
  readonly #around: Around;

  constructor(poll: string, token: string, around: Around) {
    this.#path = `/v1/polls/${encodeURIComponent(poll)}`;
    this.#token = token;
    this.#around = around;
  }

  start(): void {
    void this.#turn();
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  /** What time it is by the service's clock. */
  time(): number {
    return serviceTime(this.heard, this.#around.now(), this.#around.wall());
  }

  /** Shows minutes over another stretch. */
  async over(window: Window): Promise<void> {
    this.window = window;
    await this.#series(this.minutes, true);
  }

  async #turn(): Promise<void> {
    const answer = await ask<Desk>(this.#around.fetcher, `${this.#path}/desk`, this.#token, this.#etag);
    if (this.#isOver) return;
    const pause = this.#take(answer);
    // Who is refused has ended it.
    if (this.#isOver) return;
    this.#around.onNews();
    this.#timer = setTimeout(() => void this.#turn(), pause);
    // Beside the figures: a series that comes late keeps none of them waiting.
    for (const one of [this.minutes, this.hours]) void this.#series(one, false);
  }

  /** Takes an answer, and says how long to wait until the next question. */
  #take(answer: Answer<Desk>): number {
    switch (answer.is) {
      case "new":
        if (this.desk?.poll.id !== answer.body.poll.id) this.#another();
        this.desk = answer.body;
        this.#etag = answer.etag;
        this.#hear(answer);
        return DESK_MS;
      case "same":
        this.#hear(answer);
        return DESK_MS;
      case "refused":
        this.stop();
        this.#around.onRefused();
        return DESK_MS;
      case "none":
        // The poll may be applied in a moment, or `current` mean one.
        this.trouble = { is: "none", detail: answer.detail };
        return LONGEST_PAUSE_MS;
      case "failed":
        this.#failures += 1;
        if (answer.status === 503) this.trouble = { is: "unavailable" };
        // Desks that failed together do not come back together.
        return Math.max(answer.retryAfterMs, Math.min(DESK_MS * this.#failures, LONGEST_PAUSE_MS) * (0.75 + Math.random() / 2));
    }
  }

  #hear(answer: { confirmedAt: number; servedAt: number }): void {
    this.#failures = 0;
    this.trouble = null;
    const { desk } = this;
    if (!desk) return;
    const { status } = desk.standing;
    this.heard = { status, confirmedAt: answer.confirmedAt, servedAt: answer.servedAt, heardAt: this.#around.now() };
    const total = desk.standing.total_votes;
    if (status === "stale") this.rate.forget();
    else if (total !== undefined) this.rate.add(answer.confirmedAt, total);
  }

  /** `current` means another poll now. */
  #another(): void {
    this.rate = new RateMeter();
    for (const one of [this.hours, this.minutes]) Object.assign(one, line(one.step, one.everyMs));
  }

  async #series(one: Line, atOnce: boolean): Promise<void> {
    const { desk, heard } = this;
    if (!desk || !heard) return;
    const from = one.step === "minutely" ? this.#from(desk) : "";
    const isOther = from !== one.from;
    const { revision } = desk.standing;
    if (!isOther && one.revision === revision && one.buckets && !one.isBehind) {
      // No vote has come: what the desk confirms, the series confirms too.
      one.knownUntil = Math.max(one.knownUntil, heard.confirmedAt || 0);
      return;
    }
    const now = this.#around.now();
    if (!atOnce && (one.isAsked || (!isOther && now - one.askedAt < one.everyMs))) return;
    one.askedAt = now;
    one.isAsked = true;
    const path = `${this.#path}/results/${one.step}${from ? `?from=${encodeURIComponent(from)}` : ""}`;
    const answer = await ask<Series>(this.#around.fetcher, path, this.#token, isOther ? "" : one.etag);
    one.isAsked = false;
    if (this.#isOver) return;
    this.#takeSeries(one, answer, from, revision);
    this.#around.onNews();
  }

  #takeSeries(one: Line, answer: Answer<Series>, from: string, revision: number | undefined): void {
    one.isBehind = answer.is !== "new" && answer.is !== "same";
    if (answer.is === "same") {
      one.revision = revision;
      one.knownUntil = answer.confirmedAt || one.knownUntil;
    }
    if (answer.is !== "new" || answer.body.poll !== this.desk?.poll.id) return;
    one.etag = answer.etag;
    one.from = from;
    one.revision = answer.body.revision;
    one.buckets = answer.body.hours ?? answer.body.minutes ?? [];
    one.knownUntil = answer.confirmedAt || Date.parse(answer.body.as_of);
  }

  /** From when on minutes are asked for: an hour's beginning, so that several desks ask for the same. */
  #from(desk: Desk): string {
    const [opens, closes] = [Date.parse(desk.poll.opens_at), Date.parse(desk.poll.closes_at)];
    const all = isLong(desk.poll) ? new Date(opens).toISOString() : "";
    if (this.window === "all" && !all) return all;
    const end = Math.min(this.time(), closes);
    // The hour that has begun counts as one of the most.
    const hours = this.window === "all" ? MOST_HOURS - 1 : Number(this.window);
    const from = Math.floor((end - hours * HOUR_MS) / HOUR_MS) * HOUR_MS;
    return from <= opens ? all : new Date(from).toISOString();
  }
}

function line(step: Line["step"], everyMs: number): Line {
  return { step, everyMs, etag: "", from: "", revision: undefined, askedAt: -Infinity, isAsked: false, buckets: null, knownUntil: 0, isBehind: false };
}
