// What comes with CasparCG's `update()`, in an OGraf graphic's `data`, and in the page's address.

/** The names that are taken; others are ignored. Figures are not among them: they come from the service alone. */
const TEXTS = ["poll", "theme", "lang", "position"];
export const LAYOUTS = ["bars", "lower-third", "duel", "countdown"];
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

/** @param {unknown} value */
function words(value) {
  const list = Array.isArray(value) ? value : String(value).split(",");
  return list.filter((one) => typeof one === "string").map((one) => one.trim()).filter((one) => one !== "");
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
  for (const name of TEXTS) {
    if (!has(name)) continue;
    if (typeof fields[name] === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(/** @type {string} */ (fields[name]))) {
      choices[name] = fields[name];
    } else problems.push(name + " is none");
  }
  if (has("layout")) {
    const layouts = words(fields.layout);
    const known = layouts.filter((layout) => LAYOUTS.indexOf(layout) >= 0);
    if (known.length > 0) choices.layouts = known;
    if (known.length < layouts.length || known.length === 0) problems.push("layout must be of " + LAYOUTS.join(", "));
  }
  if (has("candidates")) choices.candidates = words(fields.candidates);
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
