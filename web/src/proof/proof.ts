/*! altcha 3.2.2, MIT, Copyright (c) Daniel Regeci, https://altcha.org */
// The official widget, as the page uses it: loaded by the first vote that needs a proof of work.

import "altcha/external";
import "altcha/i18n/es-419";
import "altcha/i18n/pt-br";

/** The one algorithm of our challenges. */
const ALGORITHM = "PBKDF2/SHA-256";
/** Longer than the widget itself tries: where its workers don't even start, nobody else says so. */
const PATIENCE_MS = 100_000;

/** So much of Trusted Types as is used; browsers without them have no `trustedTypes`. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
const trusted = trustedTypes?.createPolicy("paredao-worker", {
  createScriptURL(url) {
    if (!/^\/assets\/[\w.-]+$/.test(url)) throw new TypeError(`${url} is none of our workers`);
    return url;
  },
});

$altcha.defaults.set({
  hideFooter: true,
  hideLogo: true,
  // It would watch pointer and scrolling.
  humanInteractionSignature: false,
  minDuration: 300,
});

/** Solves a challenge by workers of that address, in a widget in `host`. Gives the payload; rejects where there is none. */
export function solve(host: Element, challenge: object, worker: string): Promise<string> {
  $altcha.algorithms.set(ALGORITHM, () => new Worker(trusted?.createScriptURL(worker) ?? worker));
  const widget = document.createElement("altcha-widget");
  widget.setAttribute("challenge", JSON.stringify(challenge));
  return new Promise((solved, failed) => {
    const timer = setTimeout(() => failed(new Error("no solution in time")), PATIENCE_MS);
    widget.addEventListener("load", () => void widget.verify(), { once: true });
    widget.addEventListener("verified", (event) => {
      clearTimeout(timer);
      solved((event as CustomEvent<{ payload: string }>).detail.payload);
    });
    // "expired" is told by the clock of this machine, which may be ahead: the service's is the one that counts.
    widget.addEventListener("statechange", (event) => {
      const { state } = (event as CustomEvent<{ state: string }>).detail;
      if (state !== "error" && state !== "unverified") return;
      clearTimeout(timer);
      failed(new Error(`the widget is ${state}`));
    });
    host.replaceChildren(widget);
  });
}
