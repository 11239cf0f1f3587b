import { style } from "./style.js";
import { languageOf, textsOf } from "./texts.js";
import type { Texts } from "./texts.js";

/** Where there is no document (a server renders the page) the module can be imported all the same. */
const Parent = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/** What both elements have in common: a shadow root, a language, and a life between being put in and taken out. */
export abstract class PollElement extends Parent {
  protected texts: Texts = textsOf("pt-BR");
  protected language = "pt-BR";
  #life: AbortController | undefined;

  static get observedAttributes() {
    return ["results", "ingest", "poll", "lang", "channel"];
  }

  constructor() {
    super();
    this.attachShadow({ mode: "open", delegatesFocus: true }).adoptedStyleSheets = [style()];
  }

  connectedCallback() {
    this.#begin();
  }

  disconnectedCallback() {
    this.#life?.abort();
    this.#life = undefined;
  }

  attributeChangedCallback(_name: string, before: string | null, now: string | null) {
    if (before !== now && this.#life) this.#begin();
  }

  #begin() {
    this.#life?.abort();
    this.#life = new AbortController();
    this.language = languageOf(this);
    this.texts = textsOf(this.language);
    this.shadowRoot!.replaceChildren();
    const poll = this.getAttribute("poll");
    if (poll) this.begin(poll, this.#life.signal);
  }

  /** Draws it, and goes on until the signal. */
  protected abstract begin(poll: string, signal: AbortSignal): void;

  protected text(name: "results" | "ingest" | "channel") {
    return this.getAttribute(name) ?? "";
  }

  /** Tells the page: the event bubbles, out of shadow roots too. */
  protected tell(name: string, detail: unknown) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  /** Says for style sheets and scripts how it stands, in the attribute `state`. */
  protected show(state: string) {
    if (this.getAttribute("state") === state) return;
    this.setAttribute("state", state);
    this.tell("paredao-state", { state });
  }
}

/** An element with its class, which is its part as well, and what is in it. */
export function make<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  name = "",
  ...inside: (Node | string)[]
): HTMLElementTagNameMap[T] {
  const made = document.createElement(tag);
  if (name) {
    made.className = name;
    made.setAttribute("part", name);
  }
  made.append(...inside);
  return made;
}

/** Sets a text only where it changes: a screen reader says what is set anew. */
export function say(element: Element, text: string) {
  if (element.textContent !== text) element.textContent = text;
}
