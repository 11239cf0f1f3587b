export { castVote, keptReceipts, newKey, resumeVotes } from "./cast.js";
export { checkReceipt } from "./receipt.js";
export { watchPoll, watchStanding } from "./watch.js";
export type * from "./types.js";
