// One feed for all pages of a browser, where that can be.
//
// Over HTTP/1.1 a browser opens six connections to a host, for all its pages together. OBS shows each source in a page of
// one browser: the seventh overlay would wait for ever. So the stream belongs to a SharedWorker.

import { Feed, sourceKey } from "./feed.js";

/** A worker that has not answered by then is not there. */
const HELLO_MS = 2000;
/** One that has been quiet for so long is asked whether it is still there: it dies with the process of the page that started it. */
const QUIET_MS = 5000;
/** How long it may take to answer. A machine that draws may be slow, and nothing is shown wrong meanwhile. */
const ANSWER_MS = 5000;

/**
 * @param {import("./feed.js").Source} source
 * @param {import("./feed.js").Listener} listener
 * @param {boolean} isShared whether a worker may be asked; a page of another origin can't start ours
 * @returns {{close: () => void}}
 */
export function openFeed(source, listener, isShared) {
  /** @type {{close: () => void}} */
  let current;
  const alone = () => {
    const own = new Feed(source, listener);
    own.open();
    current = own;
  };
  const together = () => {
    const worker = isShared ? startWorker() : null;
    if (worker) current = join(worker, source, listener, alone, lost);
    else alone();
  };
  const lost = () => {
    listener.trouble("unreachable");
    // The browser starts another worker in the place of a dead one, so that the pages that are left share a stream again.
    together();
  };
  together();
  return { close: () => current.close() };
}

/** @returns {SharedWorker | null} the one of this browser, which is started where there is none; null: there can be none */
function startWorker() {
  if (typeof SharedWorker !== "function") return null;
  try {
    const url = new URL("worker.js", import.meta.url).href;
    return new SharedWorker(url, /** @type {WorkerOptions} */ ({ type: "module", name: "paredao " + url }));
  } catch (error) {
    return null;
  }
}

/**
 * @param {SharedWorker} worker
 * @param {import("./feed.js").Source} source
 * @param {import("./feed.js").Listener} listener
 * @param {() => void} absent called where it never answers
 * @param {() => void} lost called where it no longer does
 * @returns {{close: () => void}}
 */
function join(worker, source, listener, absent, lost) {
  const port = worker.port;
  const bye = () => port.postMessage({ bye: true });
  // Said again it is the question whether the worker is there, and brings back a page that it has forgotten.
  const introduce = () => port.postMessage({ source, key: sourceKey(source) });
  const close = () => {
    clearTimeout(timer);
    bye();
    worker.onerror = null;
    port.onmessage = null;
    window.removeEventListener("pagehide", bye);
  };
  const leaveFor = (/** @type {() => void} */ next) => () => {
    close();
    next();
  };
  let timer = setTimeout(leaveFor(absent), HELLO_MS);
  // It is asked before it is left: a page that has slept wakes with its timers, before it reads what has come meanwhile.
  const ask = () => {
    introduce();
    timer = setTimeout(leaveFor(lost), ANSWER_MS);
  };
  worker.onerror = leaveFor(absent);
  port.onmessage = ({ data }) => {
    clearTimeout(timer);
    timer = setTimeout(ask, QUIET_MS);
    if (data.rows !== undefined) listener.rows(data.rows, data.how, data.date);
    else if (data.trouble) listener.trouble(data.trouble);
    else if (data.alive) listener.alive(data.alive);
  };
  window.addEventListener("pagehide", bye);
  introduce();
  return { close };
}
