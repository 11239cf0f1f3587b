// Fetches a poll's rows: by the stream where there is one, by asking again and again where there is none.

import { EventReader } from "./events.js";

/** A stream says something every ten seconds. One that is silent for longer is dead, whatever TCP says. */
const SILENCE_MS = 15000;
/** How long one answer may take. */
const ANSWER_MS = 5000;
/** Between two questions where there is no stream, and while it can't be had. */
const ASK_MS = 1000;
/** Between two questions that fail, at most. */
const FAILING_MS = 4000;
/** Until the stream is tried again at a service that has none, or that says that nothing more will come. */
const WITHOUT_STREAM_MS = 60000;
/** Until a stream that failed is tried again: doubled each time, up to the most. */
const AGAIN_MS = 500;
const AGAIN_MOST_MS = 8000;
/** A stream that ends sooner has begun no better than one that failed: that of a poll that is over tells its end at once. */
const LASTED_MS = 5000;

/**
 * @typedef {object} Source
 * @property {string} base where the service is, with a slash at the end
 * @property {string} poll the poll's id, or `current`
 * @property {string} [token] a feed token
 * @property {string} [lang] the language of the figures, where it is not the poll's
 */

/**
 * @typedef {object} Listener
 * @property {(rows: unknown, how: "stream" | "polling", date: number) => void} rows a body, and the server's time in
 *   milliseconds by its `Date`, or NaN
 * @property {(how: "stream" | "polling") => void} alive the service was heard, and had nothing new
 * @property {(why: string) => void} trouble it can't be asked, or refuses
 */

/** @param {Source} source */
export function sourceKey(source) {
  return JSON.stringify([source.base, source.poll, source.token || "", source.lang || ""]);
}

/**
 * Between half of it and all of it, so that many pages do not come back in one moment.
 * @param {number} milliseconds
 */
function jittered(milliseconds) {
  return milliseconds * (0.5 + Math.random() / 2);
}

export class Feed {
  /**
   * @param {Source} source
   * @param {Listener} listener
   */
  constructor(source, listener) {
    this.source = source;
    this.listener = listener;
    this.isClosed = false;
    this.tag = "";
    /** Whether it has had a body. Until then it confirms nothing: what a page shows came by another feed. */
    this.hasRows = false;
    /** The newest event's. */
    this.lastId = "";
    this.failures = 0;
    this.retry = AGAIN_MS;
    /** @type {AbortController | null} */
    this.request = null;
    /** @type {(() => void) | null} */
    this.wake = null;
  }

  open() {
    this.run().catch((error) => {
      // Only a mistake of ours ends here. A page that is on air goes on all the same.
      console.warn("paredao: the feed failed, and begins again", error);
      if (!this.isClosed) this.pause(FAILING_MS).then(() => this.isClosed || this.open());
    });
  }

  close() {
    this.isClosed = true;
    if (this.request) this.request.abort();
    if (this.wake) this.wake();
  }

  async run() {
    while (!this.isClosed) {
      const ended = await this.stream();
      if (this.isClosed) return;
      if (ended.hadLasted) this.failures = 0;
      if (ended.isAbsent) {
        await this.askFor(WITHOUT_STREAM_MS);
      } else {
        const wait = Math.min(AGAIN_MOST_MS, this.retry * Math.pow(2, this.failures));
        this.failures = Math.min(this.failures + 1, 8);
        await this.askFor(Math.max(jittered(wait), ended.retryAfter));
      }
    }
  }

  /**
   * @param {string} path
   * @param {{[name: string]: string}} query
   */
  url(path, query) {
    const { base, poll, token, lang } = this.source;
    const url = new URL("v1/polls/" + encodeURIComponent(poll) + "/" + path, base);
    if (lang) url.searchParams.set("lang", lang);
    for (const name of Object.keys(query)) url.searchParams.set(name, query[name]);
    if (token) url.searchParams.set("token", token);
    return url.href;
  }

  streamHeaders() {
    /** @type {{[name: string]: string}} */
    const headers = { Accept: "text/event-stream" };
    // By it the service knows who has the last event there will be, and answers 204. To another origin it would cost a
    // question whether it may be sent.
    if (this.lastId && new URL(this.source.base).origin === location.origin) headers["Last-Event-ID"] = this.lastId;
    return headers;
  }

  /** One stream, to its end. */
  async stream() {
    const ended = { isAbsent: false, hadLasted: false, retryAfter: 0 };
    const opened = performance.now();
    const request = this.begin();
    let watch = setTimeout(() => request.abort(), ANSWER_MS);
    try {
      const answer = await fetch(this.url("results/stream", { view: "rows" }), {
        cache: "no-store",
        headers: this.streamHeaders(),
        signal: request.signal,
      });
      const type = answer.headers.get("Content-Type") || "";
      if (answer.status !== 200 || type.indexOf("text/event-stream") !== 0 || !answer.body) {
        // Not there, or without anything to come. 400: it is there, and can't be asked for another language.
        ended.isAbsent = [200, 204, 400, 404, 405, 406, 501].indexOf(answer.status) >= 0;
        ended.retryAfter = retryAfter(answer);
        request.abort();
        return ended;
      }
      const date = dateOf(answer);
      const began = Date.now();
      const events = new EventReader((event) => {
        if (event.type !== "message") return;
        this.lastId = event.id;
        this.take(event.data, "stream", date + (Date.now() - began));
      }, (milliseconds) => {
        this.retry = Math.min(Math.max(milliseconds, 100), AGAIN_MOST_MS);
      });
      const reader = answer.body.getReader();
      const decoder = new TextDecoder();
      for (;;) {
        clearTimeout(watch);
        watch = setTimeout(() => request.abort(), SILENCE_MS);
        const { done, value } = await reader.read();
        ended.hadLasted = performance.now() - opened > LASTED_MS;
        if (done) return ended;
        if (this.hasRows) this.listener.alive("stream");
        events.push(decoder.decode(value, { stream: true }));
      }
    } catch (error) {
      // Cut, refused, or given up by us: what matters is told by the question that follows.
      return ended;
    } finally {
      clearTimeout(watch);
      request.abort();
    }
  }

  /**
   * Asks at once, and then again and again, for that long.
   * @param {number} milliseconds
   */
  async askFor(milliseconds) {
    const until = Date.now() + milliseconds;
    let wait = ASK_MS;
    while (!this.isClosed) {
      const isGood = await this.ask();
      wait = isGood ? ASK_MS : Math.min(FAILING_MS, wait * 1.5);
      const left = until - Date.now();
      if (left <= 0) return;
      await this.pause(Math.min(left, jittered(wait)));
    }
  }

  async ask() {
    const request = this.begin();
    const watch = setTimeout(() => request.abort(), ANSWER_MS);
    try {
      // The browser asks with the ETag that it has, and this is answered from its cache after a 304.
      const answer = await fetch(this.url("results.rows.json", {}), { cache: "no-cache", signal: request.signal });
      if (!answer.ok) {
        this.listener.trouble(await whyRefused(answer));
        return false;
      }
      const tag = answer.headers.get("ETag") || "";
      const text = await answer.text();
      if (tag !== "" && tag === this.tag) this.listener.alive("polling");
      else this.take(text, "polling", dateOf(answer));
      this.tag = tag;
      return true;
    } catch (error) {
      if (!this.isClosed) this.listener.trouble("unreachable");
      return false;
    } finally {
      clearTimeout(watch);
    }
  }

  /**
   * @param {string} text
   * @param {"stream" | "polling"} how
   * @param {number} date
   */
  take(text, how, date) {
    if (this.isClosed) return;
    if (how === "stream") this.tag = "";
    let rows;
    try {
      rows = JSON.parse(text);
    } catch (error) {
      this.listener.trouble("malformed");
      return;
    }
    this.hasRows = true;
    this.listener.rows(rows, how, date);
  }

  begin() {
    this.request = new AbortController();
    return this.request;
  }

  /** @param {number} milliseconds */
  pause(milliseconds) {
    return new Promise((/** @type {(nothing: void) => void} */ done) => {
      const timer = setTimeout(done, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}

/** @param {Response} answer */
function dateOf(answer) {
  return Date.parse(answer.headers.get("Date") || "");
}

/** In milliseconds; at most half a minute, whatever is said. @param {Response} answer */
function retryAfter(answer) {
  const seconds = Number(answer.headers.get("Retry-After") || "0");
  return seconds > 0 ? Math.min(seconds, 30) * 1000 : 0;
}

/**
 * The code of the problem, such as `unknown-poll`, or the status.
 * @param {Response} answer
 */
async function whyRefused(answer) {
  try {
    const problem = await answer.json();
    if (typeof problem.code === "string" && /^[a-z-]{1,60}$/.test(problem.code)) return problem.code;
  } catch (error) {
    // A proxy's own page.
  }
  return "status-" + answer.status;
}
