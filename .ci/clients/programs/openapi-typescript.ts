// Votes and reads by the types of openapi-typescript and its fetch client.
import createClient from "openapi-fetch";
import type { components, paths as Ingest } from "./openapi-typescript/ingest";
import type { paths as Results } from "./openapi-typescript/results";

type Code = components["schemas"]["ProblemCode"];

async function main(): Promise<void> {
  const [vote, results, poll] = process.argv.slice(2) as [string, string, string];
  const ingest = createClient<Ingest>({ baseUrl: vote });
  const reader = createClient<Results>({ baseUrl: results });
  const params = { path: { poll }, header: { "Idempotency-Key": "openapi-typescript" } };

  const cast = await ingest.POST("/v1/polls/{poll}/votes", { params, body: { candidate: "ana" } });
  if (!cast.data) throw new Error(`the vote was refused: ${JSON.stringify(cast.error)}`);

  const contrary = { params: { path: { poll } }, body: { candidate: "ana", direction: "save" } } as const;
  const { error } = await ingest.POST("/v1/polls/{poll}/votes", contrary);
  if (!error) throw new Error("a vote of the other direction was taken");
  const code: Code = error.code;
  const direction: "eliminate" | "save" | undefined = error.direction;

  const standing = await reader.GET("/v1/polls/{poll}/results", { params: { path: { poll } } });
  if (!standing.data) throw new Error(`no standing: ${JSON.stringify(standing.error)}`);
  const total: number | undefined = standing.data.total_votes;

  const unknown = await reader.GET("/v1/polls/{poll}", { params: { path: { poll: "none" } } });
  const named: string | undefined = unknown.error?.poll;
  const receipt: string | undefined = cast.data.receipt;
  console.log(JSON.stringify({ status: cast.data.status, receipt, code, direction, total, unknown: named }));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
