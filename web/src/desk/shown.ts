// All that a picture of the desk is made from.

import type { Desk } from "./document.ts";
import type { Level } from "./freshness.ts";
import type { Columns } from "./plotted.ts";
import type { Trouble, Window } from "./watch.ts";
import type { Lang, Words } from "./words.ts";

export interface Shown {
  lang: Lang;
  words: Words;
  theme: "dark" | "light";
  /** The poll of the page's address. */
  poll: string;
  desk: Desk | null;
  level: Level;
  ageMs: number | null;
  /** How long ago the service last answered. */
  silentMs: number;
  confirmedAt: number;
  /** What time it is by the service's clock. */
  time: number;
  trouble: Trouble;
  /** Other polls, where there is none of this name. */
  others: { id: string; title: string }[];
  rate: number | null;
  highest: number | null;
  window: Window;
  minutes: Columns | null;
  hours: Columns | null;
  isBehind: { minutes: boolean; hours: boolean };
  /** Which of the two is shown as a table. */
  tables: { minutes: boolean; hours: boolean };
  /** The command that was copied a moment ago. */
  copied: string;
}
