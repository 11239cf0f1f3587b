// The picture of the desk, made anew from all that is known; `dom.ts` changes only what differs.

import { annulments, quarantine } from "./corrections.ts";
import type { Desk } from "./document.ts";
import { h } from "./dom.ts";
import { age, clock, count, duration, moment, rate } from "./format.ts";
import { audit, candidates, commandList, journal, onAir, outcomes, panel } from "./panels.ts";
import type { Columns } from "./plotted.ts";
import type { Shown } from "./shown.ts";
import { fill } from "./words.ts";

/** The most rows of a table: the newest. */
const MOST_ROWS = 1_500;

export function view(shown: Shown): HTMLElement {
  const { desk, words } = shown;
  return h("main", { class: desk ? `desk ${desk.poll.kind} ${shown.level}` : "desk" },
    top(shown),
    h("div", { class: "banners", role: "status" }, ...(desk ? banners(shown, desk) : [])),
    desk
      ? h("div", { class: "grid" }, key(shown, desk),
        h("div", { class: "column figures" }, candidates(shown, desk), series(shown, desk, "minutes"), series(shown, desk, "hours")),
        h("div", { class: "column hands" }, onAir(shown, desk), commandList(shown, desk)),
        h("div", { class: "column proofs" }, outcomes(shown, desk), quarantine(shown, desk), annulments(shown, desk), audit(shown, desk), journal(shown, desk)))
      : h("div", { class: "waiting" }, ...nothing(shown)),
    h("footer", {}, h("p", {}, words.readOnly), desk && h("p", { class: "printed" }, fill(words.printedAt, {
      time: moment(shown.time, desk.poll.timezone, shown.lang), confirmed: moment(shown.confirmedAt, desk.poll.timezone, shown.lang),
    }))));
}

function top(shown: Shown): HTMLElement {
  const { words, desk, theme } = shown;
  const button = (does: string, text: string) => h("button", { type: "button", "data-do": does }, text);
  return h("header", {},
    h("div", { class: "what" },
      h("h1", {}, desk ? desk.poll.title : words.title),
      h("p", {}, `${words.title} · `, h("code", {}, desk ? desk.poll.id : shown.poll),
        desk && ` · ${words.direction[desk.poll.direction]} · ${words.visibility[desk.poll.visibility]}`)),
    h("nav", { "aria-label": words.title },
      desk && button("csv-standing", words.csvStanding), desk && button("print", words.print),
      button("theme", words.theme[theme]), button("lang", words.language), button("sign-out", words.signOut)));
}

/** What everybody in the room has to see, worst first. */
function banners(shown: Shown, desk: Desk): HTMLElement[] {
  const { words, lang, level } = shown;
  const { poll, on_air: air, checks, outcomes: ended } = desk;
  const list: HTMLElement[] = [];
  const say = (kind: string, text: string) => list.push(h("p", { class: `banner ${kind}`, "data-key": kind }, text));
  const of = (at: number) => moment(at, poll.timezone, lang);
  if (poll.status === "void") say("void", words.voidBanner);
  if (poll.kind === "rehearsal") say("rehearsal", words.rehearsalBanner);
  if (level === "away") say("away", fill(words.awayBanner, { age: duration(shown.silentMs), time: of(shown.confirmedAt) }));
  if (level === "stale") say("stale", fill(words.staleBanner, { age: age(shown.ageMs, lang) }));
  if (!checks.agree) say("disagree", words.disagreeBanner);
  if (ended.lost) say("lost", fill(words.lostBanner, { count: count(ended.lost, lang) }));
  if (poll.state === "closed" && ended.quarantined) say("undecided", fill(words.undecidedBanner, { count: count(ended.quarantined, lang) }));
  if (air.release === "held" && poll.status !== "void") {
    const has = air.total_votes !== undefined;
    say("held", has ? fill(words.heldBanner, { time: of(Date.parse(air.as_of)) }) : words.heldWithoutBanner);
  }
  return list;
}

/** The figures to be read across the room. */
function key(shown: Shown, desk: Desk): HTMLElement {
  const { words, lang, level, time } = shown;
  const { poll, standing, peak } = desk;
  const zone = poll.timezone;
  const [opens, closes] = [Date.parse(poll.opens_at), Date.parse(poll.closes_at)];
  const isRunning = poll.state === "open" || poll.state === "paused";
  const isEarly = poll.state === "draft" || (isRunning && time < opens);
  const takesVotes = poll.state === "open" && !isEarly && time < closes;
  const isKnown = level === "live" || level === "settled";
  const isVoid = level === "settled" && poll.status === "void";
  const now = !takesVotes ? words.rateNone : !isKnown ? words.unknown : shown.rate === null ? words.rateUnknown : `${rate(shown.rate, lang)} ${words.perSecond}`;
  const left = isEarly ? [words.opensIn, duration(opens - time)] : isRunning ? [words.closesIn, duration(closes - time)]
    : poll.state === "void" ? [words.closesAt, words.state.void] : [words.closedSince, duration(time - closes)];
  const tile = (kind: string, name: string, value: string, ...more: (Node | string | false)[]) =>
    h("div", { class: `tile ${kind}`, "data-key": kind }, h("dt", {}, name), h("dd", {}, h("strong", {}, value), ...more));
  const small = (text: string) => h("small", {}, text);
  return h("section", { class: "key", "aria-label": words.title },
    h("dl", {},
      tile(`state ${poll.state}`, words.status[poll.status], isRunning && isEarly ? words.notOpenYet : words.state[poll.state],
        small(`${words.opensAt} ${moment(opens, zone, lang)}`), small(`${words.closesAt} ${moment(closes, zone, lang)}`)),
      tile("countdown", left[0] ?? "", left[1] ?? ""),
      tile("total", words.totalVotes, count(standing.total_votes, lang), small(`${words.revision} ${count(standing.revision, lang)}`)),
      tile("rate", words.rateNow, now, takesVotes && small(words.rateNowHelp),
        shown.highest !== null && small(`${words.rateSeen}: ${rate(shown.highest, lang)} ${words.perSecond}`)),
      tile("peak", words.peak, peak ? `${rate(peak.total_votes / 60, lang)} ${words.perSecond}` : words.noPeak,
        peak !== undefined && small(fill(words.peakHelp, { count: count(peak.total_votes, lang), time: moment(Date.parse(peak.start), zone, lang).slice(0, -3) }))),
      tile(`fresh ${isVoid ? "void" : level}`, words.age, isVoid ? words.state.void : words.level[level], small(level === "settled" ? "" : age(shown.ageMs, lang)),
        small(`${words.confirmed} ${clock(shown.confirmedAt, zone, lang)}`), small(`${words.asOf} ${moment(Date.parse(standing.as_of), zone, lang)}`))));
}

function series(shown: Shown, desk: Desk, which: "minutes" | "hours"): HTMLElement {
  const { words, lang } = shown;
  const columns = shown[which];
  const isTable = shown.tables[which];
  const title = which === "minutes" ? words.minuteTitle : words.hourTitle;
  const hasAny = columns !== null && columns.starts.length > 0;
  const isCut = which === "minutes" && shown.window === "all" && hasAny && (columns.starts[0] ?? 0) * 1_000 > Date.parse(desk.poll.opens_at);
  const button = (does: string, text: string, more = {}) => h("button", { type: "button", "data-do": does, ...more }, text);
  const windows = (["1", "3", "24", "all"] as const).map((one) =>
    button("window", words.windows[one], { "data-window": one, "aria-pressed": one === shown.window ? "true" : "false" }));
  return panel(which, title,
    h("div", { class: "tools" },
      which === "minutes" && h("div", { class: "windows", role: "group", "aria-label": words.window }, ...windows),
      button(`table-${which}`, isTable ? words.showPlot : words.showTable), hasAny && button(`csv-${which}`, which === "minutes" ? words.csvMinute : words.csvHour)),
    h("figure", { hidden: isTable || !hasAny },
      legend(shown, desk),
      // Kept by `plot.ts`.
      h("div", { class: "plot", id: `plot-${which}`, "data-keep": true, role: "img", "aria-label": `${title}. ${words.showTable}` }),
      h("p", { class: "read", id: `read-${which}`, "data-keep": true, "aria-hidden": "true" }),
      h("input", { type: "range", id: `slide-${which}`, "data-keep": true, min: 0, step: 1, "aria-label": `${title}. ${words.plotHelp}` })),
    isTable && hasAny && table(desk, columns),
    columns !== null && !hasAny && h("p", {}, words.noSeries),
    isCut && h("p", { class: "note" }, words.longSeries),
    hasAny && columns.isRunning && desk.poll.state === "open" && h("p", { class: "note" }, words.running),
    shown.isBehind[which] && h("p", { class: "note bad" }, words.seriesUnknown));

  function table({ poll }: Desk, { starts, totals, votes }: Columns): HTMLElement {
    const names = poll.candidates.map((one) => one.name);
    const rows = starts.map((start, index) =>
      h("tr", {}, h("th", { scope: "row" }, moment(start * 1_000, poll.timezone, lang).slice(0, -3)), h("td", {}, count(totals[index], lang)),
        ...votes.map((column) => h("td", {}, count(column[index], lang)))));
    return h("div", { class: "scroll tall", tabindex: 0, role: "group", "aria-label": title },
      h("table", {}, h("caption", {}, title),
        h("thead", {}, h("tr", {}, ...[words.start, words.all, ...names].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, ...rows.reverse().slice(0, MOST_ROWS))));
  }
}

function legend({ words }: Shown, { poll }: Desk): HTMLElement {
  const one = (name: string, swatch: number | string) => h("li", {}, h("span", { class: "swatch", "data-swatch": swatch, "aria-hidden": "true" }), name);
  return h("ul", { class: "legend" }, one(words.all, "all"), ...poll.candidates.map((candidate, index) => one(candidate.name, index)));
}

/** Why there is nothing to see. */
function nothing(shown: Shown): Node[] {
  const { words, trouble, others } = shown;
  if (trouble?.is === "none") {
    const links = others.map((one) => h("li", {}, h("a", { href: `/production/${encodeURIComponent(one.id)}` }, one.title, " ", h("code", {}, one.id))));
    const list = links.length > 0 ? [h("p", {}, words.noPollHelp), h("ul", {}, ...links)] : [];
    return [h("p", { class: "bad" }, words.noPoll), h("p", {}, trouble.detail), ...list];
  }
  if (trouble?.is === "unavailable") return [h("p", { class: "bad" }, words.unavailable)];
  if (shown.silentMs > 5_000) return [h("p", { class: "bad" }, words.level.away)];
  return [h("p", {}, words.waiting)];
}
