// The page of a receipt: where the vote was not in the figures yet, it asks again for a while.

import { checkReceipt } from "../../../clients/typescript/src/index.ts";
import { the, write } from "../shared/dom.ts";
import { text, wordsOf } from "../shared/words.ts";

const PATIENCE_MS = 60_000;

export function receiptPage(main: HTMLElement): void {
  if (main.dataset["verdict"] !== "waiting") return;
  const words = wordsOf(main);
  void checkReceipt({ results: "", receipt: main.dataset["receipt"] ?? "", patienceMs: PATIENCE_MS }).then((found) => {
    if (found.outcome !== "genuine") return;
    const { status, state } = found.report;
    let verdict = found.inTally ? "in" : "waiting";
    if (state === "void") verdict = "void";
    else if (status === "final") verdict = found.inTally ? "final" : "missing";
    main.dataset["verdict"] = verdict;
    write(the("verdict"), text(words, `receipt_${verdict}`));
  });
}
