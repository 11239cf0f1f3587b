// The desk's panels: what is on air, how votes ended, the audit, commands, and the journal.

import { commands } from "./commands.ts";
import type { CandidateStanding, Desk } from "./document.ts";
import { h } from "./dom.ts";
import { UNKNOWN, clock, count, moment, percent } from "./format.ts";
import type { Shown } from "./shown.ts";
import { fill } from "./words.ts";

export function panel(key: string, title: string, ...children: (Node | false)[]): HTMLElement {
  return h("section", { class: `panel ${key}`, "data-key": key, "aria-labelledby": `${key}-title` }, h("h2", { id: `${key}-title` }, title), ...children);
}

/** Names and values. */
export function facts(...pairs: ([string, string | Node, string?] | false)[]): HTMLElement {
  const rows = pairs.filter((pair) => pair !== false);
  return h("dl", {}, ...rows.map(([name, value, kind]) => h("div", { class: kind }, h("dt", {}, name), h("dd", {}, value))));
}

export function onAir(shown: Shown, desk: Desk): HTMLElement {
  const { words, lang } = shown;
  const { on_air: air, poll } = desk;
  const isKnown = shown.level !== "away";
  const why = !isKnown ? "away" : poll.status === "void" ? "void" : air.release !== "released" ? air.release
    : poll.kind === "rehearsal" ? "rehearsal" : poll.status === "stale" ? "stale" : poll.status === "not_open" ? "not_open" : "live";
  const names = new Map(poll.candidates.map((one) => [one.id, one.name]));
  const isOn = isKnown && air.on_air;
  const behind = (desk.standing.total_votes ?? 0) - (air.total_votes ?? 0);
  const figures = air.candidates.map((one) =>
    h("li", {}, h("span", {}, names.get(one.id) ?? one.id), h("strong", {}, percent(one.percent, lang))));
  return panel("on-air", words.onAirTitle,
    h("p", { class: `tally ${isOn ? "on" : "off"}` }, isKnown ? (isOn ? words.onAir.yes : words.onAir.no) : words.unknown, " · ", words.release[air.release]),
    h("p", {}, words.onAirWhy[why]),
    !isKnown ? false : air.candidates.length > 0 ? h("div", {}, h("h3", {}, words.onAirNow), h("ul", { class: "pairs" }, ...figures)) : h("p", {}, words.onAirNothing),
    air.release === "held" && air.total_votes !== undefined && behind > 0 && h("p", { class: "behind" }, fill(words.notOnAirYet, { count: count(behind, lang) })));
}

export function outcomes(shown: Shown, desk: Desk): HTMLElement {
  const { words, lang } = shown;
  const { recorded, annulled, withdrawn, late, lost, quarantined, quarantine_annulled: aside } = desk.outcomes;
  const value = (number: number | undefined) => (number === undefined ? words.unknown : count(number, lang));
  return panel("outcomes", words.outcomesTitle,
    facts(
      [words.recorded, value(recorded)],
      annulled !== 0 && [words.ofAnnulled, value(annulled)],
      withdrawn !== 0 && [words.ofWithdrawn, value(withdrawn)],
      quarantined !== 0 && [words.quarantined, value(quarantined), quarantined ? "doubtful" : ""],
      aside !== 0 && [words.quarantineAnnulled, value(aside)],
      [words.late, value(late)],
      [words.lost, value(lost), lost ? "bad" : ""],
    ),
    h("p", { class: "note" }, words.otherOutcomes));
}

export function audit(shown: Shown, desk: Desk): HTMLElement {
  const { words, lang } = shown;
  const { checks, sealed, poll } = desk;
  const isKnown = shown.level === "live" || shown.level === "settled";
  const verdict = !checks.agree ? words.disagrees : isKnown ? words.agrees : words.agreesUnknown;
  const kind = !checks.agree ? "bad" : isKnown ? "good" : "doubtful";
  const when = (text: string) => moment(Date.parse(text), poll.timezone, lang);
  // What was set aside is in the ledger, and in the tally once it was released.
  const aside = (desk.outcomes.quarantined ?? 0) + (desk.outcomes.quarantine_annulled ?? 0);
  const none = poll.state === "void" ? words.notSealedVoid : words.notSealed;
  return panel("audit", words.auditTitle,
    h("p", { class: `verdict ${kind}` }, verdict),
    facts(
      [words.tally, count(checks.tally, lang)],
      [words.minutes, count(checks.minutes, lang), checks.minutes === checks.tally ? "" : "bad"],
      [words.ledger, count(checks.ledger, lang), checks.ledger === checks.tally + aside ? "" : "bad"],
      aside > 0 && [words.setAside, count(aside, lang)],
      [words.writers, checks.drained === undefined ? count(checks.writers, lang)
        : fill(words.drained, { drained: count(checks.drained, lang), writers: count(checks.writers, lang) })],
      checks.waiting.length > 0 && [words.waitingFor, checks.waiting.join(", "), "bad"],
    ),
    sealed
      ? h("div", { class: "sealed" },
        h("p", {}, `${words.sealedAt} ${when(sealed.sealed_at)}, ${words.sealedBy} ${sealed.sealed_by}`),
        h("p", { class: "digest" }, "SHA-256 ", h("code", {}, sealed.sha256)),
        sealed.abandoned.length > 0 && h("p", { class: "bad" }, `${words.abandoned} ${sealed.abandoned.join(", ")}`))
      : h("p", {}, none),
    h("p", { class: "note" }, words.auditHelp, " ", h("code", {}, `votectl audit ${poll.id}`)));
}

export function commandList(shown: Shown, desk: Desk): HTMLElement {
  const { words } = shown;
  const rows = commands(desk).map(({ line, does, asks }) =>
    h("li", { "data-key": line },
      h("div", { class: "say" },
        h("code", {}, line),
        h("button", { type: "button", "data-do": "copy", "data-line": line, "aria-label": `${words.copy}: ${line}` },
          shown.copied === line ? words.copied : words.copy)),
      h("span", { class: "does" }, words.does[does], asks ? ` (${words.asks})` : "")));
  return panel("commands", words.commandsTitle, h("p", { class: "note" }, words.commandsHelp), h("ul", {}, ...rows));
}

export function journal(shown: Shown, desk: Desk): HTMLElement {
  const { words, lang } = shown;
  const zone = desk.poll.timezone;
  const rows = desk.journal.map((entry) =>
    h("li", {},
      h("time", { datetime: entry.at }, moment(Date.parse(entry.at), zone, lang)), " ",
      h("strong", {}, entry.action), ` ${entry.by}: ${entry.detail}`,
      entry.reason !== undefined && h("em", {}, ` – ${entry.reason}`)));
  return panel("journal", words.journalTitle,
    h("ol", { tabindex: 0, "aria-label": words.journalTitle }, ...rows));
}

/** Each candidate: weighted, unweighted, and in each channel. */
export function candidates(shown: Shown, desk: Desk): HTMLElement {
  const { words, lang } = shown;
  const { standing, poll } = desk;
  const column = (label: string, sub: string, kind: string) =>
    h("th", { role: "columnheader", scope: "col", class: kind }, label, sub !== "" && h("small", {}, sub));
  const cell = (label: string, kind: string, ...content: (Node | string | false)[]) =>
    h("td", { role: "cell", "data-label": label, class: kind }, ...content);
  // Before the first vote nobody leads.
  const rank = ({ rank }: CandidateStanding) =>
    rank === undefined || standing.total_votes === 0 ? UNKNOWN : lang === "pt-BR" ? `${rank}º` : String(rank);
  const several = standing.channels.length > 1;
  const channels = several ? standing.channels : [];
  const head = h("tr", { role: "row" },
    column(words.candidate, "", ""), column(words.rank, "", "number"), column(several ? words.weighted : words.share, "", "number"),
    several && column(words.unweighted, "", "number"), column(words.votes, "", "number"),
    ...channels.map((channel) => column(channel.id, fill(words.weight, { weight: count(channel.weight, lang) }), "number")));
  const row = (one: CandidateStanding, index: number) => {
    const out = one.withdrawn_at === undefined ? "" : fill(words.withdrawn, { time: clock(Date.parse(one.withdrawn_at), poll.timezone, lang, false) });
    return h("tr", { role: "row", "data-key": one.id, class: out ? "out" : "" },
      h("th", { role: "rowheader", scope: "row" },
        h("span", { class: "swatch", "data-swatch": index, "aria-hidden": "true" }),
        h("span", { class: "name" }, one.name, out !== "" && h("small", {}, out))),
      cell(words.rank, "number", rank(one)),
      cell(several ? words.weighted : words.share, "number share", h("strong", {}, percent(one.percent, lang)),
        h("span", { class: "bar", "aria-hidden": "true" }, h("i", { "data-wide": one.percent ?? 0, "data-swatch": index }))),
      several && cell(words.unweighted, "number", percent(desk.unweighted[index]?.percent, lang)),
      cell(words.votes, "number", count(one.votes, lang)),
      ...channels.map((channel) => {
        const here = channel.candidates[index];
        return cell(channel.id, "number", h("strong", {}, percent(here?.percent, lang)), h("small", {}, count(here?.votes, lang)));
      }));
  };
  const foot = h("tr", { role: "row", class: "total" },
    h("th", { role: "rowheader", scope: "row" }, words.all), cell("", "number empty"), cell("", "number empty"), several && cell("", "number empty"),
    cell(words.votes, "number", count(standing.total_votes, lang)),
    ...channels.map((channel) => cell(channel.id, "number", count(channel.total_votes, lang))));
  const table = h("table", { role: "table", "aria-labelledby": "candidates-title" },
    h("thead", { role: "rowgroup" }, head),
    h("tbody", { role: "rowgroup" }, ...standing.candidates.map(row)),
    h("tfoot", { role: "rowgroup" }, foot));
  return panel("candidates", words.candidates, h("div", { class: "scroll", tabindex: 0, role: "group", "aria-labelledby": "candidates-title" }, table));
}
