// Asks the results service with the token, and says in one word what came of it. The token goes into a header, and into
// nothing else.

/** What came of a question. */
export type Answer<T> =
  | { is: "new"; body: T; etag: string; confirmedAt: number; servedAt: number }
  | { is: "same"; confirmedAt: number; servedAt: number }
  /** The token is not known (any more). */
  | { is: "refused" }
  /** There is no such poll, or the address is none. */
  | { is: "none"; detail: string }
  /** Nothing that can be used; `retryAfterMs` where the service says when to come back. */
  | { is: "failed"; why: "network" | "unavailable" | "busy"; status: number; retryAfterMs: number };

/** How long an answer is waited for. */
export const PATIENCE_MS = 5_000;

/** The most that `Retry-After` is followed: production waits for no longer. */
const MOST_RETRY_MS = 10_000;

export async function ask<T>(fetcher: typeof fetch, path: string, token: string, etag: string): Promise<Answer<T>> {
  const headers: Record<string, string> = { accept: "application/json", authorization: `Bearer ${token}` };
  if (etag) headers["if-none-match"] = etag;
  const until = new AbortController();
  const timer = setTimeout(() => until.abort(), PATIENCE_MS);
  try {
    // Nothing of it is to lie in a cache, nor is a cookie of the site's any business of this.
    const answer = await fetcher(path, { headers, cache: "no-store", credentials: "omit", signal: until.signal });
    return await read<T>(answer);
  } catch {
    return { is: "failed", why: "network", status: 0, retryAfterMs: 0 };
  } finally {
    clearTimeout(timer);
  }
}

async function read<T>(answer: Response): Promise<Answer<T>> {
  const { status, headers } = answer;
  const confirmedAt = Date.parse(headers.get("figures-confirmed-at") ?? "");
  const servedAt = Date.parse(headers.get("date") ?? "");
  if (status === 304) {
    // Read to its end, which is at once: else browsers take it for a request that was given up.
    await answer.text();
    return { is: "same", confirmedAt, servedAt };
  }
  if (status === 200) return { is: "new", body: (await answer.json()) as T, etag: headers.get("etag") ?? "", confirmedAt, servedAt };
  if (status === 401) return { is: "refused" };
  if (status === 404 || status === 400) return { is: "none", detail: await detail(answer) };
  const retryAfterMs = Math.min(Math.max(Number(headers.get("retry-after")) * 1_000 || 0, 0), MOST_RETRY_MS);
  return { is: "failed", why: status === 429 ? "busy" : "unavailable", status, retryAfterMs };
}

async function detail(answer: Response): Promise<string> {
  try {
    const problem: { title?: unknown; detail?: unknown } = await answer.json();
    return String(problem.detail ?? problem.title ?? "").slice(0, 300);
  } catch {
    return "";
  }
}

/** What a header can carry: a token with anything else would make `fetch` throw, as if there were no network. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]{1,4000}$/.test(text);
}
