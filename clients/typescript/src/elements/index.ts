// `<paredao-vote>` and `<paredao-standing>`: importing this module defines them.
import { ParedaoStanding } from "./standing.js";
import { ParedaoVote } from "./vote.js";

export { ParedaoStanding, ParedaoVote };

for (const [name, element] of [
  ["paredao-vote", ParedaoVote],
  ["paredao-standing", ParedaoStanding],
] as const) {
  // A page may have two copies of the package.
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, element);
}

declare global {
  interface HTMLElementTagNameMap {
    "paredao-vote": ParedaoVote;
    "paredao-standing": ParedaoStanding;
  }
}
