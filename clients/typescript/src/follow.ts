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
  state: WatchState;
  problem?: Problem | undefined;
}

export type Tell = (news: News) => void;

type Members = Record<string, unknown>;

/** Where a body says what it is: in one of rows, each row does. */
export const markOf = (body: unknown) => Object(Array.isArray(body) ? body[0] : body) as Members;

/** Whether these are the last figures there will be. */
const isLast = (body: unknown) => /^(final|void)$/.test(String(markOf(body).status));

/** Asks once at each call, with the ETag of the last answer, and says how that went. */
export function asker({ url, headers, fetch }: Source, tell: Tell, signal: AbortSignal) {
  let tag = "";
  return async (): Promise<"ended" | "good" | "bad"> => {
    const conditional = tag ? { ...headers, "if-none-match": tag } : headers;
    const answer = await request(url, { headers: conditional, cache: "no-store" }, ANSWER_MS, { fetch, signal });
    if (answer.status === 304) {
      tell({ state: "polling" });
      return "good";
    }
    if (answer.status !== 200 || Object.keys(answer.body).length < 1) {
      tell({ state: "stale", problem: problemOf(answer) });
      return "bad";
    }
    tag = answer.tag ?? "";
    tell({ text: answer.text, meta: { how: "polling", serverMs: answer.serverMs }, state: "polling" });
    return isLast(answer.body) ? "ended" : "good";
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
        } else if (type === "message") {
          end.isGood = true;
          end.isLast = isLast(told);
          tell({ text: data, meta: { how: "stream", serverMs: Date.now() + ahead }, state: "live" });
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
