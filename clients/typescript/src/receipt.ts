import { address, need, problemOf, request } from "./request.js";
import type { ReceiptOptions, ReceiptOutcome, ReceiptReport } from "./types.js";
import { pause } from "./wait.js";

const ATTEMPT_MS = 5000;

/**
 * Whether a receipt is genuine, and its vote in the figures. A vote is there within half a second: a receipt that isn't
 * yet is asked for again for a while. It rejects only if it is aborted.
 */
export async function checkReceipt(options: ReceiptOptions): Promise<ReceiptOutcome> {
  const { results, receipt, signal, patienceMs = 5000 } = options;
  need(options, "results", "receipt");
  const end = Date.now() + patienceMs;
  for (let attempt = 0; ; attempt += 1) {
    const answer = await request(address(results, "receipts/" + encodeURIComponent(receipt)), { cache: "no-store" }, ATTEMPT_MS, options);
    signal?.throwIfAborted();
    const problem = problemOf(answer);
    const report = answer.body as unknown as ReceiptReport;
    const isRead = answer.status === 200 && typeof report.in_tally === "boolean";
    if (isRead && report.in_tally) return { outcome: "genuine", inTally: true, report };
    if (problem && (answer.status === 400 || answer.status === 404)) return { outcome: "invalid", problem };
    const wait = answer.retryAfterMs + 500 * (1 + Math.random()) * Math.min(attempt + 1, 4);
    if (Date.now() + wait > end) return isRead ? { outcome: "genuine", inTally: false, report } : { outcome: "unknown", problem };
    await pause(wait, signal);
    signal?.throwIfAborted();
  }
}
