// The words of a page, as the server has written them into it, and how its language writes figures and times.

import { offsetText } from "./zone.ts";

export type Words = Readonly<Record<string, string>> & { readonly problems: Readonly<Record<string, readonly [string, string]>> };

/** The words of the page. */
export function wordsOf(main: HTMLElement): Words {
  return JSON.parse(main.dataset["words"] ?? "{}") as Words;
}

/** A text, with something filled in. */
export function text(words: Words, name: string, filled?: readonly [string, string]): string {
  const found = words[name] ?? "";
  return filled ? found.split(`{${filled[0]}}`).join(filled[1]) : found;
}

/** A percentage as the server writes it: `56,73 %`. */
export function percentText(words: Words, percent: number): string {
  const tag = text(words, "tag");
  const number = new Intl.NumberFormat(tag, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(percent);
  return number + (tag === "en" ? "%" : " %");
}

/** A count, its digits in groups. */
export function countText(words: Words, count: number): string {
  return new Intl.NumberFormat(text(words, "tag")).format(count);
}

/** An instant as the server writes it, in the poll's time zone. */
export function timeText(words: Words, at: string, timeZone: string): string {
  const tag = text(words, "tag");
  const isEnglish = tag === "en";
  const format = new Intl.DateTimeFormat("en", {
    timeZone,
    year: "numeric",
    month: isEnglish ? "long" : "2-digit",
    day: isEnglish ? "numeric" : "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const parts = Object.fromEntries(format.formatToParts(new Date(at)).map(({ type, value }) => [type, value]));
  const { year, month, day, hour, minute } = parts;
  const clock = `${hour}:${minute} (UTC${offsetText(Date.parse(at), timeZone)})`;
  if (isEnglish) return `${day} ${month} ${year} at ${clock}`;
  return `${day}/${month}/${year} ${tag === "es" ? "a las" : "às"} ${clock}`;
}
