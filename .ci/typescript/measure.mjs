// 10,000 votes of @paredao/client to a real vote-ingest through a network that cuts a fifth of all connections: how many
// are lost, how many are doubled, and how long it takes until a vote is settled. Exits 1 where a bound is not kept.

import { Services, eventually } from "../browser/lib/services.mjs";
import { castVote } from "../../clients/typescript/dist/node.js";
import { BadNetwork } from "./lib/proxy.mjs";
import { castMany } from "./lib/votes.mjs";

const VOTES = Number(process.env.TYPESCRIPT_VOTES || 10_000);
const AT_ONCE = Number(process.env.TYPESCRIPT_AT_ONCE || 40);
const SEED = Number(process.env.TYPESCRIPT_SEED || 20_261_128);
const MOST_MS = 5000;

const system = await Services.start();
const network = await BadNetwork.start(system.ingest.url, { seed: SEED, cut: 0.2, delay: 0.1, double: 0.05, mostMs: 300 });
try {
  await system.open("measure");
  const began = performance.now();
  const ends = await castMany(castVote, { ingest: network.url, poll: "measure", candidates: ["ana", "bia"], votes: VOTES, atOnce: AT_ONCE });
  const seconds = (performance.now() - began) / 1000;
  const accepted = ends.filter(({ outcome }) => outcome === "accepted").length;
  let counted;
  await eventually(`${accepted} votes are counted`, async () => {
    counted = (await (await fetch(`${system.results.url}/v1/polls/measure/results`)).json()).total_votes;
    return counted >= accepted || counted;
  });
  const times = ends.map(({ ms }) => ms).sort((one, other) => one - other);
  const at = (share) => Math.round(times[Math.ceil(times.length * share) - 1]);
  const figures = {
    votes: VOTES, atOnce: AT_ONCE, seed: SEED, seconds: Math.round(seconds), accepted, unsettled: VOTES - accepted, counted,
    lost: Math.max(accepted - counted, 0), doubled: Math.max(counted - accepted, 0),
    "settled, ms": { p50: at(0.5), p95: at(0.95), p99: at(0.99), most: at(1) }, network: network.seen,
  };
  console.log(JSON.stringify(figures, null, 2));
  if (accepted !== VOTES || counted !== accepted || at(0.99) > MOST_MS) process.exitCode = 1;
} finally {
  await network.stop();
  await system.stop();
}
