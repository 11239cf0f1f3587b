// What the page shows, as spreadsheets open it by a double click: with a byte-order mark, and with the separators of the
// language. The same form and columns as `votectl export --for excel`.

import type { Desk } from "./document.ts";
import type { Lang } from "./words.ts";
import type { Columns } from "./plotted.ts";
import { zoned } from "./format.ts";

type Cell = string | number | undefined;

/** What a spreadsheet takes for a formula, in quotes too; the wide forms are where Chinese or Japanese is written. */
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

function text(cell: Cell, separator: string, decimal: string): string {
  if (cell === undefined) return "";
  if (typeof cell === "number") return String(cell).replace(".", decimal);
  const harmless = FORMULA.test(cell) ? `'${cell}` : cell;
  return harmless.includes(separator) || /["\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

export function csv(rows: Cell[][], lang: Lang): string {
  const [separator, decimal] = lang === "pt-BR" ? [";", ","] : [",", "."];
  const lines = rows.map((row) => row.map((cell) => text(cell, separator, decimal)).join(separator));
  return `\ufeff${lines.join("\r\n")}\r\n`;
}

/** The standing: the weighted result, the same with each vote counting alike (`channel` is `*`), and each channel. */
export function standingCsv(desk: Desk, confirmedAt: number, lang: Lang): string {
  const { poll, standing } = desk;
  const confirmed = Number.isFinite(confirmedAt) ? new Date(confirmedAt).toISOString() : "";
  const head: Cell[] = [
    "poll", "title", "kind", "direction", "state", "status", "release", "as_of", "confirmed_at", "channel", "weight", "candidate", "name",
    "votes", "percent", "rank", "withdrawn_at",
  ];
  // Where votes are annulled, what was recorded stands beside what counts (`votes`): columns at the end, as in the export.
  const { recorded } = standing;
  if (recorded) head.push("recorded", "annulled");
  const rows: Cell[][] = [head];
  /** Of a channel; of all of them for the rows that are of all. */
  const sum = (channel: string, candidate: string, of: "votes" | "annulled") =>
    (recorded?.channels ?? []).filter(({ id }) => channel === "" || channel === "*" || id === channel)
      .flatMap(({ candidates }) => candidates.filter(({ id }) => id === candidate)).reduce((total, one) => total + one[of], 0);
  const add = (channel: string, weight: Cell, candidates: Desk["unweighted"]) => {
    for (const one of candidates) {
      rows.push([
        poll.id, poll.title, poll.kind, poll.direction, poll.state, standing.status, poll.release, standing.as_of, confirmed, channel, weight,
        one.id, one.name, one.votes, one.percent?.toFixed(2).replace(".", lang === "pt-BR" ? "," : "."), one.rank, one.withdrawn_at,
        ...(recorded ? [sum(channel, one.id, "votes"), sum(channel, one.id, "annulled")] : []),
      ]);
    }
  };
  add("", undefined, standing.candidates);
  add("*", undefined, desk.unweighted);
  for (const channel of standing.channels) add(channel.id, channel.weight, channel.candidates);
  return csv(rows, lang);
}

/** A series as it is plotted: one column a candidate. */
export function seriesCsv(columns: Columns, timezone: string, lang: Lang): string {
  const rows: Cell[][] = [["start", "total_votes", ...columns.ids]];
  columns.starts.forEach((start, index) =>
    rows.push([zoned(start * 1_000, timezone), columns.totals[index], ...columns.votes.map((votes) => votes[index])]));
  return csv(rows, lang);
}
