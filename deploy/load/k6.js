// Votes in a rehearsal, by k6. The poll, its candidates and its first channel that takes votes come from the results
// service.
//
//   k6 run -e POLL=ensaio-01 -e RATE=1000 -e DURATION=30s deploy/load/k6.js
//
// INGEST and RESULTS are the services' base URLs. A live poll is refused, unless LIVE names it as well.
// `votectl load` does more: it sends a vote again with its key, and reconciles with the tally.
import exec from "k6/execution";
import http from "k6/http";
import { check } from "k6";

const INGEST = (__ENV.INGEST || "http://127.0.0.1:8080").replace(/\/+$/, "");
const RESULTS = (__ENV.RESULTS || "http://127.0.0.1:8081").replace(/\/+$/, "");
const RATE = Number(__ENV.RATE || 100);
const DURATION = __ENV.DURATION || "30s";

export const options = {
  scenarios: {
    votes: {
      executor: "constant-arrival-rate",
      rate: RATE,
      timeUnit: "1s",
      duration: DURATION,
      preAllocatedVUs: Math.max(1, Math.min(RATE, 200)),
      maxVUs: Math.max(1, Math.min(RATE * 5, 2000)),
    },
  },
  thresholds: {
    // Votes for which no virtual user was free were not sent: the rate was missed.
    dropped_iterations: ["count==0"],
    checks: ["rate>0.999"],
    "http_req_duration{name:vote}": ["p(99)<500"],
  },
};

// Runs once; what it returns is given to every vote.
export function setup() {
  const id = __ENV.POLL;
  if (!id) {
    throw new Error("POLL is missing: name the poll, for example -e POLL=ensaio-01");
  }
  const answer = http.get(`${RESULTS}/v1/polls/${id}`, { tags: { name: "poll" } });
  if (answer.status !== 200) {
    throw new Error(`${RESULTS} answers ${answer.status} for poll ${id}: is it open, and is RESULTS right?`);
  }
  const poll = answer.json();
  if (poll.state !== "open") {
    throw new Error(`poll ${id} is ${poll.state}: it takes no votes`);
  }
  if (poll.kind !== "rehearsal" && __ENV.LIVE !== id) {
    throw new Error(`poll ${id} is ${poll.kind}, no rehearsal: these votes would count; name it in LIVE too if they shall`);
  }
  return {
    id,
    run: `k6-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`,
    candidates: poll.candidates.filter((candidate) => !candidate.withdrawn_at).map((candidate) => candidate.id),
    // Only a channel with eligibility open takes votes.
    channel: (poll.channels.find((channel) => channel.eligibility === "open") || poll.channels[0]).id,
  };
}

export default function (poll) {
  // Of the whole test, also where several instances run its segments.
  const vote = exec.scenario.iterationInTest;
  const answer = http.post(
    `${INGEST}/v1/polls/${poll.id}/votes`,
    JSON.stringify({
      candidate: poll.candidates[vote % poll.candidates.length],
      channel: poll.channel,
    }),
    {
      headers: {
        "content-type": "application/json",
        "idempotency-key": `"${poll.run}-${vote}"`,
      },
      tags: { name: "vote" },
    },
  );
  if (answer.status === 404 || answer.status === 410) {
    exec.test.abort(`votes are answered ${answer.status}: the poll is over, or INGEST is wrong`);
  }
  check(answer, { "the vote is accepted": (r) => r.status === 201 });
}
