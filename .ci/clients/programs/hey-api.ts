// Votes and reads by the client that @hey-api/openapi-ts makes.
import { createClient } from "./hey-api/ingest/client";
import { castBatch, castVote } from "./hey-api/ingest/sdk.gen";
import type { ProblemCode } from "./hey-api/ingest/types.gen";
import { client as reader } from "./hey-api/results/client.gen";
import { getPoll, getResults } from "./hey-api/results/sdk.gen";

async function main(): Promise<void> {
  const [vote, results, poll, rehearsal, token] = process.argv.slice(2) as [string, string, string, string, string];
  // Both ways to name the base URL: a client of one's own, and the one that was made.
  const client = createClient({ baseUrl: vote });
  reader.setConfig({ baseUrl: results });
  const path = { poll };

  const headers = { "Idempotency-Key": "hey-api" };
  const cast = await castVote({ client, path, headers, body: { candidate: "ana" } });
  if (!cast.data) throw new Error(`the vote was refused: ${JSON.stringify(cast.error)}`);

  const { error } = await castVote({ client, path, body: { candidate: "ana", direction: "save" } });
  if (!error) throw new Error("a vote of the other direction was taken");
  const code: ProblemCode = error.code;
  const direction: "eliminate" | "save" | undefined = error.direction;

  const standing = await getResults({ path });
  if (!standing.data) throw new Error(`no standing: ${JSON.stringify(standing.error)}`);
  const total: number | undefined = standing.data.total_votes;

  const unknown = await getPoll({ path: { poll: "none" } });
  const named: string | undefined = unknown.error?.poll;
  const receipt: string | undefined = cast.data.receipt;

  // What a gateway's two lines are answered: a vote, and one for nobody.
  const line = (key: string, candidate: string) => JSON.stringify({ key, channel: "sms", candidate, voter: "d8f0c6e2a94b1735" });
  const body = new Blob([`${line("hey-1", "um")}\n${line("hey-2", "nobody")}\n`]);
  // Bytes go as they are; else they would be written as JSON.
  const answered = await castBatch({ client, path: { poll: rehearsal }, headers: { Authorization: `Bearer ${token}` }, body, bodySerializer: null });
  if (!answered.data) throw new Error(`the batch was refused: ${JSON.stringify(answered.error)}`);
  const lines = (await answered.data.text()).trimEnd().split("\n");
  const batch = lines.map((one) => JSON.parse(one) as { code?: string; status: string }).map((one) => one.code ?? one.status);
  console.log(JSON.stringify({ status: cast.data.status, receipt, code, direction, total, unknown: named, batch }));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
