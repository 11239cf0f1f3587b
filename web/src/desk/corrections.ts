// What was set aside as suspect, and what was annulled: which votes are in no figure, and why. Both panels are there only where
// there is something in them.

import type { Desk } from "./document.ts";
import { h } from "./dom.ts";
import { count, moment } from "./format.ts";
import { panel } from "./panels.ts";
import type { Shown } from "./shown.ts";
import { fill } from "./words.ts";

/** A table of figures; the first cell of each row names it. */
function figures(label: string, head: string[], rows: string[][], total: string[]): HTMLElement {
  const line = (cells: string[], kind: string) => {
    const [name = "", ...values] = cells;
    return h("tr", { class: kind }, h("th", { scope: "row" }, name), ...values.map((value) => h("td", { class: "number" }, value)));
  };
  const column = (name: string, index: number) => h("th", { scope: "col", class: index > 0 ? "number" : "" }, name);
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": label },
    h("table", {},
      h("thead", {}, h("tr", {}, ...head.map(column))),
      h("tbody", {}, ...rows.map((row) => line(row, ""))),
      h("tfoot", {}, line(total, "total"))));
}

/** The votes that were set aside, by reason. */
export function quarantine(shown: Shown, desk: Desk): HTMLElement | false {
  const { words, lang } = shown;
  const rows = desk.quarantine ?? [];
  if (rows.length === 0) return false;
  const cells = (name: string, undecided: number, released: number, annulled: number) =>
    [name, count(undecided, lang), count(released, lang), count(annulled, lang)];
  const sum = (of: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + of(row), 0);
  const named = (reason: string) => (words.reasons as Record<string, string>)[reason] ?? reason;
  return panel("quarantine", words.quarantineTitle,
    figures(words.quarantineTitle, [words.reason, words.undecided, words.released, words.annulled],
      rows.map((row) => cells(named(row.reason), row.undecided, row.released, row.annulled)),
      cells(words.all, sum((row) => row.undecided), sum((row) => row.released), sum((row) => row.annulled))),
    h("p", { class: "note" }, words.quarantineHelp));
}

/** What was recorded, annulled and counts, and which minutes were annulled. */
export function annulments(shown: Shown, desk: Desk): HTMLElement | false {
  const { words, lang } = shown;
  const { poll, standing } = desk;
  const windows = desk.annulments ?? [];
  const { recorded } = standing;
  if (windows.length === 0 && !recorded) return false;
  const cells = (name: string, raw: number, annulled: number) => [name, count(raw, lang), count(annulled, lang), count(raw - annulled, lang)];
  const rows = poll.candidates.map((candidate, index) => {
    const each = (recorded?.channels ?? []).map((channel) => channel.candidates[index]);
    const sum = (of: "votes" | "annulled") => each.reduce((total, one) => total + (one?.[of] ?? 0), 0);
    return cells(candidate.name, sum("votes"), sum("annulled"));
  });
  const minute = (at: string) => moment(Date.parse(at), poll.timezone, lang).slice(0, -3);
  const names = new Map(poll.candidates.map((one) => [one.id, one.name]));
  const list = windows.map(({ number, votes, reason, at, by }) => {
    const only = [
      votes.channel !== undefined && fill(words.onlyChannel, { channel: votes.channel }),
      votes.candidate !== undefined && fill(words.onlyCandidate, { candidate: names.get(votes.candidate) ?? votes.candidate }),
    ].filter((one) => one !== false);
    const which = fill(words.annulledWindow, { from: minute(votes.from), until: minute(votes.until) });
    return h("li", { "data-key": `annulment-${number}` },
      h("strong", {}, `${number}. ${[which, ...only].join(", ")}`), h("em", {}, ` – ${reason}`), h("small", {}, `${by}, ${minute(at)}`));
  });
  return panel("annulments", words.annulmentsTitle,
    recorded !== undefined && figures(words.annulmentsTitle, [words.candidate, words.recordedVotes, words.annulled, words.counting], rows,
      cells(words.all, recorded.total_votes, recorded.annulled)),
    windows.length > 0 && h("ol", { tabindex: 0, "aria-label": words.annulmentsTitle }, ...list),
    h("p", { class: "note" }, words.annulmentsHelp));
}
