import type { components as Ingest } from "./generated/ingest.js";
import type { components as Results } from "./generated/results.js";

/** What a vote for a candidate means. */
export type Direction = Ingest["schemas"]["Direction"];
/** The answer to a recorded vote, as the service gives it. */
export type VoteAccepted = Ingest["schemas"]["VoteAccepted"];
/** Why a request was refused (RFC 9457). `code` is stable; releases to come may have more of them. */
export type Problem = Ingest["schemas"]["Problem"] | Results["schemas"]["Problem"];
/** The published figures of a poll. What is not public is absent, never zero. */
export type Standing = Results["schemas"]["Standing"];
/** A row of `results.rows.json`, what may go on air. */
export type FeedRow = Results["schemas"]["FeedRow"];
/** A poll and its state. */
export type Poll = Results["schemas"]["Poll"];
/** What a genuine receipt proves. */
export type ReceiptReport = Results["schemas"]["ReceiptReport"];

/** What was never sent, or that its answer was none of the service's, has no code of the service. */
export type LocalCode = "offline" | "voter-token-unavailable" | `http-${number}`;

type MaybePromise<T> = T | Promise<T>;

/**
 * Where votes without an answer and receipts are kept: texts by name. A failure never keeps a vote from being sent.
 * Each method has to end.
 */
export interface VoteStorage {
  get(name: string): MaybePromise<string | null | undefined>;
  set(name: string, value: string): MaybePromise<unknown>;
  remove(name: string): MaybePromise<unknown>;
  /** All names that there are; those of others may be among them. */
  names(): MaybePromise<string[]>;
}

/** Why a vote waits: `offline`: for a network; `no-answer`: the last attempt had none, or one that leaves it open; the others: refused for now. */
export type WaitingFor = "offline" | "no-answer" | "busy" | "paused" | "unknown-poll" | "voter-token";

/** A vote that a proof of work is made for. */
export interface VoteToProve {
  key: string;
  ingest: string;
  poll: string;
  candidate: string;
  channel?: string | undefined;
}

/** How votes are sent. */
export interface SendOptions {
  /**
   * The bearer token of a voter, for channels that ask for one. A function is asked before each attempt. It is never
   * stored: `resumeVotes` needs it again.
   */
  voterToken?: string | (() => MaybePromise<string>) | undefined;
  /**
   * Makes the proof of work of a vote, for channels that ask for one, of a challenge that was asked for with the vote's
   * `key`: called once a vote, before the first attempt. What it answers becomes the vote's member `proof`; nothing: there
   * is none. Where it throws, nothing was sent, and the promise rejects.
   */
  proof?: ((vote: VoteToProve) => MaybePromise<string | undefined>) | undefined;
  /** Where to keep the vote until it is answered, and its receipt: `localStorage` in pages, nowhere else. Null: nowhere. */
  storage?: VoteStorage | null | undefined;
  /** Ends it: the promise rejects with the signal's reason, and `resumeVotes` can still find out what became of the vote. */
  signal?: AbortSignal | undefined;
  fetch?: typeof fetch | undefined;
  /** Told before each pause, with the time in milliseconds since the epoch at which it ends at the latest. */
  onWaiting?: ((why: WaitingFor, untilMs: number) => void) | undefined;
  /** How long the service remembers a key, in milliseconds: its `commit.idempotency_window_s`. By default 120,000. */
  keyLifeMs?: number | undefined;
  /** How long a vote that was never sent waits for a network, in milliseconds. By default 600,000. */
  offlineMs?: number | undefined;
}

/** A vote, and how it is sent. */
export interface VoteOptions extends SendOptions {
  /** The address of `vote-ingest`, such as `https://vote.example`; empty for that of the page. */
  ingest: string;
  /** The poll's id. */
  poll: string;
  /** The candidate's id. */
  candidate: string;
  /** The channel's id; the poll's first one where it is left out. */
  channel?: string | undefined;
  /** That of a vote that was `refused` and may be sent after all, with a new proof for example; by default a new one. */
  key?: string | undefined;
  /** What the voter was told that the vote means: one that says the other than the poll is refused. */
  direction?: Direction | undefined;
}

/** Which kept votes are taken up again, and how they are sent. */
export interface ResumeOptions extends SendOptions {
  /** Those of this poll only. */
  poll?: string | undefined;
  /**
   * Told of each vote, by its key, when this page takes it up: at once, or when the tab that was sending it is gone, which
   * may be after the promise of `resumeVotes` has resolved. `ended` resolves or rejects as `castVote` does.
   */
  onResumed?: ((key: string, ended: Promise<CastOutcome>) => void) | undefined;
}

/** How a vote ended. */
export type CastOutcome =
  | {
      /** It is recorded, once. */
      outcome: "accepted";
      key: string;
      poll: string;
      /** Proves that the vote is in the tally; keep it. Missing only for a repeat to a poll that is sealed or void. */
      receipt?: string | undefined;
      /** Whether this answer is that to a repeat: an earlier attempt had recorded the vote. */
      duplicate: boolean;
      answer: VoteAccepted;
    }
  | {
      /** It is not recorded, for certain. A new vote is another vote. */
      outcome: "refused";
      key: string;
      poll: string;
      code: Problem["code"] | LocalCode;
      /** The HTTP status of the last answer; 0 where nothing was ever sent. */
      status: number;
      problem?: Problem | undefined;
      /** How long the service asks to wait, in milliseconds; 0 where it says nothing. */
      retryAfterMs: number;
    }
  | {
      /** Nobody could say in time whether it is recorded. Say so, and offer no other vote in its place. */
      outcome: "unknown";
      key: string;
      poll: string;
      /** The last problem that was answered, where there was one. */
      problem?: Problem | undefined;
    };

/** A receipt that was kept. */
export interface KeptReceipt {
  poll: string;
  key: string;
  receipt: string;
  /** When the vote was received, in RFC 3339; missing where a repeat was answered. */
  accepted_at?: string | undefined;
}

/**
 * `live`: by the stream; `polling`: by asking again and again; `stale`: the service can't be asked, or refuses, and what
 * is shown may be old; `ended`: these are the last figures there will be. Of a result that is final and not released, more
 * may be said: such a watch goes on.
 */
export type WatchState = "live" | "polling" | "stale" | "ended";

/** Of a body that was read. */
export interface Meta {
  how: "stream" | "polling";
  /** The service's time in milliseconds since the epoch, by its `Date`, or NaN. For countdowns. */
  serverMs: number;
}

/** What watches have in common. */
export interface WatchOptions {
  /** The address of `vote-results`; empty for that of the page. */
  results: string;
  poll: string;
  onState?: ((state: WatchState, problem?: Problem) => void) | undefined;
  signal?: AbortSignal | undefined;
  fetch?: typeof fetch | undefined;
  /** A reader's bearer token. What is read by it is not shared with other tabs. */
  token?: string | undefined;
  /** Whether the tabs of a browser share one connection, where they can. By default they do. */
  share?: boolean | undefined;
}

export interface StandingOptions extends WatchOptions {
  onStanding: (standing: Standing, meta: Meta) => void;
  view?: "standing" | undefined;
  /** Most figures a second, 0.015 to 4. */
  maxRate?: number | undefined;
}

export interface RowsOptions extends WatchOptions {
  onStanding: (rows: FeedRow[], meta: Meta) => void;
  view: "rows";
  maxRate?: number | undefined;
}

export interface PollOptions extends WatchOptions {
  onPoll: (poll: Poll, meta: Meta) => void;
}

export interface Watch {
  /** Ends it; nothing is called afterwards. */
  close(): void;
  /** Resolves when it has ended: closed, aborted, or after the last figures. */
  done: Promise<void>;
}

/** What a receipt proves. */
export type ReceiptOutcome =
  | { outcome: "genuine"; inTally: boolean; report: ReceiptReport }
  /** The text is no receipt of this system, or of a poll that it does not know. */
  | { outcome: "invalid"; problem: Problem }
  /** It could not be asked in time. */
  | { outcome: "unknown"; problem?: Problem | undefined };

export interface ReceiptOptions {
  /** The address of `vote-results`; empty for that of the page. */
  results: string;
  receipt: string;
  signal?: AbortSignal | undefined;
  fetch?: typeof fetch | undefined;
  /** How long to ask again while there is no answer, or the vote is not in the figures yet. By default 5,000. */
  patienceMs?: number | undefined;
}
