import { watchPoll, watchStanding } from "../index.js";
import type { Poll, Problem, Standing, WatchState } from "../index.js";
import { PollElement, make, say } from "./base.js";
import { fill } from "./texts.js";
import type { StateText } from "./texts.js";

interface Row {
  whole: HTMLElement;
  name: HTMLElement;
  percent: HTMLElement;
  votes: HTMLElement;
  fill: HTMLElement;
}

/**
 * `<paredao-standing results="https://results.example" poll="paredao-01">`: a poll's percentages, as they change. What is
 * not known, or not public, is a dash, never a zero.
 */
export class ParedaoStanding extends PollElement {
  #rows = new Map<string, Row>();
  #standing: Standing | undefined;
  #poll: Poll | undefined;
  #link: WatchState | "loading" = "loading";
  #problem: Problem | undefined;
  #draw = () => {};

  /** The figures that are shown. */
  get standing() {
    return this.#standing;
  }

  protected begin(poll: string, signal: AbortSignal) {
    this.#standing = this.#poll = this.#problem = undefined;
    this.#link = "loading";
    this.#rows.clear();
    const title = make("p", "title");
    const status = make("p", "status");
    status.setAttribute("role", "status");
    const list = make("ul", "list stack");
    this.shadowRoot!.append(make("div", "standing stack", title, status, list));
    this.#draw = () => this.#show(title, status, list);
    this.#draw();
    const results = this.text("results");
    const onState = (state: WatchState, problem?: Problem) => {
      this.#link = state;
      this.#problem = problem;
      this.#draw();
    };
    const onStanding = (standing: Standing) => {
      this.#standing = standing;
      this.#draw();
      this.tell("paredao-standing", standing);
    };
    watchStanding({ results, poll, signal, onState, onStanding });
    // Names, and when it opens, are known before there are figures.
    const onPoll = (known: Poll) => {
      this.#poll = known;
      this.#draw();
    };
    watchPoll({ results, poll, signal, onPoll });
  }

  get #state(): StateText {
    const standing = this.#standing;
    const code = this.#problem?.code;
    if (code === "unknown-poll") return "unknown-poll";
    if (standing?.status === "void" || this.#poll?.status === "void") return "void";
    if (code === "figures-restricted") return "restricted";
    if (!standing) return this.#link === "loading" ? "loading" : "unavailable";
    if (standing.status === "stale" || this.#link === "stale") return "stale";
    if (standing.status === "final" || standing.status === "not_open") return standing.status;
    // Sealed while production holds older figures: those are not the result.
    if (standing.state === "sealed") return "closed";
    return standing.state === "paused" || standing.state === "closed" ? standing.state : "open";
  }

  #show(title: HTMLElement, status: HTMLElement, list: HTMLElement) {
    const standing = this.#standing;
    const poll = standing ?? this.#poll;
    const state = this.#state;
    const { texts, language } = this;
    const text = poll?.title ?? "";
    say(title, text);
    title.hidden = !text;
    const opens = state === "not_open" && this.#poll?.opens_at;
    const said = opens ? fill(texts.state.opens, { time: when(opens, language) }) : texts.state[state];
    say(status, poll?.kind === "rehearsal" ? `${texts.rehearsal} ${said}` : said);
    list.classList.toggle("stale", state === "stale");
    list.hidden = !poll;
    list.setAttribute("aria-label", fill(texts.list, { title: text }));
    // Before the opening there are none, void ones decide nothing, and those that are not public any more are not shown on.
    const known = /^(not_open|void|restricted)$/.test(state) ? undefined : standing;
    const figures = new Map(known?.candidates.map((candidate) => [candidate.id, candidate]));
    const shown = poll?.candidates ?? [];
    for (const [id, row] of this.#rows) {
      if (shown.some((one) => one.id === id)) continue;
      row.whole.remove();
      this.#rows.delete(id);
    }
    for (const { id, name, color, withdrawn_at } of shown) {
      const row = this.#row(id, list);
      const figure = figures.get(id);
      say(row.name, name);
      const percent = figure?.percent;
      const number = (value: number, digits: number) =>
        new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
      say(row.percent, withdrawn_at ? texts.withdrawn : percent === undefined ? "–" : `${number(percent, 2)} %`);
      row.votes.hidden = figure?.votes === undefined || !this.hasAttribute("votes");
      say(row.votes, fill(texts.votes, { votes: number(figure?.votes ?? 0, 0) }));
      row.fill.style.setProperty("--share", String((percent ?? 0) / 100));
      if (color) row.fill.style.setProperty("background", `var(--paredao-fill, ${color})`);
    }
    this.show(state);
  }

  #row(id: string, list: HTMLElement): Row {
    let row = this.#rows.get(id);
    if (!row) {
      const [name, percent, votes, bar] = [make("span", "name"), make("span", "percent"), make("span", "votes"), make("div", "fill")];
      const track = make("div", "bar", bar);
      track.setAttribute("aria-hidden", "true");
      row = { whole: make("li", "candidate row", name, percent, track, votes), name, percent, votes, fill: bar };
      this.#rows.set(id, row);
    }
    list.append(row.whole);
    return row;
  }
}

/** A time for people, in their own time zone. */
export function when(time: string, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" }).format(new Date(time));
}
