// Voting: what is to be confirmed, the vote on its way, and what became of it.

import { castVote, resumeVotes } from "../../../clients/typescript/src/index.ts";
import type { CastOutcome, Direction, WaitingFor } from "../../../clients/typescript/src/index.ts";
import { made, show, the, write } from "../shared/dom.ts";
import { text } from "../shared/words.ts";
import type { Words } from "../shared/words.ts";

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
    this.#form.addEventListener("submit", (event) => this.#ask(event));
    this.#dialog.addEventListener("close", () => this.#confirmed());
    void this.#resume();
  }

  /** Whether votes are taken now. */
  open(isOpen: boolean): void {
    this.#isOpen = isOpen;
    this.#draw();
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
    const button = event.submitter;
    const channel = this.#channel();
    // Enter in a radio button presses the first button, which may be one that is not shown.
    if (!(button instanceof HTMLButtonElement) || button.hidden || channel === undefined) return event.preventDefault();
    // A browser without dialogs goes the way of those without scripts.
    if (typeof this.#dialog.showModal !== "function") return;
    event.preventDefault();
    const name = button.closest("li")?.dataset["name"] ?? "";
    this.#choice = { candidate: button.value, name, channel };
    const filled = ["name", name] as const;
    write(the("confirm-what"), text(this.words, `confirm_${this.#direction}`, filled));
    write(the("confirm-do"), text(this.words, `confirm_do_${this.#direction}`, filled));
    write(the("confirm-channel"), text(this.words, "by_channel", ["channel", channel]));
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
      this.#ended(
        await castVote({
          ingest: this.main.dataset["ingest"] ?? "",
          poll: this.#poll,
          candidate,
          channel,
          direction: this.#direction,
          onWaiting: (why) => this.#waiting(why),
        }),
      );
    });
  }

  /** Votes of this browser that never got an answer: the page was closed, or the network away. */
  async #resume(): Promise<void> {
    await this.#while(async () => {
      const outcomes = await resumeVotes({ poll: this.#poll, onWaiting: (why) => this.#waiting(why) });
      const last = outcomes.at(-1);
      if (last) this.#ended(last);
    });
  }

  async #while(work: () => Promise<void>): Promise<void> {
    this.#sending += 1;
    this.#draw();
    try {
      await work();
    } catch {
      this.#say("refused", this.#problem("other"));
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
    return this.words.problems[code] ?? this.words.problems["other"] ?? [];
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
