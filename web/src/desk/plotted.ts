// A series as it is plotted and as it stands in the table: columns of equal length.

import type { Bucket } from "./document.ts";

/** Columns of a series. `starts` and `end` are seconds since 1970. */
export interface Columns {
  ids: string[];
  starts: number[];
  totals: number[];
  /** One for each of `ids`. */
  votes: number[][];
  /** Where the last bucket ends. */
  end: number;
  /** Whether the last bucket was still running when the figures were confirmed. */
  isRunning: boolean;
}

/** No bucket is older than this: a series of a day by the minute is as much as a screen can show. */
export const MOST_BUCKETS = 3_000;

/**
 * The columns of a series, whose buckets are `seconds` long. Up to `knownUntil` (milliseconds) it is known that no vote came
 * after the last bucket: those are zero. What is not known is not there.
 */
export function columns(buckets: Bucket[], ids: string[], seconds: number, knownUntil: number): Columns {
  const all: Columns = { ids, starts: [], totals: [], votes: ids.map(() => []), end: 0, isRunning: false };
  const push = (start: number, total: number, votes: (id: string) => number) => {
    all.starts.push(start);
    all.totals.push(total);
    ids.forEach((id, index) => all.votes[index]?.push(votes(id)));
    all.end = start + seconds;
  };
  for (const bucket of buckets) push(Date.parse(bucket.start) / 1_000, bucket.total_votes, (id) => bucket.candidates[id] ?? 0);
  if (all.starts.length === 0) return all;
  while (all.end * 1_000 < knownUntil && all.starts.length < MOST_BUCKETS) push(all.end, 0, () => 0);
  all.isRunning = all.end * 1_000 > knownUntil;
  return all;
}

/** Only the buckets that begin at `from` (seconds) or later. */
export function since(all: Columns, from: number): Columns {
  const first = all.starts.findIndex((start) => start >= from);
  const cut = <T>(list: T[]): T[] => (first < 0 ? [] : list.slice(first));
  return { ...all, starts: cut(all.starts), totals: cut(all.totals), votes: all.votes.map(cut) };
}

/** What uPlot draws as steps: each bucket from its start to the next one's, the last one to its end. */
export function steps(all: Columns): [number[], ...number[][]] {
  if (all.starts.length === 0) return [[], [], ...all.votes.map(() => [])];
  const closed = (list: number[]) => [...list, list[list.length - 1] ?? 0];
  return [[...all.starts, all.end], closed(all.totals), ...all.votes.map(closed)];
}
