// What comes with CasparCG's `update()`, in an OGraf graphic's `data`, and in the page's address.
//
// Names that are not known are ignored. Figures are not among them: they come from the service alone. A value is taken
// only where the service takes it: one that it refuses would cost the figures, and what is wrong costs no graphic.

export const LAYOUTS = ["bars", "lower-third", "duel", "countdown"];
export const POSITIONS = ["top", "middle", "bottom"].reduce(
  (/** @type {string[]} */ all, row) => all.concat(["left", "center", "right"].map((column) => row + "-" + column)),
  [],
);
/** The ids of polls and candidates, as the service takes them: it refuses to answer for another one. */
const ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** The languages that it has figures in, alone or as a tag such as `pt-BR`. It refuses all others, and longer tags. */
const LANGUAGE = /^(?=.{1,35}$)(pt|en|es)(-[a-z0-9]{1,8})*$/i;
/** @type {{[name: string]: [RegExp, string]}} */
const TEXTS = {
  poll: [ID, "poll must be a poll's id"],
  theme: [/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/, "theme must be a theme's name"],
  lang: [LANGUAGE, "lang must be pt, en or es, alone or with a region such as pt-BR"],
  position: [new RegExp("^(" + POSITIONS.join("|") + ")$"), "position must be of " + POSITIONS.join(", ")],
};
/** Longer data are none of ours. */
const MOST_CHARACTERS = 100000;

/**
 * @typedef {object} Choices
 * @property {string} [poll]
 * @property {string} [theme]
 * @property {string} [lang]
 * @property {string} [position]
 * @property {string[]} [layouts]
 * @property {string[]} [candidates]
 * @property {"candidate" | "rank"} [sort]
 * @property {number} [rows]
 */

/**
 * @param {unknown} given an object, JSON, or CasparCG's template data in XML
 * @returns {{choices: Choices, problem: string}} what is not understood leaves no choices, and says why
 */
export function readData(given) {
  const refused = (/** @type {string} */ problem) => ({ choices: {}, problem });
  if (given === undefined || given === null) return refused("");
  let fields = /** @type {any} */ (given);
  if (typeof given === "string") {
    const text = given.trim();
    if (text === "") return refused("");
    if (text.length > MOST_CHARACTERS) return refused("the data are too long");
    if (text.charAt(0) === "<") {
      fields = fieldsOfXml(text);
      if (!fields) return refused("the data begin like XML, and are no templateData");
    } else {
      try {
        fields = JSON.parse(text);
      } catch (error) {
        return refused("the data are neither JSON nor XML");
      }
    }
  }
  if (fields === null || typeof fields !== "object" || Array.isArray(fields)) return refused("the data are no object");
  return choicesOf(/** @type {{[name: string]: unknown}} */ (fields));
}

/**
 * `<templateData><componentData id="poll"><data id="text" value="…"/></componentData></templateData>`
 * @param {string} text
 */
function fieldsOfXml(text) {
  const document = new DOMParser().parseFromString(text, "text/xml");
  if (document.getElementsByTagName("parsererror").length > 0) return null;
  if (!document.documentElement || document.documentElement.nodeName !== "templateData") return null;
  /** @type {{[name: string]: string}} */
  const fields = {};
  for (const component of Array.from(document.getElementsByTagName("componentData"))) {
    const data = Array.from(component.getElementsByTagName("data"));
    const value = data.filter((one) => one.getAttribute("id") === "text").concat(data)[0];
    if (value) fields[component.getAttribute("id") || ""] = value.getAttribute("value") || "";
  }
  return fields;
}

/**
 * @param {unknown} value a list, or text with commas
 * @returns {any[]} what no text is stays in it, to be found wrong
 */
function words(value) {
  const list = typeof value === "string" ? value.split(",") : Array.isArray(value) ? value : [value];
  return list.map((one) => (typeof one === "string" ? one.trim() : one)).filter((one) => one !== "");
}

/** @param {unknown} value @param {RegExp} rule */
function isText(value, rule) {
  return typeof value === "string" && rule.test(value);
}

/**
 * @param {{[name: string]: unknown}} fields
 * @returns {{choices: Choices, problem: string}}
 */
export function choicesOf(fields) {
  /** @type {{[name: string]: any}} */
  const choices = {};
  const problems = [];
  const has = (/** @type {string} */ name) => fields[name] !== undefined && fields[name] !== null && fields[name] !== "";
  for (const name of Object.keys(TEXTS)) {
    if (!has(name)) continue;
    const [rule, problem] = TEXTS[name];
    if (isText(fields[name], rule)) choices[name] = fields[name];
    else problems.push(problem);
  }
  if (has("layout")) {
    const layouts = words(fields.layout);
    const known = layouts.filter((layout) => LAYOUTS.indexOf(layout) >= 0);
    if (known.length > 0) choices.layouts = known;
    if (known.length < layouts.length || known.length === 0) problems.push("layout must be of " + LAYOUTS.join(", "));
  }
  if (has("candidates")) {
    const ids = words(fields.candidates);
    const good = ids.filter((id) => isText(id, ID));
    // An empty list stands for all.
    if (good.length > 0 || ids.length === 0) choices.candidates = good;
    if (good.length < ids.length) problems.push("candidates must be candidates' ids");
  }
  if (has("sort")) {
    if (fields.sort === "rank" || fields.sort === "candidate") choices.sort = fields.sort;
    else problems.push("sort must be candidate or rank");
  }
  if (has("rows")) {
    const rows = Number(fields.rows);
    if (rows >= 1 && rows <= 50 && Math.floor(rows) === rows) choices.rows = rows;
    else problems.push("rows must be a whole number of 1 to 50");
  }
  return { choices, problem: problems.join("; ") };
}
