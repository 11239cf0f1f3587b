// The same graphic as an OGraf graphic (EBU, version 1): https://ograf.ebu.io
//
// Each layout has a file of its own that exports a class made here: a renderer may call `load()` without anything, and
// the manifest's defaults are not handed over by all of them. Nothing is defined here, and nothing is made in the
// constructor: the renderer defines the element, under a name of its choice.

import { Overlay } from "./overlay.js";

/**
 * @typedef {object} Package what `votectl graphics package` writes
 * @property {string} url where the results service is
 * @property {string} poll
 * @property {string} [token]
 * @property {string} [theme] the theme's file in the package
 */

const GOOD = { statusCode: 200, statusMessage: "OK" };
const NOT_LOADED = { statusCode: 409, statusMessage: "load() has to come first" };
const NO_TIME = { statusCode: 501, statusMessage: "the figures are those of now: there is no rendering out of real time" };

/**
 * @param {string} layout
 * @param {Package} settings
 */
export function graphicOf(layout, settings) {
  return class extends HTMLElement {
    /** @param {any} [given] */
    async load(given) {
      const params = given || {};
      if (params.renderType === "non-realtime") return { statusCode: 400, statusMessage: NO_TIME.statusMessage };
      if (this.overlay) this.overlay.dispose();
      const root = this.root || this.attachShadow({ mode: "closed" });
      this.root = root;
      root.textContent = "";
      this.style.display = "block";
      this.style.position = "absolute";
      this.style.left = "0";
      this.style.top = "0";
      this.style.width = "100%";
      this.style.height = "100%";
      // Without it nothing would be in its place.
      if (!(await stylesheet(root))) return { statusCode: 500, statusMessage: "graphic.css is not beside ograf.js" };
      const overlay = new Overlay(root, {
        base: settings.url,
        poll: settings.poll,
        token: settings.token,
        isShared: false,
        themeUrl: () => (settings.theme ? new URL(settings.theme, import.meta.url).href : ""),
        flags: this,
        choices: { layouts: [layout] },
      });
      this.overlay = overlay;
      /** @type {number | undefined} */
      this.step = undefined;
      const fit = () => overlay.resize(this.clientWidth, this.clientHeight);
      this.sizes = this.sizes || new ResizeObserver(() => this.refit && this.refit());
      this.refit = fit;
      this.sizes.observe(this);
      fit();
      const problem = await overlay.update(params.data, true);
      await overlay.start();
      return answer(problem);
    }

    async dispose() {
      if (this.sizes) this.sizes.disconnect();
      if (this.overlay) this.overlay.dispose();
      this.overlay = undefined;
      if (this.root) this.root.textContent = "";
      return GOOD;
    }

    /** @param {any} [params] */
    async updateAction(params) {
      if (!this.overlay) return NOT_LOADED;
      const { data, skipAnimation } = params || {};
      return answer(await this.overlay.update(data, skipAnimation === true));
    }

    /**
     * @param {any} [params]
     * @returns {Promise<any>} with `currentStep`, which is undefined at the end
     */
    async playAction(params) {
      if (!this.overlay) return Object.assign({ currentStep: undefined }, NOT_LOADED);
      const { delta, goto, skipAnimation } = params || {};
      /** @type {number} */
      const before = this.step === undefined ? -1 : this.step;
      /** @type {number} */
      const target = typeof goto === "number" ? goto : before + (typeof delta === "number" ? delta : 1);
      // There is one step. Beyond it is the end, before it the beginning: nothing is shown in either.
      this.step = target === 0 ? 0 : undefined;
      if (this.step === 0) await this.overlay.play(skipAnimation === true);
      else await this.overlay.stop(skipAnimation === true);
      return Object.assign({ currentStep: this.step }, GOOD);
    }

    /** @param {any} [params] */
    async stopAction(params) {
      if (!this.overlay) return NOT_LOADED;
      this.step = undefined;
      await this.overlay.stop((params || {}).skipAnimation === true);
      return GOOD;
    }

    /** @param {any} [params] */
    async customAction(params) {
      if (!this.overlay) return NOT_LOADED;
      const { id, payload, skipAnimation } = params || {};
      if (id !== "sort") return { statusCode: 404, statusMessage: "the only custom action is `sort`" };
      const by = payload && payload.by;
      if (by !== "rank" && by !== "candidate") {
        return { statusCode: 400, statusMessage: "the payload's `by` must be `rank` or `candidate`" };
      }
      return answer(await this.overlay.update({ sort: by }, skipAnimation === true));
    }

    async goToTime() {
      return NO_TIME;
    }

    async setActionsSchedule() {
      return NO_TIME;
    }
  };
}

/** @param {string} problem */
function answer(problem) {
  return problem ? { statusCode: 400, statusMessage: problem } : GOOD;
}

/**
 * A renderer may hold the graphic in a shadow root, where the page's style sheets don't reach.
 * @param {ShadowRoot} root
 */
function stylesheet(root) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("graphic.css", import.meta.url).href;
  return new Promise((/** @type {(isThere: boolean) => void} */ done) => {
    link.onload = () => done(true);
    link.onerror = () => done(false);
    root.appendChild(link);
  });
}
