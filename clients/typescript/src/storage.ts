import type { CastOutcome, Direction, KeptReceipt, VoteStorage } from "./types.js";

const PENDING = "paredao:vote:";
const RECEIPT = "paredao:receipt:";

/** A vote without an answer, as it is kept. */
export interface Pending {
  key: string;
  ingest: string;
  poll: string;
  candidate: string;
  channel?: string | undefined;
  direction?: Direction | undefined;
  proof?: string | undefined;
  /** When it was made and when it was first sent, in milliseconds since the epoch. */
  made: number;
  sent?: number | undefined;
  /** How long the service remembers its key. */
  life: number;
}

/** The page's `localStorage`, or null where there is none, or it may not be used. */
function ofPage(): VoteStorage | null {
  try {
    const items = globalThis.document && globalThis.localStorage;
    return (
      items && {
        get: (name) => items.getItem(name),
        set: (name, value) => items.setItem(name, value),
        remove: (name) => items.removeItem(name),
        names: () => Object.keys(items),
      }
    );
  } catch {
    return null;
  }
}

/** What is kept. A storage that fails (full, forbidden) is one that has nothing: votes are sent all the same. */
export class Kept {
  readonly items: VoteStorage | null;

  constructor(given: VoteStorage | null | undefined) {
    this.items = given === undefined ? ofPage() : given;
  }

  async #try<T>(action: (items: VoteStorage) => T | Promise<T>): Promise<T | undefined> {
    try {
      return this.items ? await action(this.items) : undefined;
    } catch {
      return undefined;
    }
  }

  async #all<T extends object>(prefix: string): Promise<T[]> {
    const found: T[] = [];
    for (const name of (await this.#try((items) => items.names())) ?? []) {
      if (!name.startsWith(prefix)) continue;
      const value = await this.#try(async (items) => JSON.parse((await items.get(name))!) as T);
      if (value && name === prefix + Object(value).key) found.push(value);
    }
    return found;
  }

  keep(vote: Pending) {
    return this.#try((items) => items.set(PENDING + vote.key, JSON.stringify(vote)));
  }

  /** Those that can be sent: what others wrote under our names is none of ours. */
  async pending() {
    return (await this.#all<Pending>(PENDING)).filter(({ ingest, poll, candidate, made, life }) =>
      [ingest, poll, candidate].every((text) => typeof text === "string") && made > 0 && life > 0,
    );
  }

  receipts = () => this.#all<KeptReceipt>(RECEIPT);

  forget(key: string) {
    return this.#try((items) => items.remove(PENDING + key));
  }

  /** Its receipt is kept before the vote is let go: a page that ends in between asks once more. */
  async settle(outcome: CastOutcome) {
    const { key, poll } = outcome;
    if (outcome.outcome === "accepted" && outcome.receipt) {
      const kept: KeptReceipt = { poll, key, receipt: outcome.receipt, accepted_at: outcome.answer.accepted_at };
      await this.#try((items) => items.set(RECEIPT + key, JSON.stringify(kept)));
    }
    await this.forget(key);
  }
}
