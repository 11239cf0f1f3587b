// What may be shown: nothing that is not on air, and nothing older than what was shown.

/** @typedef {{[name: string]: any}} Row one candidate's row of `results.rows.json` */

/** @typedef {"live" | "rehearsal" | "frozen" | "waiting"} Air */

/** Figures of these can be shown in a rehearsal; a live poll's `on_air` says so itself. */
const FRESH = ["provisional", "final"];

/**
 * The rows of candidates, without the blank ones that fill a scene; null where it is no such body.
 * @param {unknown} body
 * @returns {Row[] | null}
 */
export function readRows(body) {
  if (!Array.isArray(body) || body.length > 1000) return null;
  const isRow = (/** @type {any} */ row) => row !== null && typeof row === "object" && !Array.isArray(row);
  if (!body.every(isRow)) return null;
  const rows = body.filter((row) => typeof row.id === "string" && row.id !== "");
  return rows.length > 0 ? rows : null;
}

/** @param {Row} row */
function isRehearsal(row) {
  return row.kind === "rehearsal";
}

/** @param {Row} row */
function mayShow(row) {
  if (row.on_air === true) return true;
  // It says of itself that it is none: the graphic is marked, and so is what stands in `data-air`.
  return isRehearsal(row) && row.release === "released" && FRESH.indexOf(row.status) >= 0;
}

/**
 * Why it may not, in one word.
 * @param {Row} row
 */
function reason(row) {
  if (row.status === "void" || row.state === "void") return "void";
  if (row.release === "held" || row.release === "unreleased") return row.release;
  return typeof row.status === "string" && row.status !== "" ? row.status : "off-air";
}

/**
 * Whether a body was made before another one. Without a revision (the public of some polls gets none) the time says so.
 * @param {Row} row
 * @param {Row} other
 */
function isOlder(row, other) {
  const [one, two] = [Number(row.revision), Number(other.revision)];
  if (row.revision !== null && row.revision !== "" && one >= 0 && other.revision !== null && two >= 0) return one < two;
  return Date.parse(row.as_of) < Date.parse(other.as_of);
}

export class Gate {
  constructor() {
    /** @type {Row[] | null} */
    this.shown = null;
    /**
     * Of the newest body, whether it was on air or not: when the poll closes and in which state it is, which is no figure
     * and goes on while figures are held.
     * @type {Row | null}
     */
    this.newest = null;
    /** What the last body said, and what became of the connection since. */
    this.why = "no-figures";
    this.link = "";
    /** @type {string | undefined} */
    this.poll = undefined;
  }

  /**
   * @param {unknown} body
   * @returns {boolean} whether there is something new to show, or to take away
   */
  take(body) {
    const rows = readRows(body);
    if (!rows) {
      this.link = "malformed";
      return false;
    }
    this.link = "";
    const first = rows[0];
    const isOther = this.poll !== undefined && first.poll !== this.poll;
    this.poll = first.poll;
    const before = this.shown;
    // `current` has gone on to another poll, whose revisions begin anew.
    if (isOther) this.shown = null;
    if (!mayShow(first)) {
      this.newest = first;
      this.why = reason(first);
      // Those figures decide nothing: what is frozen otherwise is taken away.
      if (this.why === "void") this.shown = null;
      return before !== this.shown;
    }
    if (this.shown && isOlder(first, this.shown[0])) {
      this.why = "older";
      return false;
    }
    this.shown = rows;
    this.newest = first;
    this.why = "";
    return true;
  }

  /** The service was heard. */
  confirm() {
    if (this.link !== "malformed") this.link = "";
  }

  /** @param {string} why the service can't be asked, or refuses */
  trouble(why) {
    this.link = why;
  }

  /** @returns {{air: Air, reason: string}} */
  get state() {
    const why = this.link || this.why;
    if (!this.shown) return { air: "waiting", reason: why || "no-figures" };
    if (why) return { air: "frozen", reason: why };
    return { air: isRehearsal(this.shown[0]) ? "rehearsal" : "live", reason: "" };
  }
}
