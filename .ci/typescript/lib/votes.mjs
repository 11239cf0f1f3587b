// Casts many votes, some at a time, and says how each ended. Run as it is in a page, in a worker and in Node.js.

/**
 * @param {typeof import("@paredao/client").castVote} castVote
 * @param {{ingest: string, poll: string, candidates: string[], votes: number, atOnce: number}} what
 */
export async function castMany(castVote, { ingest, poll, candidates, votes, atOnce }) {
  const ends = [];
  let next = 0;
  const voter = async () => {
    while (next < votes) {
      const candidate = candidates[next % candidates.length];
      next += 1;
      const began = performance.now();
      const end = await castVote({ ingest, poll, candidate, direction: "eliminate" });
      const { outcome, key, receipt, duplicate, code } = end;
      ends.push({ outcome, key, receipt, duplicate, code, ms: performance.now() - began });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, voter));
  return ends;
}
