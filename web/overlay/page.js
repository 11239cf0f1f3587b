// The page for browser sources: OBS and vMix open it, CasparCG calls its functions.

import { Overlay, choicesOfQuery } from "./overlay.js";

/** @typedef {"play" | "stop" | "next" | "update" | "remove"} Call */

const flags = document.documentElement;
const here = new URL(location.href);
const { choices, problem } = choicesOfQuery(here.searchParams);
// `/overlay/{poll}`: the service is a folder up, wherever a proxy has put it.
const base = new URL("..", here).href;
const poll = decodeURIComponent(here.pathname.split("/").pop() || "");
const [given, autoplay] = ["size", "autoplay"].map((name) => here.searchParams.get(name) || "");
const size = sizeOf(given);
const overlay = new Overlay(document.body, {
  base,
  poll,
  token: here.searchParams.get("token") || undefined,
  isShared: true,
  themeUrl: (theme) => (theme ? new URL("themes/" + theme + ".json", here).href : ""),
  flags,
  // The address says which poll it is.
  choices: Object.assign({}, choices, { poll: undefined }),
});
const problems = [
  problem,
  given && !size ? "size must be 1080, 2160 or like 1920x1080" : "",
  ["", "0", "1"].indexOf(autoplay) < 0 ? "autoplay must be 0 or 1" : "",
].filter((one) => one !== "");
if (problems.length > 0) {
  flags.dataset.addressProblem = problems.join("; ");
  console.warn("paredao: address: " + problems.join("; "));
}

fit();
window.addEventListener("resize", fit);

/** @type {{calls: [Call, unknown][], endPage: () => void, run: (name: Call, given: unknown) => unknown}} */
const early = /** @type {any} */ (window).paredao;
/** A host that calls decides when it plays; where nobody does, it plays as soon as there is something to show. */
let isHosted = autoplay === "0";

early.run = (name, given) => {
  isHosted = true;
  return call(name, given);
};
early.calls.forEach(([name, given]) => early.run(name, given));
overlay.start().then(() => {
  // CasparCG's first call comes with the page's load.
  setTimeout(() => {
    if (!isHosted) overlay.play();
  }, 0);
});

/**
 * @param {Call} name
 * @param {unknown} given
 */
async function call(name, given) {
  if (name === "update") await overlay.update(given);
  else if (name === "play") await overlay.play();
  else if (name === "next") await overlay.next();
  else if (name === "stop") {
    await overlay.stop();
    // It may have been told to play again while it went out.
    if (!overlay.isPlaying) end();
  } else if (name === "remove") end();
}

function end() {
  // A host that ends pages ends this one; in any other it stays, and can be played again.
  early.endPage();
}

function fit() {
  if (size) overlay.resize(size[0], size[1]);
  else overlay.resize(window.innerWidth, window.innerHeight);
}

/**
 * `1080`, `2160` or `1920x1080`. Of nothing by anything there would be nothing to see.
 * @param {string} text
 * @returns {[number, number] | null}
 */
function sizeOf(text) {
  const found = /^(?:([1-9]\d{1,4})x)?([1-9]\d{1,4})$/.exec(text);
  if (!found) return null;
  const height = Number(found[2]);
  return [found[1] ? Number(found[1]) : Math.round((height * 16) / 9), height];
}
