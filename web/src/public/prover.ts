// Proofs of work for votes: a challenge for the vote's key, solved by the official widget, and what the voter sees meanwhile.

import type { VoteToProve } from "../../../clients/typescript/src/index.ts";
import { address, problemOf, request } from "../../../clients/typescript/src/request.ts";
import { pause } from "../../../clients/typescript/src/wait.ts";
import { made, show, the } from "../shared/dom.ts";
import { text } from "../shared/words.ts";
import type { Words } from "../shared/words.ts";

const ANSWER_MS = 10_000;
/** So often a challenge is asked for by itself, before the voter is asked. */
const ATTEMPTS = 4;
const PAUSE_MS = 1000;

type Widget = { solve(host: Element, challenge: object, worker: string): Promise<string> };

/** The voter does not want to go on. */
export class GivenUp extends Error {}

/** The service gives no challenge. */
class NoChallenge extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

/** Whether proofs can be made here: browsers have no cryptography for pages that come over plain HTTP from another machine. */
export const canProve = (): boolean => globalThis.isSecureContext && typeof Worker === "function";

export class Prover {
  readonly #section = the("proof");
  #turn: Promise<unknown> = Promise.resolve();
  #widget: Promise<Widget> | undefined;

  constructor(
    readonly main: HTMLElement,
    readonly words: Words,
  ) {}

  /** The proof of a vote; nothing where its channel asks for none. One after the other: there is one place to show it. */
  prove(vote: VoteToProve): Promise<string | undefined> {
    const proof = this.#turn.then(() => this.#prove(vote));
    this.#turn = proof.catch(() => undefined);
    return proof;
  }

  /** Begins to load what is needed. */
  load(): Promise<Widget> {
    const { proof = "", proofStyle = "" } = this.main.dataset;
    if (!document.querySelector(`link[href="${proofStyle}"]`)) {
      const style = made("link", "");
      style.rel = "stylesheet";
      style.href = proofStyle;
      document.head.append(style);
    }
    this.#widget ??= import(proof).catch((error: unknown) => {
      this.#widget = undefined;
      throw error;
    }) as Promise<Widget>;
    return this.#widget;
  }

  async #prove(vote: VoteToProve): Promise<string | undefined> {
    if (!canProve()) throw new Error("no secure context");
    try {
      for (;;) {
        const host = made("div", "");
        this.#say([text(this.words, "proving")], host);
        try {
          return await this.#solved(vote, host);
        } catch (error) {
          await this.#again(error);
        }
      }
    } finally {
      this.#section.replaceChildren();
      show(this.#section, false);
    }
  }

  async #solved(vote: VoteToProve, host: Element): Promise<string | undefined> {
    const [widget, challenge] = await Promise.all([this.load(), this.#challenge(vote)]);
    return challenge && (await widget.solve(host, challenge, this.main.dataset["proofWorker"] ?? ""));
  }

  async #challenge({ ingest, poll, channel = "", key }: VoteToProve): Promise<object | undefined> {
    const url = address(ingest, `polls/${encodeURIComponent(poll)}/challenge?channel=${encodeURIComponent(channel)}`);
    for (let attempt = 1; ; attempt += 1) {
      const answer = await request(url, { headers: { "idempotency-key": key } }, ANSWER_MS, {});
      if (answer.status === 200) return answer.body;
      const code = problemOf(answer)?.code ?? "other";
      if (code === "no-proof-asked") return undefined;
      // A poll may have been opened this second.
      const isForGood = answer.status >= 400 && answer.status < 500 && ![404, 408, 429].includes(answer.status);
      if (isForGood || attempt === ATTEMPTS) throw new NoChallenge(code);
      await pause(Math.max(answer.retryAfterMs, PAUSE_MS) * (1 + Math.random()), undefined, "online");
    }
  }

  /** Asks whether to try again; rejects where not. */
  #again(error: unknown): Promise<void> {
    const code = error instanceof NoChallenge ? error.code : "other";
    const said = code === "other" ? [text(this.words, "proof_failed")] : (this.words.problems[code] ?? [text(this.words, "proof_failed")]);
    return new Promise((again, over) => {
      const choices = made("div", "", "choices");
      const retry = made("button", text(this.words, "proof_again"), "vote");
      const back = made("button", text(this.words, "back"), "quiet");
      retry.addEventListener("click", () => again());
      back.addEventListener("click", () => over(new GivenUp()));
      for (const button of [retry, back]) button.type = "button";
      choices.append(retry, back);
      this.#say(said, choices);
      retry.focus({ preventScroll: true });
      this.#section.scrollIntoView({ block: "nearest" });
    });
  }

  #say([title = "", ...more]: readonly string[], ...below: Element[]): void {
    this.#section.replaceChildren(made("p", title, "title"), ...more.map((said) => made("p", said)), ...below);
    show(this.#section, true);
  }
}
