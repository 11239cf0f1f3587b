/** A page or worker hears of the network and of its own visibility here; Node.js has no such thing. */
const events = globalThis as Partial<Pick<typeof globalThis, "addEventListener" | "removeEventListener">>;

/** Ends after that time, at an abort, or at one of the page's events, whichever comes first. It never rejects. */
export function pause(ms: number, signal?: AbortSignal, ...wakers: string[]): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      for (const waker of wakers) events.removeEventListener?.(waker, end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
    for (const waker of wakers) events.addEventListener?.(waker, end);
    if (signal?.aborted) end();
  });
}

/** Whether the browser says that there is no network. Where it says nothing, there may be one. */
export const isOffline = () => globalThis.navigator?.onLine === false;

/** Between half of it and all of it, so that many pages do not come back in one moment. */
export const jittered = (ms: number) => ms * (0.5 + Math.random() / 2);

/** Ends when somebody can see the page; at once where that can't be said. */
export async function seen(signal: AbortSignal) {
  while (globalThis.document?.hidden && !signal.aborted) await pause(60_000, signal, "visibilitychange");
}

/** What ends with the signal, or by itself; then it is no longer listened for. */
export function linked(signal?: AbortSignal): AbortController {
  const over = new AbortController();
  const stop = () => over.abort();
  signal?.addEventListener("abort", stop, { signal: over.signal });
  if (signal?.aborted) stop();
  return over;
}
