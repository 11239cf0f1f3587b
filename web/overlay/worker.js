// The SharedWorker that holds one feed for all pages that show the same poll: see shared-feed.js.

import { Feed } from "./feed.js";

/** Pages of one feed. A page that went without a word leaves its port; the oldest go first. */
const MOST_PORTS = 64;

/** @typedef {{rows: unknown, how: string, date: number, at: number}} Last the newest body, and when it came */

/** @type {Map<string, {feed: Feed, ports: MessagePort[], last: Last | null, trouble: string}>} */
const feeds = new Map();

/** The server's time goes on while a body lies here. @param {Last} last */
function aged(last) {
  return { rows: last.rows, how: last.how, date: last.date + (Date.now() - last.at) };
}

/**
 * @param {string} key
 * @param {import("./feed.js").Source} source
 */
function open(key, source) {
  const tell = (/** @type {object} */ message) => {
    for (const port of entry.ports) port.postMessage(message);
  };
  const feed = new Feed(source, {
    rows: (rows, how, date) => {
      entry.trouble = "";
      entry.last = { rows, how, date, at: Date.now() };
      tell(entry.last);
    },
    alive: (how) => {
      const wasTroubled = entry.trouble !== "";
      entry.trouble = "";
      // Who came meanwhile was told of the trouble alone.
      tell(wasTroubled && entry.last ? aged(entry.last) : { alive: how });
    },
    trouble: (why) => {
      entry.trouble = why;
      tell({ trouble: why });
    },
  });
  const entry = { feed, ports: /** @type {MessagePort[]} */ ([]), last: /** @type {Last | null} */ (null), trouble: "" };
  feeds.set(key, entry);
  feed.open();
  return entry;
}

/** @param {MessagePort} port */
function leave(port) {
  for (const [key, entry] of Array.from(feeds)) {
    entry.ports = entry.ports.filter((other) => other !== port);
    if (entry.ports.length === 0) {
      entry.feed.close();
      feeds.delete(key);
    }
  }
}

/** @type {any} */ (self).onconnect = (/** @type {MessageEvent} */ event) => {
  const port = event.ports[0];
  port.onmessage = ({ data }) => {
    if (data.bye) return leave(port);
    const entry = feeds.get(data.key) || open(data.key, data.source);
    // A page says who it is again where it has heard nothing for a while: that it is answered is what it wants to know.
    port.postMessage({ hello: true });
    if (entry.ports.indexOf(port) >= 0) return;
    entry.ports.push(port);
    if (entry.ports.length > MOST_PORTS) entry.ports.shift();
    // What could not be confirmed since is not taken for live by who comes now.
    if (entry.trouble) port.postMessage({ trouble: entry.trouble });
    else if (entry.last) port.postMessage(aged(entry.last));
  };
};
