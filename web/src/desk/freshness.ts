// How old the figures are that the page shows, and what to call that.

import type { Status } from "./document.ts";

/** Without an answer for so long, the page is behind. */
export const LATE_MS = 6_000;

export type Level =
  /** Nothing has come yet. */
  | "unknown"
  | "live"
  /** The service answers, and can't confirm its figures. */
  | "stale"
  /** The service does not answer. */
  | "away"
  /** Final or void: they can't grow old. */
  | "settled";

/** When the newest answer came and what it said; instants of `now()` are the page's own, and never put back. */
export interface Heard {
  status: Status;
  /** When the service last confirmed the figures, and when it answered, by its own clock. */
  confirmedAt: number;
  servedAt: number;
  /** When the answer was here. */
  heardAt: number;
}

/** How long ago the figures were confirmed, in milliseconds; null where that is not known. */
export function age(heard: Heard | null, now: number): number | null {
  if (!heard || !Number.isFinite(heard.confirmedAt)) return null;
  // Both by the service's clock. `Date` is to the second, so that it can be before the confirmation.
  const then = Number.isFinite(heard.servedAt) ? Math.max(heard.servedAt - heard.confirmedAt, 0) : 0;
  return then + Math.max(now - heard.heardAt, 0);
}

export function level(heard: Heard | null, now: number): Level {
  if (!heard) return "unknown";
  if (now - heard.heardAt > LATE_MS) return "away";
  if (heard.status === "stale") return "stale";
  return heard.status === "final" || heard.status === "void" ? "settled" : "live";
}

/** What time it is by the service's clock; this machine's own where it has never said. */
export function serviceTime(heard: Heard | null, now: number, own: number): number {
  if (!heard || !Number.isFinite(heard.servedAt)) return own;
  // `Date` leaves out the fraction of the second: half of one is right on average.
  return Math.max(heard.servedAt + 500, heard.confirmedAt || 0) + (now - heard.heardAt);
}
