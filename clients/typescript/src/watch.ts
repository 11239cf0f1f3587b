import { follow, isHeld, markOf } from "./follow.js";
import type { Source, Tell } from "./follow.js";
import { address, need, parsed } from "./request.js";
import { readShared } from "./share.js";
import type { Meta, PollOptions, RowsOptions, StandingOptions, Watch, WatchOptions } from "./types.js";
import { linked } from "./wait.js";

/** Between two questions for figures where there is no stream, and for a poll's document: an extension is seen so soon. */
const FIGURES_MS = 2000;
const POLL_MS = 5000;

/**
 * Shows a poll's figures as they change: by the stream, one for all tabs of a browser, and by asking with an ETag where
 * there is none. What is older than what was given already (another process may be behind) is dropped, but for the figures
 * at which production holds the poll.
 */
export function watchStanding(options: StandingOptions | RowsOptions): Watch {
  const { view = "standing", maxRate } = options;
  const query = new URLSearchParams({ view });
  if (maxRate) query.set("max_rate", String(maxRate));
  const file = view === "rows" ? "results.rows.json" : "results";
  const onBody = options.onStanding as (body: unknown, meta: Meta) => void;
  return watch(options, file, "results/stream?" + query, FIGURES_MS, onBody);
}

/** Shows a poll's document as it changes: its state, its candidates, when it closes. It is asked for every few seconds. */
export function watchPoll(options: PollOptions): Watch {
  return watch(options, "", undefined, POLL_MS, options.onPoll as (body: unknown, meta: Meta) => void);
}

function watch(
  options: WatchOptions,
  file: string,
  stream: string | undefined,
  everyMs: number,
  onBody: (body: unknown, meta: Meta) => void,
): Watch {
  const { results, poll, signal, token, share = !token, onState, fetch } = options;
  need(options, "results", "poll");
  const closer = linked(signal);
  const close = () => closer.abort();

  const at = address(results, "polls/" + encodeURIComponent(poll));
  const source: Source = {
    url: file ? `${at}/${file}` : at,
    stream: stream && `${at}/${stream}`,
    headers: token ? { authorization: "Bearer " + token } : {},
    everyMs,
    fetch,
  };
  let shown = "";
  let shownBy: number | undefined;
  let mark: Record<string, unknown> = {};
  let told = "";
  const tell: Tell = ({ text, meta, by, state, problem }) => {
    if (closer.signal.aborted) return;
    if (text) {
      const body = parsed(text);
      const next = markOf(body);
      // One stream is of one process, which goes back for a reason: a hold, or votes that were lost.
      if ((by && by === shownBy) || isHeld(next) || !isOlder(next, mark)) {
        const isNew = text !== shown;
        shown = text;
        shownBy = by;
        mark = next;
        if (isNew) guarded(() => onBody(body, meta!));
      }
    }
    const now = state + problem?.code;
    if (now !== told) {
      told = now;
      guarded(() => onState?.(state, problem));
    }
    if (state === "ended") close();
  };
  return { close, done: (share ? readShared : follow)(source, tell, closer.signal).then(close) };
}

/** What a caller's function throws is the caller's to see, and ends no reading. */
function guarded(call: () => void) {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Whether a body was made before another one of the same poll. Without a revision (the public of some polls gets none) the time says so. */
function isOlder(one: Record<string, unknown>, other: Record<string, unknown>): boolean {
  if ((one.poll ?? one.id) !== (other.poll ?? other.id)) return false;
  const [mine, others] = [one.revision, other.revision];
  if (typeof mine === "number" && typeof others === "number") return mine < others;
  return Date.parse(String(one.as_of)) < Date.parse(String(other.as_of));
}
