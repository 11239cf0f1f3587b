import { SILENCE_MS, asker, follow } from "./follow.js";
import type { News, Source, Tell } from "./follow.js";
import { jittered, pause, seen } from "./wait.js";

/** How long a tab waits for one that reads already, before it asks for itself. */
const HELLO_MS = 1500;

/**
 * Reads a source for all tabs of a browser by one connection, where that can be. Over HTTP/1.1 a browser opens six
 * connections to a host, for all its tabs together: the seventh stream would wait for ever, and so would a vote.
 *
 * One tab, by a lock, reads and tells the others. Locks are missing on pages that come over plain HTTP, where there
 * is no HTTP/2 either: those ask again and again, and have no stream.
 */
export async function readShared(source: Source, tell: Tell, signal: AbortSignal) {
  const { isSecureContext, navigator, BroadcastChannel } = globalThis;
  if (isSecureContext === false) return follow({ ...source, stream: undefined }, tell, signal);
  const locks = navigator?.locks;
  // Node.js may have both, and is no browser.
  if (!isSecureContext || !locks || !BroadcastChannel) return follow(source, tell, signal);

  const name = "paredao:" + (source.stream ?? source.url);
  const channel = new BroadcastChannel(name);
  let isReading = false;
  let heardAt = Date.now() - SILENCE_MS + HELLO_MS;
  let latest: { news: News; at: number } | undefined;
  const hear: Tell = (news) => {
    heardAt = Date.now();
    tell(news);
  };
  channel.onmessage = ({ data }: MessageEvent<News | null>) => {
    if (data) hear(data);
    else if (isReading && latest) channel.postMessage(aged(latest.news, Date.now() - latest.at));
  };
  const say: Tell = (news) => {
    // Who comes later is told the newest body, and how it stands now.
    latest = { news: { ...latest?.news, ...news }, at: news.text === undefined && latest ? latest.at : Date.now() };
    channel.postMessage(news);
    hear(news);
  };
  // A tab that reads may be frozen: then the others hear nothing, and ask.
  const ask = asker(source, tell, signal);
  const listen = async () => {
    while (!isReading && !signal.aborted) {
      if (Date.now() - heardAt > SILENCE_MS) await ask();
      await pause(jittered(source.everyMs), signal, "visibilitychange");
      await seen(signal);
    }
  };
  channel.postMessage(null);
  const listening = listen();
  try {
    await locks.request(name, { signal }, () => {
      isReading = true;
      return follow(source, say, signal);
    });
  } catch {
    // Closed; or a page without an origin of its own, which has no locks.
    if (!isReading && !signal.aborted) {
      isReading = true;
      await follow(source, tell, signal);
    }
  } finally {
    channel.close();
  }
  await listening;
}

function aged(news: News, ms: number): News {
  return news.meta ? { ...news, meta: { ...news.meta, serverMs: news.meta.serverMs + ms } } : news;
}
