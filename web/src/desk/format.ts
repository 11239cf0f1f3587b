// Figures and times as each language writes them. What is not known is a dash, never a zero.

import { localText, offsetText } from "../shared/zone.ts";
import type { Lang } from "./words.ts";

export const UNKNOWN = "–";

/** How days are written: in English the British way, for the American one is read as another day. */
const LOCALES: Record<Lang, string> = { "pt-BR": "pt-BR", en: "en-GB" };

export function count(value: number | undefined | null, lang: Lang): string {
  return value === undefined || value === null ? UNKNOWN : new Intl.NumberFormat(LOCALES[lang]).format(value);
}

/** `56,73 %`, as graphics show it. */
export function percent(value: number | undefined | null, lang: Lang): string {
  if (value === undefined || value === null) return UNKNOWN;
  const two = new Intl.NumberFormat(LOCALES[lang], { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value);
  return lang === "pt-BR" ? `${two}\u00a0%` : `${two}%`;
}

/** Votes a second: whole ones, but for a few. */
export function rate(value: number | null, lang: Lang): string {
  if (value === null) return UNKNOWN;
  const digits = value < 10 ? 1 : 0;
  return new Intl.NumberFormat(LOCALES[lang], { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** A stretch of time: `2 d 03:04:05`, `03:04:05`, `04:05`. Past is zero. */
export function duration(ms: number): string {
  const seconds = Math.max(Math.ceil(ms / 1_000), 0);
  const two = (value: number) => String(value).padStart(2, "0");
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60];
  const clock = `${two(minutes)}:${two(seconds % 60)}`;
  if (days > 0) return `${days} d ${two(hours)}:${clock}`;
  return hours > 0 ? `${two(hours)}:${clock}` : clock;
}

/** An age: `0,4 s` below ten seconds, `12 s`, and then as a stretch of time. */
export function age(ms: number | null, lang: Lang): string {
  if (ms === null) return UNKNOWN;
  if (ms >= 60_000) return duration(ms);
  const digits = ms < 9_950 ? 1 : 0;
  return `${new Intl.NumberFormat(LOCALES[lang], { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(ms / 1_000)} s`;
}

/** The time of the day in the poll's zone. */
export function clock(at: number, timezone: string, lang: Lang, seconds = true): string {
  if (!Number.isFinite(at)) return UNKNOWN;
  const parts: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: timezone };
  if (seconds) parts.second = "2-digit";
  return new Intl.DateTimeFormat(LOCALES[lang], parts).format(at);
}

/** Day and time in the poll's zone. */
export function moment(at: number, timezone: string, lang: Lang): string {
  if (!Number.isFinite(at)) return UNKNOWN;
  const day = new Intl.DateTimeFormat(LOCALES[lang], { day: "2-digit", month: "2-digit", timeZone: timezone }).format(at);
  return `${day} ${clock(at, timezone, lang)}`;
}

/** RFC 3339 in the poll's zone: `2026-11-24T22:00:00-03:00`, which spreadsheets and programs both read. */
export function zoned(at: number, timezone: string): string {
  return localText(at, timezone) + offsetText(at, timezone);
}
