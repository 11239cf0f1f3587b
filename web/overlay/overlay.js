// The overlay: what the feed says, through the gate, into the graphic. The page and the OGraf graphic are made of it.

import { LAYOUTS, choicesOf, readData } from "./data.js";
import { Gate } from "./gate.js";
import { Graphic, IN_OUT_MS, isDuel } from "./graphic.js";
import { openFeed } from "./shared-feed.js";
import { loadTheme, readTheme } from "./theme.js";

/** How often the time that is left is looked at, where a layout needs it. */
const TICK_MS = 100;
/** A clock that is nearer to the server's than this goes by itself: `Date` tells whole seconds. */
const CLOCKS_AGREE_MS = 1500;

/**
 * @typedef {object} Options
 * @property {string} base where the service is, with a slash at the end
 * @property {string} poll
 * @property {string} [token]
 * @property {boolean} isShared whether pages of this browser share a feed
 * @property {(theme: string) => string} themeUrl where the file of a theme's name is; empty: there is none
 * @property {HTMLElement} flags the element whose `data-…` say how it is
 * @property {import("./data.js").Choices} choices
 */

export class Overlay {
  /**
   * @param {HTMLElement | ShadowRoot} mount
   * @param {Options} options
   */
  constructor(mount, options) {
    this.options = options;
    this.choices = Object.assign({}, options.choices);
    this.gate = new Gate();
    this.graphic = new Graphic(mount);
    this.theme = { theme: readTheme({}).theme, url: "" };
    this.isPlaying = false;
    this.isDisposed = false;
    /** Whether it is out for a moment, to come in again in another layout. */
    this.isChanging = false;
    this.step = 0;
    this.how = "down";
    /** The server's time less ours. */
    this.ahead = 0;
    /** @type {{close: () => void} | null} */
    this.feed = null;
    this.graphic.dress(this.theme.theme, "");
    this.graphic.show(false, true);
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.arrange();
    this.tell();
  }

  /** Loads the theme, and begins to listen. */
  async start() {
    await this.loadTheme();
    if (!this.isDisposed) this.listen();
  }

  listen() {
    if (this.feed) this.feed.close();
    const { base, token, isShared } = this.options;
    const poll = this.choices.poll || this.options.poll;
    this.how = "down";
    const source = { base, poll, token, lang: this.choices.lang };
    this.feed = openFeed(source, {
      rows: (rows, how, date) => this.take(rows, how, date),
      alive: (how) => {
        this.how = how;
        this.gate.confirm();
        this.tell();
      },
      trouble: (why) => {
        this.how = "down";
        this.gate.trouble(why);
        this.tell();
      },
    }, isShared);
  }

  /**
   * @param {unknown} rows
   * @param {string} how
   * @param {number} date
   */
  take(rows, how, date) {
    if (this.isDisposed) return;
    this.how = how;
    if (date > 0) {
      // In the middle of the second that it tells.
      const ahead = date + 500 - Date.now();
      this.ahead = Math.abs(ahead) < CLOCKS_AGREE_MS ? 0 : ahead;
    }
    const isNew = this.gate.take(rows);
    if (isNew) this.draw(false);
    this.tell();
  }

  /** The layouts that `next()` goes through. */
  get layouts() {
    return this.choices.layouts || this.theme.theme.layout;
  }

  get layout() {
    const wanted = this.layouts[this.step % this.layouts.length] || LAYOUTS[0];
    const rows = this.gate.shown;
    // A duel that left somebody out would tell something else than the poll does.
    return wanted === "duel" && rows && !isDuel(rows, this.choices.candidates) ? "bars" : wanted;
  }

  arrange() {
    this.graphic.arrange(this.layout, this.choices.position || this.theme.theme.position);
  }

  /** @param {boolean} isStill */
  draw(isStill) {
    const rows = this.gate.shown;
    if (this.graphic.layout !== this.layout) this.arrange();
    if (rows) {
      // Numbers that come in stand at once; they count from there.
      this.graphic.draw(rows, Object.assign({ isStill }, this.choices));
    }
    this.tick();
    this.decide(isStill);
  }

  /** Shows it where it plays and has something to show. @param {boolean} isStill */
  decide(isStill) {
    if (this.isChanging) return;
    const isIn = this.isPlaying && this.gate.shown !== null && this.isTime;
    if (isIn === this.graphic.isIn) return;
    this.graphic.show(isIn, isStill);
    // A countdown comes by its time, when nobody calls and nothing is heard.
    this.tell();
  }

  /** Whether the layout's time has come: a countdown comes by itself in the last minute. */
  get isTime() {
    if (this.layout !== "countdown") return true;
    const left = this.secondsLeft;
    return left !== null && left <= this.theme.theme.countdown_from_s;
  }

  get secondsLeft() {
    const { newest } = this.gate;
    const closes = newest ? Date.parse(newest.closes_at) : NaN;
    if (!newest || isNaN(closes)) return null;
    if (newest.state !== "open" && newest.state !== "paused") return 0;
    return Math.max(0, (closes - Date.now() - this.ahead) / 1000);
  }

  tick() {
    if (this.layout !== "countdown") return;
    const first = this.gate.shown && this.gate.shown[0];
    const lang = this.choices.lang || (first ? first.language : undefined);
    this.graphic.tick(this.secondsLeft, this.theme.theme.countdown_from_s, lang);
    this.decide(false);
  }

  async loadTheme() {
    const name = this.choices.theme || "";
    const url = this.options.themeUrl(name);
    const loaded = await loadTheme(url);
    if (this.isDisposed || name !== (this.choices.theme || "")) return;
    // What is on air keeps its dress where there is no other one.
    if (loaded.theme) {
      this.theme = { theme: loaded.theme, url: loaded.url };
      this.graphic.dress(loaded.theme, loaded.url);
    }
    this.options.flags.dataset.themeProblem = loaded.problems.join("; ");
    if (loaded.problems.length > 0) console.warn("paredao: theme: " + loaded.problems.join("; "));
    this.arrange();
    this.draw(true);
    this.tell();
  }

  /** What a program may read of it. */
  tell() {
    const { dataset } = this.options.flags;
    const { air, reason } = this.gate.state;
    const first = this.gate.shown && this.gate.shown[0];
    const text = (/** @type {any} */ value) => (value === null || value === undefined ? "" : String(value));
    const flags = {
      air,
      airReason: reason,
      feed: this.how,
      layout: this.layout,
      playing: this.isPlaying ? "yes" : "no",
      shown: this.graphic.isIn ? "yes" : "no",
      poll: this.choices.poll || this.options.poll,
      revision: text(first && first.revision),
      asOf: text(first && first.as_of),
    };
    for (const name of /** @type {(keyof typeof flags)[]} */ (Object.keys(flags))) {
      if (dataset[name] !== flags[name]) dataset[name] = flags[name];
    }
  }

  /** @param {boolean} [isStill] */
  async play(isStill) {
    this.isPlaying = true;
    this.draw(isStill === true);
    this.tell();
    if (!isStill) await pause(IN_OUT_MS);
  }

  /** @param {boolean} [isStill] */
  async stop(isStill) {
    const wasIn = this.graphic.isIn;
    this.isPlaying = false;
    this.decide(isStill === true);
    this.tell();
    if (wasIn && !isStill) await pause(IN_OUT_MS);
  }

  /** The next of its layouts; out and in again where it is shown. @param {boolean} [isStill] */
  async next(isStill) {
    await this.goTo(this.step + 1, isStill);
  }

  /** @param {number} step @param {boolean} [isStill] */
  async goTo(step, isStill) {
    const before = this.graphic.layout;
    this.step = step;
    if (this.layout === before) return this.tell();
    if (this.graphic.isIn && !isStill) {
      this.graphic.show(false, false);
      this.isChanging = true;
      await pause(IN_OUT_MS);
      this.isChanging = false;
      // Called again meanwhile: the last one decides.
      if (this.isDisposed || this.step !== step) return;
    }
    this.draw(isStill === true);
    this.tell();
  }

  /**
   * @param {unknown} given CasparCG's data, or an OGraf graphic's
   * @param {boolean} [isStill]
   * @returns {Promise<string>} what is wrong with it
   */
  async update(given, isStill) {
    const { choices, problem } = readData(given);
    this.options.flags.dataset.updateProblem = problem;
    if (problem) console.warn("paredao: update: " + problem);
    const before = this.choices;
    const poll = before.poll || this.options.poll;
    this.choices = Object.assign({}, before, choices);
    if (choices.layouts) this.step = 0;
    if ((choices.theme || before.theme || "") !== (before.theme || "")) await this.loadTheme();
    if ((choices.poll || poll) !== poll || (choices.lang || before.lang) !== before.lang) {
      // Another poll's figures must not stand for a moment under this one's name.
      if ((choices.poll || poll) !== poll) {
        this.gate = new Gate();
        this.decide(true);
      }
      if (this.feed) this.listen();
    }
    if (this.graphic.layout !== this.layout) await this.goTo(this.step, isStill);
    this.arrange();
    this.draw(isStill === true);
    this.tell();
    return problem;
  }

  /** @param {number} width @param {number} height */
  resize(width, height) {
    this.graphic.resize(width, height);
  }

  dispose() {
    this.isDisposed = true;
    clearInterval(this.timer);
    if (this.feed) this.feed.close();
    this.graphic.dispose();
  }
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  return new Promise((/** @type {(nothing: void) => void} */ done) => setTimeout(done, milliseconds));
}

/**
 * What stands in a page's address.
 * @param {URLSearchParams} query
 */
export function choicesOfQuery(query) {
  /** @type {{[name: string]: string}} */
  const fields = {};
  query.forEach((value, name) => {
    fields[name] = value;
  });
  return choicesOf(fields);
}
