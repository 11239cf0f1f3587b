// One feed for all pages of a browser, where that can be.
//
// Over HTTP/1.1 a browser opens six connections to a host, for all its pages together. OBS shows each source in a page of
// one browser: the seventh overlay would wait for ever. So the stream belongs to a SharedWorker.

import { Feed, sourceKey } from "./feed.js";

/** A worker that has not answered by then is not there. */
const HELLO_MS = 2000;

/**
 * @param {import("./feed.js").Source} source
 * @param {import("./feed.js").Listener} listener
 * @param {boolean} isShared whether a worker may be asked; a page of another origin can't start ours
 * @returns {{close: () => void}}
 */
export function openFeed(source, listener, isShared) {
  let own = /** @type {Feed | null} */ (null);
  let isClosed = false;
  const alone = () => {
    if (own || isClosed) return;
    own = new Feed(source, listener);
    own.open();
  };
  /** @type {SharedWorker | undefined} */
  let worker;
  if (isShared && typeof SharedWorker === "function") {
    try {
      const url = new URL("worker.js", import.meta.url).href;
      worker = new SharedWorker(url, /** @type {WorkerOptions} */ ({ type: "module", name: "paredao " + url }));
    } catch (error) {
      worker = undefined;
    }
  }
  if (!worker) {
    alone();
    return { close: () => { isClosed = true; if (own) own.close(); } };
  }
  const port = worker.port;
  const bye = () => port.postMessage({ bye: true });
  const leave = () => {
    bye();
    port.onmessage = null;
    window.removeEventListener("pagehide", bye);
  };
  const giveUp = () => {
    leave();
    alone();
  };
  const waiting = setTimeout(giveUp, HELLO_MS);
  worker.onerror = () => {
    clearTimeout(waiting);
    giveUp();
  };
  port.onmessage = ({ data }) => {
    clearTimeout(waiting);
    if (data.rows !== undefined) listener.rows(data.rows, data.how, data.date);
    else if (data.trouble) listener.trouble(data.trouble);
    else if (data.alive) listener.alive(data.alive);
  };
  window.addEventListener("pagehide", bye);
  port.postMessage({ source, key: sourceKey(source) });
  return {
    close: () => {
      isClosed = true;
      clearTimeout(waiting);
      leave();
      if (own) own.close();
    },
  };
}
