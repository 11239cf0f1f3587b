// Themes: colours, fonts, logo, position, safe title and layout by a JSON file.
//
// A value that is none is said, and the built-in one stands in for it: a typing error must not take a graphic off air.

import { LAYOUTS, POSITIONS } from "./data.js";

/** @typedef {{family: string, file?: string}} Font */

/**
 * @typedef {object} Theme
 * @property {string[]} layout the layouts that `next()` goes through
 * @property {string} position where the panel is: `middle-left`; empty: each layout's own place
 * @property {number} safe_title the part of the picture that is safe for titles, 0.5 to 1
 * @property {{[name: string]: string}} colors
 * @property {string[]} candidates colours for candidates that have none, in their order
 * @property {{text: Font, figures: Font}} fonts
 * @property {string} logo a file
 * @property {number} animation_ms how long bars and numbers move
 * @property {number} countdown_from_s when the last minute begins
 */

/** @type {Theme} */
export const DEFAULT = {
  layout: ["bars"],
  position: "",
  safe_title: 0.9,
  colors: {
    panel: "rgba(12, 16, 40, 0.86)",
    text: "#ffffff",
    title: "#ffffff",
    title_panel: "#b3124a",
    track: "rgba(255, 255, 255, 0.16)",
    rehearsal: "#ffd400",
    rehearsal_text: "#000000",
  },
  candidates: ["#ff2e7e", "#1f9bff", "#ffb300", "#2fd07a", "#a96bff", "#ff6b3d", "#19c8c8", "#c8d400"],
  fonts: {
    text: { family: "'Open Sans', 'Segoe UI', Arial, sans-serif" },
    figures: { family: "'Open Sans', 'Segoe UI', Arial, sans-serif" },
  },
  logo: "",
  animation_ms: 600,
  countdown_from_s: 60,
};

/** A file beside the theme's own: no path, no other host. */
const FILE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** @type {{[name: string]: (value: any) => boolean}} */
const RULES = {
  position: (value) => value === "" || POSITIONS.indexOf(value) >= 0,
  safe_title: (value) => typeof value === "number" && value >= 0.5 && value <= 1,
  logo: (value) => value === "" || (typeof value === "string" && FILE.test(value)),
  animation_ms: (value) => typeof value === "number" && value >= 0 && value <= 5000,
  countdown_from_s: (value) => typeof value === "number" && value >= 1 && value <= 86400,
};

/** @param {any} value */
function isColor(value) {
  return typeof value === "string" && value.length <= 100 && CSS.supports("color", value);
}

/** @param {any} value */
function isFont(value) {
  const isFile = value && (value.file === undefined || (typeof value.file === "string" && FILE.test(value.file)));
  return isFile && typeof value.family === "string" && /^[^;{}\\]{1,200}$/.test(value.family);
}

/**
 * @param {any} given what the theme's file says
 * @returns {{theme: Theme, problems: string[]}}
 */
export function readTheme(given) {
  /** @type {any} */
  const theme = JSON.parse(JSON.stringify(DEFAULT));
  /** @type {string[]} */
  const problems = [];
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    return { theme, problems: ["the theme is no object"] };
  }
  for (const name of Object.keys(given)) {
    const value = given[name];
    if (name === "name" || name === "$schema") continue;
    if (name === "layout") {
      const layouts = Array.isArray(value) ? value : [value];
      if (layouts.length > 0 && layouts.every((one) => LAYOUTS.indexOf(one) >= 0)) theme.layout = layouts;
      else problems.push("layout: must be of " + LAYOUTS.join(", "));
    } else if (name === "candidates") {
      if (Array.isArray(value) && value.length > 0 && value.every(isColor)) theme.candidates = value;
      else problems.push("candidates: must be a list of colours");
    } else if (name === "colors" || name === "fonts") {
      const isGood = name === "colors" ? isColor : isFont;
      if (value === null || typeof value !== "object") {
        problems.push(name + ": must be an object");
        continue;
      }
      for (const part of Object.keys(value)) {
        if (theme[name][part] === undefined) problems.push(name + "." + part + ": is unknown");
        else if (isGood(value[part])) theme[name][part] = value[part];
        else problems.push(name + "." + part + ": is none");
      }
    } else if (!RULES[name]) {
      problems.push(name + ": is unknown");
    } else if (RULES[name](value)) {
      theme[name] = value;
    } else problems.push(name + ": is none");
  }
  return { theme, problems };
}

/**
 * @param {string} url of the theme's JSON; empty: the built-in theme
 * @returns {Promise<{theme: Theme | null, problems: string[], url: string}>} null: there is none of that name
 */
export async function loadTheme(url) {
  if (!url) return { theme: readTheme({}).theme, problems: [], url };
  try {
    const answer = await fetch(url, { cache: "no-cache" });
    if (!answer.ok) return { theme: null, problems: ["the theme answered " + answer.status], url };
    const read = readTheme(await answer.json());
    const problems = read.problems.concat(await loadFonts(read.theme, url));
    return { theme: read.theme, problems, url };
  } catch (error) {
    return { theme: null, problems: ["the theme can't be had, or is no JSON"], url };
  }
}

/**
 * @param {Theme} theme
 * @param {string} url
 */
async function loadFonts(theme, url) {
  const problems = [];
  for (const name of /** @type {("text" | "figures")[]} */ (["text", "figures"])) {
    const { family, file } = theme.fonts[name];
    if (!file) continue;
    const own = "paredao-" + name;
    try {
      const face = await new FontFace(own, "url(" + new URL(file, url).href + ")").load();
      /** @type {any} */ (document.fonts).add(face);
      theme.fonts[name] = { family: own + ", " + family };
    } catch (error) {
      problems.push("fonts." + name + ": " + file + " can't be loaded");
    }
  }
  return problems;
}
