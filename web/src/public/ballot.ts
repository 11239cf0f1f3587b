// Voting: what is to be confirmed, the vote on its way, and what became of it.

import { castVote, resumeVotes } from "../../../clients/typescript/src/index.ts";
import type { CastOutcome, Direction, Poll, VoteToProve, WaitingFor } from "../../../clients/typescript/src/index.ts";
import { made, show, the, write } from "../shared/dom.ts";
import { text } from "../shared/words.ts";
import type { Words } from "../shared/words.ts";
import { canProve, GivenUp, Prover } from "./prover.ts";

/** So many proofs are made for a vote, before its refusal is told. */
const PROOFS = 3;

interface Choice {
  candidate: string;
  name: string;
  channel: string;
}

export class Ballot {
  readonly #form = the<HTMLFormElement>("ballot");
  readonly #dialog = the<HTMLDialogElement>("confirm");
  readonly #poll: string;
  readonly #direction: Direction;
  readonly #prover: Prover;
  /** What each channel asks for, as last told. */
  #asks: ReadonlyMap<string, string>;
  #isOpen = false;
  #choice: Choice | undefined;
  /** Votes that are on their way. */
  #sending = 0;

  constructor(
    readonly main: HTMLElement,
    readonly words: Words,
  ) {
    this.#poll = main.dataset["poll"] ?? "";
    this.#direction = main.dataset["direction"] as Direction;
    this.#prover = new Prover(main, words);
    const channels = (main.dataset["channels"] ?? "").split(" ").map((one) => one.split(":") as [string, string]);
    this.#asks = new Map(channels);
    this.#offer();
    this.#form.addEventListener("submit", (event) => this.#ask(event));
    this.#dialog.addEventListener("close", () => this.#confirmed());
    void this.#resume();
  }

  /** Whether votes are taken now. */
  open(isOpen: boolean): void {
    this.#isOpen = isOpen;
    this.#draw();
  }

  /** What channels ask for now: more than before, while the poll is open. */
  channels(channels: Poll["channels"]): void {
    const isNew = channels.some(({ id, eligibility }) => this.#asks.get(id) !== eligibility);
    if (!isNew) return;
    this.#asks = new Map(channels.map(({ id, eligibility }) => [id, eligibility]));
    this.#offer();
    this.#draw();
  }

  /** Offers the channels by which one can vote here, and says of the others why not. */
  #offer(): void {
    const notes: HTMLElement[] = [];
    const inputs: HTMLInputElement[] = [];
    for (const [channel, asks] of this.#asks) {
      const input = this.#form.querySelector<HTMLInputElement>(`input[name="channel"][value="${channel}"]`);
      const why = this.#whyNot(asks, input !== null);
      if (why) notes.push(made("p", text(this.words, why, ["channel", channel]), "note"));
      if (!input) continue;
      input.disabled = why !== undefined;
      const label = input.closest("label");
      if (label) show(label, !why);
      if (!why) inputs.push(input);
    }
    if (!inputs.some(({ type, checked }) => type === "hidden" || checked) && inputs[0]) inputs[0].checked = true;
    const isNone = inputs.length === 0 && Array.from(this.#asks.values()).every((asks) => this.#whyNot(asks, true) === "channel_elsewhere");
    the("elsewhere").replaceChildren(...(isNone ? [made("p", text(this.words, "no_channel"), "note")] : notes));
  }

  #whyNot(asks: string, isOffered: boolean): string | undefined {
    if (asks === "open" && isOffered) return undefined;
    if (asks !== "proof_of_work" || !isOffered) return "channel_elsewhere";
    // A browser without dialogs goes the way of those without scripts, which make no proofs.
    return canProve() && typeof this.#dialog.showModal === "function" ? undefined : "channel_insecure";
  }

  #draw(): void {
    const canVote = this.#isOpen && this.#channel() !== undefined;
    const [asking] = this.#form.getElementsByClassName("asking");
    if (asking) show(asking, this.#isOpen);
    for (const button of this.#form.querySelectorAll<HTMLButtonElement>("button.vote")) {
      const isOut = button.closest("li")?.classList.contains("withdrawn") ?? false;
      show(button, canVote && !isOut);
      button.disabled = this.#sending > 0;
    }
    if (!this.#isOpen && this.#dialog.open) this.#dialog.close("no");
  }

  /** The channel that is chosen; none where this page takes no votes. */
  #channel(): string | undefined {
    const channel = new FormData(this.#form).get("channel");
    return typeof channel === "string" ? channel : undefined;
  }

  #ask(event: SubmitEvent): void {
    const button: HTMLElement | null | undefined = event.submitter;
    const channel = this.#channel();
    const hasDialogs = typeof this.#dialog.showModal === "function";
    // Safari before 15.4 says of no button that it was pressed, and has no dialogs either.
    if (button === undefined && !hasDialogs && channel !== undefined) return;
    // Enter in a radio button presses the first button, which may be one that is not shown.
    if (!(button instanceof HTMLButtonElement) || button.hidden || channel === undefined) return event.preventDefault();
    // A browser without dialogs goes the way of those without scripts.
    if (!hasDialogs) return;
    event.preventDefault();
    const name = button.closest("li")?.dataset["name"] ?? "";
    this.#choice = { candidate: button.value, name, channel };
    const filled = ["name", name] as const;
    write(the("confirm-what"), text(this.words, `confirm_${this.#direction}`, filled));
    write(the("confirm-do"), text(this.words, `confirm_do_${this.#direction}`, filled));
    write(the("confirm-channel"), text(this.words, "by_channel", ["channel", channel]));
    // While the voter reads.
    if (this.#asks.get(channel) === "proof_of_work") void this.#prover.load().catch(() => undefined);
    this.#dialog.returnValue = "no";
    this.#dialog.showModal();
  }

  #confirmed(): void {
    const choice = this.#choice;
    this.#choice = undefined;
    if (choice && this.#dialog.returnValue === "yes") void this.#cast(choice);
  }

  async #cast({ candidate, channel }: Choice): Promise<void> {
    this.#say("waiting", [text(this.words, "sending")]);
    await this.#while(async () => {
      let end: CastOutcome | undefined;
      for (let attempt = 1; !end || (attempt <= PROOFS && this.#needsProof(end, channel)); attempt += 1) {
        end = await castVote({
          key: end?.key,
          ingest: this.main.dataset["ingest"] ?? "",
          poll: this.#poll,
          candidate,
          channel,
          direction: this.#direction,
          proof: (vote) => this.#proof(vote),
          onWaiting: (why) => this.#waiting(why),
        });
      }
      this.#ended(end);
    });
  }

  /** Whether a vote was refused for want of a proof that can be made: that one was too late, or is asked for by now. */
  #needsProof(end: CastOutcome, channel: string): boolean {
    if (end.outcome !== "refused" || !end.code.startsWith("proof-")) return false;
    // The service says so before the poll's document has come that does.
    if (this.#asks.get(channel) === "open") {
      this.#asks = new Map(this.#asks).set(channel, "proof_of_work");
      this.#offer();
    }
    return canProve() && this.#asks.get(channel) === "proof_of_work";
  }

  /** Votes of this browser that never got an answer: the page was closed, or the network away. Another tab may be at it still. */
  async #resume(): Promise<void> {
    await resumeVotes({
      poll: this.#poll,
      proof: (vote) => this.#proof(vote),
      onWaiting: (why) => this.#waiting(why),
      onResumed: (_key, ended) => void this.#while(async () => this.#ended(await ended)),
    }).catch(() => undefined);
  }

  /** The proof of a vote, where its channel asks for one. */
  async #proof(vote: VoteToProve): Promise<string | undefined> {
    if (this.#asks.get(vote.channel ?? "") !== "proof_of_work") return undefined;
    show(the("outcome"), false);
    const proof = await this.#prover.prove(vote);
    this.#say("waiting", [text(this.words, "sending")]);
    return proof;
  }

  async #while(work: () => Promise<void>): Promise<void> {
    this.#sending += 1;
    this.#draw();
    try {
      await work();
    } catch (error) {
      if (error instanceof GivenUp) show(the("outcome"), false);
      else this.#say("refused", this.#problem("other"));
    } finally {
      this.#sending -= 1;
      this.#draw();
    }
  }

  #waiting(why: WaitingFor): void {
    this.#say("waiting", [text(this.words, why === "offline" ? "offline" : "retrying")]);
  }

  #ended(end: CastOutcome): void {
    if (end.outcome === "accepted") {
      const name = end.duplicate ? "already_accepted" : "accepted";
      this.#say("accepted", [text(this.words, name)], end.receipt);
    } else if (end.outcome === "unknown") {
      this.#say("refused", [text(this.words, "unknown")]);
    } else {
      this.#say("refused", this.#problem(end.code));
    }
    const outcome = the("outcome");
    outcome.focus({ preventScroll: true });
    outcome.scrollIntoView({ block: "nearest" });
  }

  #problem(code: string): readonly string[] {
    const known = code.startsWith("proof-") ? "proof-required" : code;
    return this.words.problems[known] ?? this.words.problems["other"] ?? [];
  }

  #say(kind: "waiting" | "accepted" | "refused", [title = "", ...more]: readonly string[], receipt?: string): void {
    const outcome = the("outcome");
    outcome.className = `outcome ${kind}`;
    const parts: Element[] = [made("p", title, "title"), ...more.map((said) => made("p", said))];
    if (receipt) {
      const link = made("a", text(this.words, "receipt_link"));
      link.href = `/polls/${encodeURIComponent(this.#poll)}/receipts/${encodeURIComponent(receipt)}?lang=${document.documentElement.lang}`;
      parts.push(link);
    }
    outcome.replaceChildren(...parts);
    show(outcome, true);
  }
}
