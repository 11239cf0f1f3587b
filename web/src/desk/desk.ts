// Production's desk at /production/{poll}: asks for the token, shows what the results service knows, and changes nothing.

import { ask, isToken } from "./ask.ts";
import { colorOf } from "./colors.ts";
import { seriesCsv, standingCsv } from "./csv.ts";
import { h, morph } from "./dom.ts";
import { age, level } from "./freshness.ts";
import { Plot } from "./plot.ts";
import { columns, since } from "./plotted.ts";
import type { Columns } from "./plotted.ts";
import { liking, token } from "./session.ts";
import type { Shown } from "./shown.ts";
import { view } from "./view.ts";
import { Watch } from "./watch.ts";
import type { Window } from "./watch.ts";
import { count } from "./format.ts";
import { langOf, wordsOf } from "./words.ts";
import type { Lang } from "./words.ts";

/** How often ages and countdowns are written anew. */
const TICK_MS = 250;

/** How long a copied command says so. */
const COPIED_MS = 2_000;

/** On paper a plot is so large, in pixels: two of them, tables and panels fit one page of A4. */
const PAPER = { width: 690, height: 130 };

type Which = "minutes" | "hours";

class Page {
  readonly #root: HTMLElement;
  readonly #poll: string;
  #lang: Lang;
  #theme: "dark" | "light";
  #watch: Watch | null = null;
  #startedAt = 0;
  #message = "";
  #isOnPaper = false;
  #isChecking = false;
  #tables = { minutes: false, hours: false };
  #copied = { line: "", at: 0 };
  #others: { id: string; title: string }[] = [];
  #plots: Partial<Record<Which, Plot>> = {};
  #columns: Record<Which, Columns | null> = { minutes: null, hours: null };

  constructor(root: HTMLElement) {
    this.#root = root;
    this.#poll = decodeURIComponent(location.pathname.split("/").filter((part) => part !== "").pop() ?? "");
    const asked = new URLSearchParams(location.search).get("lang");
    this.#lang = langOf([asked, liking.get("lang"), ...navigator.languages]);
    // A control room is dark.
    this.#theme = liking.get("theme") === "light" ? "light" : "dark";
    root.addEventListener("click", (event) => void this.#clicked(event));
    root.addEventListener("submit", (event) => this.#submitted(event));
    addEventListener("beforeprint", () => this.#print(true));
    addEventListener("afterprint", () => this.#print(false));
    setInterval(() => this.#show(), TICK_MS);
    const known = token.get();
    if (known) this.#signIn(known);
    this.#show();
  }

  // --- who looks

  #submitted(event: Event): void {
    event.preventDefault();
    const field = this.#root.querySelector<HTMLInputElement>("#token");
    const given = field?.value.trim() ?? "";
    if (!isToken(given)) {
      this.#message = wordsOf(this.#lang).notToken;
      this.#show();
      field?.focus();
      return;
    }
    this.#isChecking = true;
    this.#signIn(given);
    this.#show();
  }

  #signIn(given: string): void {
    this.#message = "";
    this.#startedAt = performance.now();
    const watch = new Watch(this.#poll, given, {
      fetcher: (...request) => fetch(...request),
      now: () => performance.now(),
      wall: () => Date.now(),
      onNews: () => {
        // Kept only once it is known to be good.
        if (watch.desk || watch.trouble) this.#isChecking = false;
        if (watch.desk || watch.trouble?.is === "none") token.set(given);
        if (watch.trouble?.is === "none" && this.#others.length === 0) void this.#findOthers(given);
        this.#show();
      },
      onRefused: () => this.#signOut(wordsOf(this.#lang)[watch.desk ? "expired" : "refused"]),
    });
    this.#watch = watch;
    watch.start();
  }

  #signOut(message = ""): void {
    this.#watch?.stop();
    this.#watch = null;
    this.#isChecking = false;
    this.#message = message;
    this.#others = [];
    this.#columns = { minutes: null, hours: null };
    this.#plots = {};
    token.forget();
    this.#root.replaceChildren();
    this.#show();
    this.#root.querySelector<HTMLInputElement>("#token")?.focus();
  }

  async #findOthers(given: string): Promise<void> {
    const answer = await ask<{ polls: { id: string; title: string }[] }>((...request) => fetch(...request), "/v1/polls", given, "");
    if (answer.is === "new") this.#others = answer.body.polls.slice(0, 50);
    this.#show();
  }

  // --- what is done

  async #clicked(event: Event): Promise<void> {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-do]") : null;
    const watch = this.#watch;
    switch (button?.dataset["do"]) {
      case "sign-out":
        this.#signOut();
        return;
      case "lang":
        this.#lang = this.#lang === "en" ? "pt-BR" : "en";
        liking.set("lang", this.#lang);
        break;
      case "theme":
        this.#theme = this.#theme === "dark" ? "light" : "dark";
        liking.set("theme", this.#theme);
        break;
      case "print":
        print();
        return;
      case "table-minutes":
        this.#tables.minutes = !this.#tables.minutes;
        break;
      case "table-hours":
        this.#tables.hours = !this.#tables.hours;
        break;
      case "window":
        void watch?.over((button.dataset["window"] ?? "1") as Window);
        break;
      case "copy":
        if (await copy(button.dataset["line"] ?? "")) this.#copied = { line: button.dataset["line"] ?? "", at: performance.now() };
        break;
      case "csv-standing":
        if (watch?.desk && watch.heard) this.#save("", standingCsv(watch.desk, watch.heard.confirmedAt, this.#lang));
        return;
      case "csv-minutes":
        this.#saveSeries("minutes");
        return;
      case "csv-hours":
        this.#saveSeries("hours");
        return;
      default:
        return;
    }
    this.#show();
  }

  #saveSeries(which: Which): void {
    const [shown, desk] = [this.#columns[which], this.#watch?.desk];
    if (shown && desk) this.#save(`-${which}`, seriesCsv(shown, desk.poll.timezone, this.#lang));
  }

  /** Gives the browser a file. It names the poll and the revision, so that two of them are told apart. */
  #save(what: string, text: string): void {
    const desk = this.#watch?.desk;
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    const name = `${desk?.poll.id ?? "poll"}-r${desk?.standing.revision ?? 0}${what}.csv`;
    h("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  /** A page of paper is white, and as wide as A4. */
  #print(isOnPaper: boolean): void {
    this.#isOnPaper = isOnPaper;
    this.#show();
    for (const plot of Object.values(this.#plots)) plot.fit(isOnPaper ? PAPER : null);
  }

  // --- what is shown

  #show(): void {
    const root = document.documentElement;
    root.lang = this.#lang;
    root.dataset["theme"] = this.#isOnPaper ? "light" : this.#theme;
    const watch = this.#watch;
    if (!watch || (this.#isChecking && !watch.desk)) {
      root.dataset["desk"] = "sign-in";
      delete root.dataset["revision"];
      this.#become(signIn(this.#lang, this.#theme, this.#poll, this.#message, this.#isChecking));
      document.title = wordsOf(this.#lang).title;
      return;
    }
    const shown = this.#shown(watch);
    root.dataset["desk"] = shown.desk ? shown.level : "waiting";
    root.dataset["revision"] = String(shown.desk?.standing.revision ?? "");
    document.title = shown.desk ? `${count(shown.desk.standing.total_votes, this.#lang)} · ${shown.desk.poll.title}` : shown.words.title;
    this.#become(view(shown));
    this.#draw();
  }

  #become(picture: HTMLElement): void {
    const before = this.#root.firstElementChild;
    if (before && before.className.split(" ")[0] === picture.className.split(" ")[0]) morph(before, picture);
    else this.#root.replaceChildren(picture);
  }

  #shown(watch: Watch): Shown {
    const now = performance.now();
    const { desk, heard } = watch;
    this.#columns = desk ? { minutes: minutes(watch), hours: hours(watch) } : { minutes: null, hours: null };
    return {
      lang: this.#lang,
      words: wordsOf(this.#lang),
      theme: this.#theme,
      poll: this.#poll,
      desk,
      level: level(heard, now),
      ageMs: age(heard, now),
      silentMs: now - (heard?.heardAt ?? this.#startedAt),
      confirmedAt: heard?.confirmedAt ?? Number.NaN,
      time: watch.time(),
      trouble: watch.trouble,
      others: this.#others,
      rate: watch.rate.now(),
      highest: watch.rate.highest(),
      window: watch.window,
      ...this.#columns,
      isBehind: { minutes: watch.minutes.isBehind, hours: watch.hours.isBehind },
      tables: this.#tables,
      copied: now - this.#copied.at < COPIED_MS ? this.#copied.line : "",
    };
  }

  /** Colours, lengths and plots: what no attribute may say under the page's policy. */
  #draw(): void {
    const desk = this.#watch?.desk;
    if (!desk) return;
    const style = getComputedStyle(document.documentElement);
    const of = (name: string) => style.getPropertyValue(name).trim();
    const colors = desk.poll.candidates.map((one, index) => colorOf(one.color, index, of("--panel")));
    for (const one of this.#root.querySelectorAll<HTMLElement>("[data-swatch]")) {
      const color = colors[Number(one.dataset["swatch"])] ?? of("--ink");
      if (one.style.backgroundColor !== color) one.style.backgroundColor = color;
    }
    for (const one of this.#root.querySelectorAll<HTMLElement>("[data-wide]")) one.style.width = `${one.dataset["wide"]}%`;
    const names = desk.poll.candidates.map((one) => one.name);
    for (const which of ["minutes", "hours"] as const) {
      const [shown, plot] = [this.#columns[which], this.#plot(which)];
      if (shown && plot && !this.#tables[which]) {
        plot.draw(shown, { lang: this.#lang, timezone: desk.poll.timezone, names, colors, ink: of("--ink"), grid: of("--line") });
      }
    }
  }

  /** The plot of a series, whose place in the page stays the same. */
  #plot(which: Which): Plot | undefined {
    const host = document.getElementById(`plot-${which}`);
    const read = document.getElementById(`read-${which}`);
    const slider = document.getElementById(`slide-${which}`);
    if (!host || !read || !(slider instanceof HTMLInputElement)) return undefined;
    const known = this.#plots[which];
    if (known?.isIn(host)) return known;
    const plot = new Plot(host, read, slider);
    this.#plots[which] = plot;
    return plot;
  }

  /** For tests, and for whoever looks in the console. */
  get plots(): Partial<Record<Which, Plot>> {
    return this.#plots;
  }
}

function minutes(watch: Watch): Columns | null {
  const all = of(watch, watch.minutes.buckets, 60, watch.minutes.knownUntil);
  if (!all || watch.window === "all") return all;
  return since(all, all.end - Number(watch.window) * 3_600);
}

function hours(watch: Watch): Columns | null {
  return of(watch, watch.hours.buckets, 3_600, watch.hours.knownUntil);
}

function of(watch: Watch, buckets: Parameters<typeof columns>[0] | null, seconds: number, knownUntil: number): Columns | null {
  const poll = watch.desk?.poll;
  if (!buckets || !poll) return null;
  const until = Math.min(knownUntil, Date.parse(poll.closes_at));
  return columns(buckets, poll.candidates.map((one) => one.id), seconds, until);
}

function signIn(lang: Lang, theme: "dark" | "light", poll: string, message: string, isChecking: boolean): HTMLElement {
  const words = wordsOf(lang);
  return h("main", { class: "sign-in" },
    h("h1", {}, words.title), h("p", {}, h("code", {}, poll)),
    // Without a name the field is in no address, whatever becomes of the form; and a form that is not sent by us is a POST.
    h("form", { method: "post", "aria-labelledby": "sign-in-title" },
      h("h2", { id: "sign-in-title" }, words.signInTitle),
      h("p", { id: "token-help" }, words.signInHelp),
      h("label", { for: "token" }, words.token),
      h("input", {
        id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true, autofocus: true, "aria-describedby": "token-help sign-in-message",
        "aria-invalid": message === "" ? null : "true",
      }),
      h("p", { id: "sign-in-message", class: "bad", role: "alert" }, message),
      h("button", { type: "submit", disabled: isChecking }, isChecking ? words.signingIn : words.signIn)),
    h("nav", { "aria-label": words.title },
      h("button", { type: "button", "data-do": "lang" }, words.language), h("button", { type: "button", "data-do": "theme" }, words.theme[theme])));
}

/** Copies a text. Only pages by https may use the clipboard; elsewhere the old way works. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = h("textarea", { readonly: true, class: "aside" }) as HTMLTextAreaElement;
    field.value = text;
    document.body.append(field);
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return isCopied;
  }
}

const root = document.getElementById("desk");
if (root) Object.assign(globalThis, { paredaoDesk: new Page(root) });
