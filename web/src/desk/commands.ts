// What production can say now: commands of votectl, which the desk shows and never carries out.

import type { Desk } from "./document.ts";

/** A command, and the key of the words that say what it does. */
export interface Command {
  line: string;
  does: CommandKey;
  /** It asks before it does anything that can't be undone. */
  asks: boolean;
}

export type CommandKey =
  | "open" | "pause" | "resume" | "extend" | "reschedule" | "close" | "seal" | "void" | "release" | "hold" | "withdraw"
  | "audit" | "journal" | "embargo" | "publish" | "exportSealed" | "backup" | "show" | "abandon"
  | "quarantineShow" | "quarantineRelease" | "quarantineAnnul" | "annul" | "takeBack";

/** The commands that fit the poll's state, the most likely first. */
export function commands(desk: Desk): Command[] {
  const { poll } = desk;
  const id = poll.id;
  const list: Command[] = [];
  const say = (does: CommandKey, line: string, asks = false) => list.push({ does, line: `votectl ${line}`, asks });
  const air = () => {
    if (poll.release === "released") say("hold", `poll hold ${id}`);
    else say("release", `poll release ${id}`, true);
  };
  const seen = () => {
    if (poll.visibility === "embargoed") say("publish", `poll visibility ${id} public`, true);
    else say("embargo", `poll visibility ${id} embargoed`);
  };
  const suspect = () => {
    if (!desk.outcomes.quarantined) return;
    say("quarantineShow", `quarantine show ${id}`);
    say("quarantineRelease", `quarantine release ${id} --reason REASON --why "…"`, true);
    say("quarantineAnnul", `quarantine annul ${id} --reason REASON --why "…"`, true);
  };
  const annulling = () => {
    say("annul", `annul ${id} --from HH:MM --until HH:MM --reason "…"`, true);
    const last = desk.annulments?.[0];
    if (last) say("takeBack", `annul ${id} --take-back ${last.number} --reason "…"`, true);
  };
  switch (poll.state) {
    case "draft":
      say("open", `poll open ${id}`);
      say("show", `poll show ${id}`);
      say("reschedule", `poll reschedule ${id} --opens-at HH:MM`);
      air();
      break;
    case "open":
    case "paused":
      // What is wrong on air comes before everything else.
      air();
      if (poll.state === "open") say("pause", `poll pause ${id} --reason "…"`);
      else say("resume", `poll resume ${id}`);
      say("extend", `poll extend ${id} --for 10m`);
      say("reschedule", `poll reschedule ${id} --until HH:MM`);
      say("close", `poll close ${id}`, true);
      say("withdraw", `poll withdraw ${id} CANDIDATE --reason "…"`, true);
      suspect();
      annulling();
      seen();
      say("audit", `audit ${id}`);
      break;
    case "closed":
      air();
      // Sealing waits for it.
      suspect();
      say("seal", `poll seal ${id}`, true);
      for (const writer of desk.checks.waiting) say("abandon", `poll seal ${id} --abandon ${writer}`, true);
      annulling();
      say("audit", `audit ${id}`);
      seen();
      break;
    case "sealed":
      say("audit", `audit ${id}`);
      air();
      say("exportSealed", `export ${id} --what sealed --file ${id}.json`);
      say("backup", `export ${id} --what backup --file ${id}.backup.json`);
      seen();
      break;
    case "void":
      say("audit", `audit ${id}`);
      break;
  }
  say("journal", `poll journal ${id}`);
  if (["draft", "open", "paused", "closed"].includes(poll.state)) say("void", `poll void ${id} --reason "…"`, true);
  return list;
}
