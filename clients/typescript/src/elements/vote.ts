import { castVote, resumeVotes, watchPoll } from "../index.js";
import type { CastOutcome, Direction, Poll, SendOptions, VoteStorage } from "../index.js";
import { PollElement, make, say } from "./base.js";
import { when } from "./standing.js";
import { fill } from "./texts.js";
import type { StateText } from "./texts.js";

/** Polls whose kept votes this page has taken up already. */
const resumed = new Set<string>();

/**
 * `<paredao-vote ingest="https://vote.example" results="https://results.example" poll="paredao-01">`: a ballot. It says
 * what a vote means, sends it until it is known what became of it, and tells the page by the event `paredao-vote`.
 */
export class ParedaoVote extends PollElement {
  /** For channels that ask for it: see `castVote`. */
  voterToken: SendOptions["voterToken"];
  proof: SendOptions["proof"];
  storage: VoteStorage | null | undefined;

  #poll: Poll | undefined;
  #state: StateText = "loading";
  #isSending = false;
  #isOpenEnd = false;
  #title = make0("p");
  #fieldset = make0("fieldset");
  #button = make0("button");
  #status = make0("p");
  #message = make0("p");
  #receipt = make0("p");

  protected begin(poll: string, signal: AbortSignal) {
    this.#poll = undefined;
    this.#state = "loading";
    this.#isOpenEnd = false;
    this.#title = make("p", "title");
    this.#fieldset = make("fieldset", "candidates");
    this.#button = make("button", "submit");
    this.#button.type = "submit";
    this.#status = make("p", "status");
    this.#message = make("p", "message");
    this.#receipt = make("p", "receipt");
    this.#status.setAttribute("role", "status");
    this.#message.setAttribute("role", "status");
    const form = make("form", "form stack", this.#fieldset, this.#button);
    form.noValidate = true;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#cast(poll);
    });
    form.addEventListener("change", () => this.#label());
    this.#receipt.hidden = true;
    this.shadowRoot!.append(make("div", "vote stack", this.#title, this.#status, form, this.#message, this.#receipt));
    this.#draw();
    watchPoll({
      results: this.text("results"),
      poll,
      signal,
      onPoll: (known) => {
        this.#poll = known;
        this.#state = stateOf(known, this.getAttribute("channel"), !!(this.voterToken ?? this.proof));
        this.#draw();
      },
      // A ballot that is known stays good: ingest may be there where results is not.
      onState: (state, problem) => {
        if (state !== "stale" || this.#poll) return;
        this.#state = problem?.code === "unknown-poll" ? "unknown-poll" : "unavailable";
        this.#draw();
      },
    });
    void this.#resume(poll);
  }

  async #resume(poll: string) {
    if (resumed.has(poll)) return;
    resumed.add(poll);
    // A page's own proof may fail: then there is nothing to tell of this vote.
    const onResumed = (_key: string, ended: Promise<CastOutcome>) => void ended.then((end) => this.#ended(end, "", true), () => {});
    await resumeVotes({ ...this.#options(), poll, onResumed }).catch(() => {});
  }

  #options(): SendOptions {
    const { voterToken, proof, storage } = this;
    return { voterToken, proof, storage };
  }

  get #chosen() {
    const id = this.#fieldset.querySelector<HTMLInputElement>(":checked")?.value;
    return this.#poll?.candidates.find((candidate) => candidate.id === id);
  }

  async #cast(poll: string) {
    // A second click while the first one is on its way is the same vote.
    if (this.#isSending || this.#button.disabled) return;
    const chosen = this.#chosen;
    if (!chosen || !this.#poll) {
      say(this.#message, this.texts.choose);
      this.#fieldset.querySelector("input")?.focus();
      return;
    }
    this.#isSending = true;
    this.#receipt.hidden = true;
    say(this.#message, this.texts.sending);
    this.#draw();
    const direction = this.#poll.direction as Direction;
    const channel = this.text("channel") || undefined;
    const { waiting } = this.texts;
    try {
      const vote = { ingest: this.text("ingest"), poll, candidate: chosen.id, channel, direction };
      const onWaiting: SendOptions["onWaiting"] = (why) => say(this.#message, waiting[why]);
      this.#ended(await castVote({ ...vote, ...this.#options(), onWaiting }), chosen.name, false);
    } catch (error) {
      // The page's own proof has failed.
      say(this.#message, fill(this.texts.refused.other!, { code: "proof" }));
      console.error(error);
    } finally {
      this.#isSending = false;
      this.#draw();
    }
  }

  #ended(end: CastOutcome, name: string, isResumed: boolean) {
    const { texts } = this;
    const direction = (this.#poll?.direction ?? "eliminate") as Direction;
    if (end.outcome === "accepted") {
      say(this.#message, isResumed ? texts.resumed : fill(texts.accepted[direction], { name }));
      this.#receipt.hidden = !end.receipt;
      this.#receipt.replaceChildren(`${texts.receipt} `, make("code", "receipt-text", end.receipt ?? ""));
      const checked = this.#fieldset.querySelector<HTMLInputElement>(":checked");
      if (checked && !isResumed) checked.checked = false;
    } else if (end.outcome === "unknown") {
      this.#isOpenEnd = true;
      say(this.#message, texts.unknown);
    } else {
      say(this.#message, fill(texts.refused[end.code] ?? texts.refused.other!, { code: end.code }));
    }
    this.#draw();
    this.tell("paredao-vote", { ...end, resumed: isResumed });
  }

  #label() {
    const direction = (this.#poll?.direction ?? "eliminate") as Direction;
    const chosen = this.#chosen;
    say(this.#button, chosen ? fill(this.texts.submitFor[direction], { name: chosen.name }) : this.texts.submit[direction]);
  }

  #draw() {
    const { texts, language } = this;
    const poll = this.#poll;
    say(this.#title, poll?.title ?? "");
    this.#title.hidden = !poll;
    const opens = this.#state === "not_open" && poll?.opens_at;
    const said = opens ? fill(texts.state.opens, { time: when(opens, language) }) : texts.state[this.#state];
    say(this.#status, poll?.kind === "rehearsal" ? `${texts.rehearsal} ${said}` : said);
    const isOpen = this.#state === "open" && !this.#isOpenEnd;
    this.#fieldset.hidden = this.#button.hidden = !poll;
    this.#fieldset.disabled = !isOpen || this.#isSending;
    this.#button.disabled = !isOpen;
    this.#button.setAttribute("aria-disabled", String(this.#isSending || !isOpen));
    if (poll) this.#candidates(poll);
    this.#label();
    this.show(this.#isSending ? "sending" : this.#isOpenEnd ? "unknown" : this.#state);
  }

  /** The candidates, drawn anew only where they have changed: a choice, and the focus, stay. */
  #candidates(poll: Poll) {
    const drawn = JSON.stringify([poll.direction, poll.candidates.map(({ id, name, withdrawn_at }) => [id, name, withdrawn_at])]);
    if (this.#fieldset.dataset.drawn === drawn) return;
    const chosen = this.#chosen?.id;
    this.#fieldset.dataset.drawn = drawn;
    this.#fieldset.replaceChildren(make("legend", "question", this.texts.question[poll.direction as Direction]));
    for (const { id, name, withdrawn_at } of poll.candidates) {
      const input = make("input");
      input.type = "radio";
      input.name = "candidate";
      input.value = id;
      input.disabled = !!withdrawn_at;
      input.checked = id === chosen && !withdrawn_at;
      const text = withdrawn_at ? `${name} (${this.texts.withdrawn})` : name;
      this.#fieldset.append(make("label", "candidate", input, make("span", "name", text)));
    }
  }
}

/** How the poll stands for whoever wants to vote through the channel. */
function stateOf(poll: Poll, channel: string | null, canIdentify: boolean): StateText {
  if (poll.status === "void" || poll.state === "void") return "void";
  if (poll.status === "final") return "final";
  if (poll.status === "not_open") return "not_open";
  if (poll.state !== "open") return poll.state === "paused" ? "paused" : "closed";
  const used = channel ? poll.channels.find(({ id }) => id === channel) : poll.channels[0];
  return used && used.eligibility !== "open" && !canIdentify ? "voter" : "open";
}

/** What a field holds until the element is put into a page, and drawn. Without a document there is nothing to hold. */
function make0<T extends keyof HTMLElementTagNameMap>(tag: T): HTMLElementTagNameMap[T] {
  return globalThis.document ? document.createElement(tag) : (undefined as never);
}
