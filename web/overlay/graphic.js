// The graphic itself: one panel, whose layouts are matters of graphic.css. Nodes are made once and kept, so that neither
// new figures nor a new connection make it flicker; only `transform` and `opacity` move.

import { Counter } from "./number.js";
import { textsOf } from "./texts.js";

/** The picture is laid out as if it had 1,080 lines. */
const LINES = 1080;
const [WIDE, HIGH] = [16, 9];
/** The most rows that can be read, and how high one is at most, in lines. */
const MOST_ROWS = /** @type {{[layout: string]: number}} */ ({ bars: 10, "lower-third": 6, duel: 2, countdown: 0 });
const ROWS_LINES = 760;
const ROW_LINES = 104;
const PLACES = /** @type {{[layout: string]: string}} */ ({
  bars: "middle-left", "lower-third": "bottom-center", duel: "bottom-center", countdown: "top-right",
});
export const IN_OUT_MS = 450;

/**
 * @param {string} name
 * @param {string} tag
 * @param {HTMLElement} parent
 */
function part(name, tag, parent) {
  const element = document.createElement(tag);
  element.className = name;
  return parent.appendChild(element);
}

/** @param {HTMLElement} element @param {string} text */
function write(element, text) {
  const node = /** @type {Text} */ (element.firstChild || element.appendChild(document.createTextNode("")));
  if (node.data !== text) node.data = text;
}

/** @param {any} value */
function number(value) {
  return value === null || value === "" || !isFinite(Number(value)) ? null : Number(value);
}

class CandidateRow {
  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.element = part("row", "div", parent);
    this.photo = part("photo", "div", this.element);
    this.initials = part("initials", "span", this.photo);
    this.image = /** @type {HTMLImageElement} */ (part("image", "img", this.photo));
    this.image.alt = "";
    this.name = part("name", "div", this.element);
    this.nameText = part("name-text", "span", this.name);
    const track = part("track", "div", this.element);
    this.bar = part("bar", "div", track);
    this.percent = part("percent", "div", this.element);
    this.counter = new Counter(this.percent);
    this.votes = part("votes", "div", this.element);
    this.source = "";
    this.image.onload = () => {
      this.image.dataset.loaded = "yes";
    };
    this.image.onerror = () => {
      this.image.dataset.loaded = "no";
    };
  }

  /**
   * @param {import("./gate.js").Row} row
   * @param {number} index
   * @param {{color: string, milliseconds: number, texts: import("./texts.js").Texts}} look
   */
  draw(row, index, look) {
    const { style, dataset } = this.element;
    style.setProperty("--index", String(index));
    style.setProperty("--color", look.color);
    dataset.candidate = String(row.id);
    dataset.withdrawn = row.withdrawn === true ? "yes" : "no";
    dataset.rank = row.rank === null || row.rank === undefined ? "" : String(row.rank);
    const name = String(row.name || row.id);
    write(this.nameText, name);
    write(this.initials, initialsOf(name));
    this.show(typeof row.photo === "string" ? row.photo : "");
    const percent = row.withdrawn === true ? null : number(row.percent);
    const text = row.withdrawn === true ? look.texts.withdrawn : String(row.percent_text || "");
    this.counter.set(percent, text, look.milliseconds);
    const filled = Math.min(100, Math.max(0, percent || 0));
    this.bar.style.transform = "translateX(" + (filled - 100) + "%)";
    write(this.votes, row.withdrawn === true ? "" : String(row.votes_text || ""));
  }

  /** @param {string} source */
  show(source) {
    if (source === this.source) return;
    this.source = source;
    this.image.dataset.loaded = "no";
    if (/^(https?:|data:image\/|\/|\.\/)/.test(source)) this.image.src = source;
    else this.image.removeAttribute("src");
  }

  /** The bar comes from nothing; the number stands, since it is read. @param {number} milliseconds */
  grow(milliseconds) {
    const frames = [{ transform: "translateX(-100%)" }, { transform: this.bar.style.transform }];
    this.bar.animate(frames, { duration: milliseconds, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" });
  }

  remove() {
    this.counter.stop();
    this.element.remove();
  }
}

/** @param {string} name */
function initialsOf(name) {
  const words = name.split(/\s+/).filter((word) => word !== "");
  return words.slice(0, 2).map((word) => Array.from(word)[0]).join("").toUpperCase();
}

export class Graphic {
  /** @param {HTMLElement | ShadowRoot} mount */
  constructor(mount) {
    this.stage = document.createElement("div");
    this.stage.className = "paredao";
    mount.appendChild(this.stage);
    const safe = part("safe", "div", this.stage);
    this.panel = part("panel", "section", safe);
    const head = part("head", "header", this.panel);
    this.logo = /** @type {HTMLImageElement} */ (part("logo", "img", head));
    this.logo.alt = "";
    this.title = part("title", "h1", head);
    this.mark = part("mark", "span", head);
    this.rows = part("rows", "div", this.panel);
    const clock = part("clock", "div", this.panel);
    this.time = part("time", "span", clock);
    this.timeText = part("time-text", "span", clock);
    const sand = part("sand", "div", clock);
    this.sand = part("sand-left", "div", sand);
    const foot = part("foot", "footer", this.panel);
    this.status = part("status", "span", foot);
    this.total = part("total", "span", foot);
    /** @type {Map<string, CandidateRow>} */
    this.candidates = new Map();
    this.layout = "bars";
    this.isIn = false;
    this.unit = 1;
    /** @type {import("./theme.js").Theme | null} */
    this.theme = null;
  }

  /**
   * @param {import("./theme.js").Theme} theme
   * @param {string} url of its file, beside which its logo is
   */
  dress(theme, url) {
    this.theme = theme;
    const { style } = this.stage;
    for (const name of Object.keys(theme.colors)) {
      style.setProperty("--" + name.replace(/_/g, "-"), theme.colors[name]);
    }
    style.setProperty("--text-font", theme.fonts.text.family);
    style.setProperty("--figures-font", theme.fonts.figures.family);
    style.setProperty("--move", theme.animation_ms + "ms");
    style.setProperty("--margin", String((1 - theme.safe_title) / 2));
    if (theme.logo && url) this.logo.src = new URL(theme.logo, url).href;
    else this.logo.removeAttribute("src");
    this.logo.hidden = !theme.logo;
  }

  /**
   * Fits a picture of 16:9 into that many pixels.
   * @param {number} width
   * @param {number} height
   */
  resize(width, height) {
    const high = Math.min(height, (width * HIGH) / WIDE);
    this.unit = high / LINES;
    const { style } = this.stage;
    style.setProperty("--u", this.unit + "px");
    style.width = (high * WIDE) / HIGH + "px";
    style.height = high + "px";
    style.left = Math.max(0, (width - (high * WIDE) / HIGH) / 2) + "px";
    style.top = Math.max(0, (height - high) / 2) + "px";
    this.fitNames();
  }

  /**
   * @param {string} layout
   * @param {string} position empty: the layout's own place
   */
  arrange(layout, position) {
    this.layout = layout;
    this.stage.dataset.layout = layout;
    const [row, column] = (position || PLACES[layout] || "middle-left").split("-");
    this.stage.dataset.row = row;
    this.stage.dataset.column = column;
  }

  /**
   * @param {import("./gate.js").Row[]} rows that may be shown
   * @param {{sort?: string, rows?: number, candidates?: string[], lang?: string, isStill?: boolean}} choices
   */
  draw(rows, choices) {
    const first = rows[0];
    const texts = textsOf(choices.lang || first.language);
    this.stage.lang = choices.lang || first.language || "pt-BR";
    write(this.title, String(first.title || ""));
    const isRehearsal = first.kind === "rehearsal";
    this.stage.dataset.rehearsal = isRehearsal ? "yes" : "no";
    // The feed's title says so itself, in the poll's language.
    const isSaid = this.title.textContent !== null && this.title.textContent.indexOf(texts.rehearsal) === 0;
    write(this.mark, isRehearsal && !isSaid ? texts.rehearsal : "");
    write(this.status, first.status === "final" ? texts.final : texts.partial);
    const total = String(first.total_votes_text || "");
    write(this.total, total && total + " " + texts.votes);
    this.drawRows(rows, choices, texts);
  }

  /**
   * @param {import("./gate.js").Row[]} rows
   * @param {{sort?: string, rows?: number, candidates?: string[], isStill?: boolean}} choices
   * @param {import("./texts.js").Texts} texts
   */
  drawRows(rows, choices, texts) {
    const theme = this.theme;
    const shown = choose(rows, this.layout, choices);
    const still = choices.isStill || !this.isIn || !theme;
    this.stage.style.setProperty("--count", String(Math.max(1, shown.length)));
    this.stage.style.setProperty("--row", String(Math.min(ROW_LINES, ROWS_LINES / Math.max(1, shown.length))));
    shown.forEach((row, index) => {
      const id = String(row.id);
      const known = this.candidates.get(id);
      const candidate = known || new CandidateRow(this.rows);
      this.candidates.set(id, candidate);
      const place = rows.indexOf(row);
      const own = typeof row.color === "string" && CSS.supports("color", row.color) ? row.color : "";
      const color = own || (theme ? theme.candidates[place % theme.candidates.length] : "");
      candidate.draw(row, index, { color, milliseconds: still || !known ? 0 : theme.animation_ms, texts });
    });
    const ids = shown.map((row) => String(row.id));
    for (const [id, candidate] of Array.from(this.candidates)) {
      if (ids.indexOf(id) >= 0) continue;
      candidate.remove();
      this.candidates.delete(id);
    }
    this.fitNames();
  }

  /** Makes a name that is too long narrower, down to where it can still be read; what is longer is cut with an ellipsis. */
  fitNames() {
    this.candidates.forEach(({ name, nameText }) => {
      const key = nameText.textContent + " " + name.clientWidth + " " + this.layout;
      if (name.dataset.fitted === key) return;
      name.dataset.fitted = key;
      nameText.style.transform = "";
      nameText.style.maxWidth = "";
      const [has, wants] = [name.clientWidth, nameText.scrollWidth];
      if (has === 0 || wants <= has) return;
      const narrow = Math.max(0.7, has / wants);
      nameText.style.maxWidth = has / narrow + "px";
      nameText.style.transform = "scaleX(" + narrow + ")";
    });
  }

  /**
   * @param {number | null} seconds that are left; null: none is known
   * @param {number} of how many the sand began
   * @param {string | undefined} lang
   */
  tick(seconds, of, lang) {
    const texts = textsOf(lang);
    if (seconds === null) return;
    const left = Math.max(0, Math.ceil(seconds));
    const rest = left % 60;
    write(this.time, Math.floor(left / 60) + ":" + (rest < 10 ? "0" : "") + rest);
    write(this.timeText, left > 0 ? texts.left : texts.closed);
    const part = Math.min(1, Math.max(0, (left - 1) / of));
    this.sand.style.transform = "translateX(" + (part - 1) * 100 + "%)";
  }

  /** @param {boolean} isIn @param {boolean} isStill without a movement */
  show(isIn, isStill) {
    if (isIn && !this.isIn && !isStill && this.theme) {
      const milliseconds = this.theme.animation_ms;
      this.candidates.forEach((candidate) => candidate.grow(milliseconds));
    }
    this.isIn = isIn;
    this.stage.dataset.still = isStill ? "yes" : "no";
    // The new layout is in place before it moves in.
    if (isIn) this.stage.getBoundingClientRect();
    this.stage.dataset.in = isIn ? "yes" : "no";
  }

  dispose() {
    this.candidates.forEach((candidate) => candidate.remove());
    this.candidates.clear();
    this.stage.remove();
  }
}

/**
 * The rows of a layout, in their order.
 * @param {import("./gate.js").Row[]} rows
 * @param {string} layout
 * @param {{sort?: string, rows?: number, candidates?: string[]}} choices
 */
function choose(rows, layout, choices) {
  const most = Math.min(choices.rows || 50, MOST_ROWS[layout]);
  let shown = rows;
  if (choices.candidates && choices.candidates.length > 0) {
    const named = choices.candidates.map((id) => rows.filter((row) => row.id === id)[0]);
    const found = named.filter((row) => row !== undefined);
    if (found.length > 0) shown = found;
  }
  // Where there is little room, who has left the poll leaves the graphic.
  if (layout !== "bars") shown = shown.filter((row) => row.withdrawn !== true);
  const rank = (/** @type {import("./gate.js").Row} */ row) => number(row.rank) || 1000;
  const byRank = (/** @type {any[]} */ list) =>
    list.map((row, index) => ({ row, index })).sort((a, b) => rank(a.row) - rank(b.row) || a.index - b.index).map(({ row }) => row);
  if (shown.length > most) {
    const best = byRank(shown).slice(0, most);
    shown = shown.filter((row) => best.indexOf(row) >= 0);
  }
  return choices.sort === "rank" ? byRank(shown) : shown;
}

/**
 * Whether a duel shows all there is: two candidates, or two that were named.
 * @param {import("./gate.js").Row[]} rows
 * @param {string[] | undefined} candidates
 */
export function isDuel(rows, candidates) {
  const left = rows.filter((row) => row.withdrawn !== true);
  const named = candidates ? left.filter((row) => candidates.indexOf(row.id) >= 0) : left;
  return named.length === 2;
}
