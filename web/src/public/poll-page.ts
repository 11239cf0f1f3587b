// The page of a poll: figures as they come, the state as it changes, the time that is left.

import { watchPoll, watchStanding } from "../../../clients/typescript/src/index.ts";
import type { Meta, Poll, Standing, WatchState } from "../../../clients/typescript/src/index.ts";
import { Countdown } from "../shared/countdown.ts";
import { show, the, write } from "../shared/dom.ts";
import { countText, percentText, text, timeText, wordsOf } from "../shared/words.ts";
import type { Words } from "../shared/words.ts";
import { Ballot } from "./ballot.ts";

type StateName = "not_open" | "open" | "paused" | "closed" | "final" | "void";

/** How a state is called on pages: what was opened ahead of its time is not open yet. */
function stateName({ state, status }: Pick<Poll, "state" | "status">): StateName {
  if (state === "void") return "void";
  if (state === "draft" || status === "not_open") return "not_open";
  if (state === "open" || state === "paused") return state;
  return state === "sealed" && status === "final" ? "final" : "closed";
}

class PollPage {
  readonly #words: Words;
  readonly #countdown = new Countdown(the("countdown"));
  readonly #ballot: Ballot;
  readonly #rows: ReadonlyMap<string, HTMLElement>;
  #isLive = false;
  /** The newest that was answered since the stream brought any: shown when production releases what it holds. */
  #answered: Standing | undefined;

  constructor(readonly main: HTMLElement) {
    this.#words = wordsOf(main);
    this.#ballot = new Ballot(main, this.#words);
    const rows = Array.from(main.querySelectorAll<HTMLElement>("[data-candidate]"));
    this.#rows = new Map(rows.map((row) => [row.dataset["candidate"] ?? "", row]));
    this.#draw();
  }

  start(): void {
    const poll = this.main.dataset["poll"] ?? "";
    watchPoll({ results: "", poll, onPoll: (document, meta) => this.#poll(document, meta) });
    // What is not public has no stream.
    if (this.main.dataset["visibility"] === "embargoed") return;
    watchStanding({
      results: "",
      poll,
      maxRate: 2,
      onStanding: (standing, meta) => this.#standing(standing, meta),
      onState: (state, problem) => this.#live(state, problem !== undefined),
    });
  }

  #poll(poll: Poll, meta: Meta): void {
    const { dataset } = this.main;
    this.#countdown.now(meta.serverMs);
    dataset["opens"] = poll.opens_at;
    dataset["closes"] = poll.closes_at;
    const isOther = dataset["release"] !== poll.release;
    const isHeldNow = isOther && poll.release === "held";
    const isReleasedNow = isOther && dataset["release"] === "held";
    dataset["release"] = poll.release;
    // The stream brings the figures at which it is held, and may have brought them already.
    if (isHeldNow && !this.#isLive) this.#held();
    if (isReleasedNow && this.#answered) this.#standing(this.#answered, meta);
    for (const candidate of poll.candidates) this.#withdrawn(candidate.id, candidate.withdrawn_at !== undefined);
    this.#ballot.channels(poll.channels);
    // Only figures say that they are the result: those that are shown may be those of a hold, or not the newest yet.
    const isResult = dataset["state"] === "final" || dataset["visibility"] === "embargoed";
    this.#state(poll, isResult);
  }

  #standing(standing: Standing, meta: Meta): void {
    this.#countdown.now(meta.serverMs);
    const { dataset } = this.main;
    const isAnswer = meta.how === "polling";
    if (isAnswer) this.#answered = standing;
    // What is held is held on the stream; who asks for the figures themselves gets the running ones.
    if (dataset["release"] === "held" && isAnswer) return;
    // Held figures have no channels. The stream knows of a hold and of its end before the poll's document comes.
    const isHeld = standing.channels.length === 0;
    if (!isHeld && !isAnswer) this.#answered = undefined;
    const name = stateName(standing);
    // It knows too that it was closed early, and that was the newest to happen: but in a hold, whose figures are of its own time.
    const isOfNow = !isHeld && dataset["release"] !== "held";
    const isEarly = isOfNow && Date.parse(standing.as_of) < Date.parse(dataset["closes"] ?? "");
    if (name === "closed" && isEarly) dataset["closes"] = standing.as_of;
    const isShown = name !== "not_open" && name !== "void";
    const isAny = standing.candidates.some(({ percent }) => (percent ?? 0) > 0);
    for (const { id, percent, withdrawn_at } of standing.candidates) {
      this.#withdrawn(id, withdrawn_at !== undefined);
      this.#bar(id, isShown && isAny ? percent : undefined);
    }
    this.#state(standing);
    const { total_votes: total } = standing;
    this.#note("no-figures", isShown && !isAny ? text(this.#words, "nobody") : "");
    const isCounted = isShown && isAny && total !== undefined;
    this.#note("total", isCounted ? text(this.#words, "total", ["count", countText(this.#words, total)]) : "");
    this.#note("as-of", isShown ? text(this.#words, "as_of", ["time", this.#time(standing.as_of)]) : "");
  }

  #state(told: Pick<Poll, "state" | "status">, isResult = true): void {
    const name = stateName(told);
    this.main.dataset["state"] = name === "final" && !isResult ? "closed" : name;
    show(the("stale"), told.status === "stale");
    this.#draw();
  }

  /** What production holds is no longer to be seen. */
  #held(): void {
    for (const id of this.#rows.keys()) this.#bar(id, undefined);
    this.#note("no-figures", text(this.#words, "held"));
    for (const id of ["total", "as-of"]) this.#note(id, "");
    if (this.main.dataset["state"] === "final") this.main.dataset["state"] = "closed";
    this.#draw();
  }

  #draw(): void {
    const { state = "", opens = "", closes = "" } = this.main.dataset;
    const at = state === "not_open" ? opens : closes;
    write(the("state"), text(this.#words, `state_${state}`, ["time", this.#time(at)]));
    this.#ballot.open(state === "open");
    if (state === "not_open") this.#countdown.to(text(this.#words, "opens_in"), opens);
    else this.#countdown.to(text(this.#words, "closes_in"), state === "open" || state === "paused" ? closes : undefined);
    // Nothing follows, whatever becomes of the stream.
    if (state === "final" || state === "void") show(the("live"), false);
    if (state === "void") {
      for (const id of this.#rows.keys()) this.#bar(id, undefined);
      for (const id of ["no-figures", "total", "as-of"]) this.#note(id, "");
    }
  }

  #bar(id: string, percent: number | undefined): void {
    const row = this.#rows.get(id);
    const [label] = row?.getElementsByClassName("percent") ?? [];
    const [bar] = row?.getElementsByClassName("bar") ?? [];
    const [fill] = row?.getElementsByClassName("fill") ?? [];
    if (!label || !bar || !fill) return;
    write(label, percent === undefined ? "" : percentText(this.#words, percent));
    fill.setAttribute("width", `${percent ?? 0}%`);
    show(bar, percent !== undefined);
  }

  #withdrawn(id: string, isWithdrawn: boolean): void {
    const row = this.#rows.get(id);
    if (!row) return;
    row.classList.toggle("withdrawn", isWithdrawn);
    const [out] = row.getElementsByClassName("out");
    if (out) show(out, isWithdrawn);
  }

  #live(state: WatchState, isRefused: boolean): void {
    this.#isLive = state === "live";
    const isHeld = this.main.dataset["release"] === "held";
    // There are no figures at which it is held.
    if (isRefused && isHeld) this.#held();
    const element = the("live");
    const isLive = state === "live" || (state === "polling" && !isHeld);
    element.classList.toggle("on", isLive);
    show(element, state !== "ended" && !/^(final|void)$/.test(this.main.dataset["state"] ?? ""));
    write(element, text(this.#words, isLive ? "live" : "not_live"));
  }

  #note(id: string, said: string): void {
    const element = the(id);
    write(element, said);
    show(element, said !== "");
  }

  #time(at: string): string {
    return timeText(this.#words, at, this.main.dataset["timezone"] ?? "UTC");
  }
}

export function pollPage(main: HTMLElement): void {
  new PollPage(main).start();
}
