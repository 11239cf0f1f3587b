// Votes a second, from figures that the service has confirmed: the totals, and the instants for which they hold. Neither the
// network nor this machine's clock is in it.

/** Over how long the rate of now is taken. */
export const WINDOW_MS = 10_000;

/** From when on there is one: before, a single batch would look like a peak. */
export const LEAST_MS = 3_000;

export class RateMeter {
  #samples: { at: number; total: number }[] = [];
  #highest: number | null = null;

  /** A total that held at that instant. */
  add(at: number, total: number): void {
    if (!Number.isFinite(at) || !Number.isFinite(total)) return;
    const last = this.#samples[this.#samples.length - 1];
    if (last) {
      // Another replica that confirmed earlier says nothing new.
      if (at <= last.at) return;
      // Votes never become fewer, but by a restored backup; after a long gap nobody knows when they came.
      if (total < last.total || at - last.at > WINDOW_MS) this.#samples = [];
    }
    this.#samples.push({ at, total });
    // One sample from before the window stays, so that all of the window is covered.
    while (this.#samples.length > 2 && (this.#samples[1]?.at ?? at) <= at - WINDOW_MS) this.#samples.shift();
    const now = this.now();
    if (now !== null) this.#highest = Math.max(this.#highest ?? 0, now);
  }

  /** Votes a second over the last ten seconds; null as long as that is not known. */
  now(): number | null {
    const [first, last] = [this.#samples[0], this.#samples[this.#samples.length - 1]];
    if (!first || !last || last.at - first.at < LEAST_MS) return null;
    return ((last.total - first.total) * 1_000) / (last.at - first.at);
  }

  /** The highest that this page has seen; null where it has seen none. */
  highest(): number | null {
    return this.#highest;
  }

  /** What was seen before a break is no rate of now. */
  forget(): void {
    this.#samples = [];
  }
}
