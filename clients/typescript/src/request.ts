import type { Problem } from "./types.js";
import { linked, pause } from "./wait.js";

/** An answer, or that there was none: then the status is 0. */
export interface Answer {
  status: number;
  /** Of a JSON object; anything else (a proxy's own page) is `{}`. */
  body: Record<string, unknown>;
  text: string;
  /** In milliseconds; 0 where there was none that can be read. */
  retryAfterMs: number;
  tag: string | null;
  /** The server's time in milliseconds since the epoch, or NaN. */
  serverMs: number;
}

const NONE: Answer = { status: 0, body: {}, text: "", retryAfterMs: 0, tag: null, serverMs: NaN };

/** Where an operation is. */
export const address = (base: string, path: string) => base.replace(/\/+$/, "") + "/v1/" + path;

/** One request, to its end: after `ms` there was no answer, whatever the network says later. It never rejects. */
export async function request(
  url: string,
  init: RequestInit,
  ms: number,
  options: { fetch?: typeof fetch | undefined; signal?: AbortSignal | undefined },
): Promise<Answer> {
  const over = linked(options.signal);
  const ask = async () => {
    try {
      const answer = await (options.fetch ?? fetch)(url, { ...init, signal: over.signal });
      return read(answer, await answer.text());
    } catch {
      return NONE;
    }
  };
  try {
    return await Promise.race([ask(), pause(ms, over.signal).then(() => NONE)]);
  } finally {
    over.abort();
  }
}

function read(answer: Response, text: string): Answer {
  const { status, headers } = answer;
  return {
    status,
    body: parsed(text),
    text,
    retryAfterMs: retryAfterMs(headers),
    tag: headers.get("etag"),
    serverMs: serverMs(headers),
  };
}

export const serverMs = (headers: Headers) => Date.parse(headers.get("date") ?? "");

/** In seconds, or as a date, as proxies say it. */
export function retryAfterMs(headers: Headers): number {
  const said = headers.get("retry-after") ?? "";
  const ms = /^\d+$/.test(said) ? Number(said) * 1000 : Date.parse(said) - Date.now();
  return Math.max(ms || 0, 0);
}

export function parsed(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

/** The problem that an answer is, where the service gave it. */
export const problemOf = ({ body }: Answer) => (typeof body.code === "string" ? (body as unknown as Problem) : undefined);

/** Throws where one of these texts is missing. Only an address may be empty: it is that of the page then. */
export function need(given: object, ...names: string[]) {
  for (const name of names) {
    const text = (given as Record<string, unknown>)[name];
    if (typeof text !== "string" || (!text && !/^(ingest|results)$/.test(name))) throw new TypeError(name + " is missing");
  }
}
