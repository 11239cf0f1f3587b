import { eventReader } from "./events.js";
import { parsed, problemOf, request, retryAfterMs, serverMs } from "./request.js";
import type { Meta, Problem, WatchState } from "./types.js";
import { jittered, linked, pause, seen } from "./wait.js";

/** How long one answer may take. */
const ANSWER_MS = 10_000;
/** A stream says something every ten seconds. One that is silent for longer is dead, whatever TCP says. */
export const SILENCE_MS = 15_000;
/** When to come back to a stream that was cut, until the service says so; doubled at each failure, up to the most. */
const RETRY_MS = 2000;
const RETRY_MOST_MS = 30_000;
/** Until the stream is tried again where this reader is refused: no stream there, too many readers, figures not public. */
const REFUSED_MS = 30_000;

/** What is read, and where. */
export interface Source {
  /** The body by itself. */
  url: string;
  /** The stream of the same, where it is to be used. */
  stream?: string | undefined;
  headers: Record<string, string>;
  /** Between two questions where there is no stream. */
  everyMs: number;
  fetch?: typeof fetch | undefined;
}

/** What a reader tells: a body (its text), or how it stands. Tabs send it to each other. */
export interface News {
  text?: string;
  meta?: Meta;
  /** The stream that brought the text: each has a number of its own, in whichever tab. None where it was asked for. */
  by?: number | undefined;
  state: WatchState;
  problem?: Problem | undefined;
}

export type Tell = (news: News) => void;

type Members = Record<string, unknown>;

/** Where a body says what it is: in one of rows, each row does. */
export const markOf = (body: unknown) => Object(Array.isArray(body) ? body[0] : body) as Members;

/** Whether it is one: each of the service's bodies says of when it is. */
const isBody = (body: unknown) => !!markOf(body).as_of;

/** Whether production holds these figures, which may be older than those before: a standing has no channels then. */
export const isHeld = ({ poll, release, channels }: Members) => !!poll && (release === "held" || String(channels) === "");

/**
 * Whether nothing follows this: it is void, or final and nothing that production may still release. Rows and a poll's
 * document say so themselves; of a standing the stream knows, and who has `asked` and has a stream goes on until that says it.
 */
function isLast(body: unknown, asked?: boolean) {
  const mark = markOf(body);
  const { status, release = asked || isHeld(mark) ? "" : "released" } = mark;
  return status === "void" || (status === "final" && release === "released");
}

/** Asks once at each call, with the ETag of the last answer, and says how that went. */
export function asker({ url, stream, headers, fetch }: Source, tell: Tell, signal: AbortSignal) {
  let tag = "";
  let good: "good" | "final" = "good";
  return async (): Promise<"ended" | "final" | "good" | "bad"> => {
    const conditional = tag ? { ...headers, "if-none-match": tag } : headers;
    const answer = await request(url, { headers: conditional, cache: "no-store" }, ANSWER_MS, { fetch, signal });
    if (answer.status === 304) {
      tell({ state: "polling" });
      return good;
    }
    if (answer.status !== 200 || !isBody(answer.body)) {
      tell({ state: "stale", problem: problemOf(answer) });
      return "bad";
    }
    tag = answer.tag ?? "";
    tell({ text: answer.text, meta: { how: "polling", serverMs: answer.serverMs }, by: undefined, state: "polling" });
    if (isLast(answer.body, !!stream)) return "ended";
    return (good = isLast(answer.body) ? "final" : "good");
  };
}

/** Reads until the last figures or the signal: by the stream where there is one, by asking while there is none. */
export async function follow(source: Source, tell: Tell, signal: AbortSignal) {
  const ask = asker(source, tell, signal);
  const retry = { ms: RETRY_MS };
  for (let failures = 0; !signal.aborted; ) {
    let rest = Infinity;
    if (source.stream) {
      const end = await readStream(source, tell, signal, retry);
      if (end.isLast) return tell({ state: "ended" });
      failures = end.isGood ? 0 : failures + 1;
      rest = end.isRefused
        ? REFUSED_MS * (1 + Math.random()) + end.retryAfterMs
        : jittered(Math.min(retry.ms * 2 ** failures, RETRY_MOST_MS));
    }
    const until = Date.now() + rest;
    for (let bad = 0; !signal.aborted; ) {
      const answered = await ask();
      if (answered === "ended") return tell({ state: "ended" });
      // What is final changes no more: it is asked for ever more seldom, until the stream says that it is the last.
      bad = answered === "good" ? 0 : bad + 1;
      const left = until - Date.now();
      if (left <= 0) break;
      await pause(Math.min(left, jittered(source.everyMs * Math.min(2 ** bad, 8))), signal, "online", "visibilitychange");
      // Other tabs may hear by this one's stream; of one that only asks, nobody does.
      if (!source.stream) await seen(signal);
    }
  }
}

/** One stream, to its end. It never rejects. */
async function readStream(source: Source, tell: Tell, signal: AbortSignal, retry: { ms: number }) {
  const end = { isLast: false, isGood: false, isRefused: false, retryAfterMs: 0 };
  const by = Math.random();
  const over = linked(signal);
  const stop = () => over.abort();
  let watchdog = setTimeout(stop, ANSWER_MS);
  try {
    const headers = { ...source.headers, accept: "text/event-stream" };
    const answer = await (source.fetch ?? fetch)(source.stream!, { headers, cache: "no-store", signal: over.signal });
    const { status, body } = answer;
    if (status !== 200 || !body || !/^text\/event-stream/.test(answer.headers.get("content-type") ?? "")) {
      end.isLast = status === 204;
      end.isRefused = status < 500;
      end.retryAfterMs = retryAfterMs(answer.headers);
      return end;
    }
    const ahead = serverMs(answer.headers) - Date.now();
    const push = eventReader(
      (type, data) => {
        const told = parsed(data);
        if (type === "problem") {
          end.isRefused = Number(told.status) < 500;
          tell({ state: "stale", problem: told as unknown as Problem });
        } else if (type === "message" && isBody(told)) {
          end.isGood = true;
          end.isLast = isLast(told);
          tell({ text: data, meta: { how: "stream", serverMs: Date.now() + ahead }, by, state: "live" });
        }
      },
      (name, value) => {
        if (name === "retry" && +value > 0) retry.ms = Math.min(+value, RETRY_MOST_MS);
      },
    );
    const reader = body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      clearTimeout(watchdog);
      watchdog = setTimeout(stop, SILENCE_MS);
      const { done, value } = await reader.read();
      if (done) return end;
      push(decoder.decode(value, { stream: true }));
      if (end.isGood) tell({ state: "live" });
    }
  } catch {
    // Cut, refused, or given up here: what matters is told by the question that follows.
    return end;
  } finally {
    clearTimeout(watchdog);
    stop();
  }
}
