// What `GET /v1/polls/{poll}/desk` and the series answer, as far as the desk reads it (openapi/results.json has all of it).

export type State = "draft" | "open" | "paused" | "closed" | "sealed" | "void";
export type Status = "not_open" | "provisional" | "stale" | "final" | "void";
export type Release = "unreleased" | "released" | "held";

export interface Poll {
  id: string;
  title: string;
  kind: "live" | "rehearsal";
  direction: "eliminate" | "save";
  visibility: "public" | "percentages" | "embargoed";
  release: Release;
  state: State;
  status: Status;
  opens_at: string;
  closes_at: string;
  timezone: string;
  candidates: { id: string; name: string; color?: string; withdrawn_at?: string }[];
}

/** `percent` and `rank` are absent where the candidate is withdrawn. */
export interface CandidateStanding {
  id: string;
  name: string;
  votes?: number;
  percent?: number;
  rank?: number;
  withdrawn_at?: string;
}

export interface Standing {
  poll: string;
  title: string;
  kind: "live" | "rehearsal";
  direction: "eliminate" | "save";
  state: State;
  status: Status;
  as_of: string;
  revision?: number;
  total_votes?: number;
  /** Absent where nothing is annulled. */
  recorded?: { total_votes: number; annulled: number; channels: { id: string; candidates: { id: string; votes: number; annulled: number }[] }[] };
  candidates: CandidateStanding[];
  channels: { id: string; weight: number; total_votes?: number; candidates: CandidateStanding[] }[];
}

export interface OnAir {
  on_air: boolean;
  release: Release;
  status: Status;
  as_of: string;
  revision?: number;
  total_votes?: number;
  candidates: { id: string; percent?: number; votes?: number }[];
}

export interface Desk {
  poll: Poll;
  standing: Standing;
  unweighted: CandidateStanding[];
  on_air: OnAir;
  /** An older service leaves members out: what is not there is not known. */
  outcomes: {
    recorded?: number;
    annulled?: number;
    withdrawn?: number;
    late?: number;
    lost?: number;
    quarantined?: number;
    quarantine_annulled?: number;
  };
  quarantine?: { reason: string; undecided: number; released: number; annulled: number }[];
  annulments?: {
    number: number;
    votes: { from: string; until: string; channel?: string; candidate?: string };
    reason: string;
    at: string;
    by: string;
  }[];
  peak?: { start: string; total_votes: number };
  checks: {
    agree: boolean;
    tally: number;
    minutes: number;
    ledger: number;
    writers: number;
    drained?: number;
    waiting: string[];
  };
  sealed?: { sealed_at: string; sealed_by: string; sha256: string; abandoned: string[] };
  journal: { at: string; action: string; by: string; detail: string; reason?: string }[];
}

export interface Bucket {
  start: string;
  total_votes: number;
  candidates: Record<string, number>;
}

export interface Series {
  poll: string;
  timezone: string;
  status: Status;
  as_of: string;
  revision: number;
  hours?: Bucket[];
  minutes?: Bucket[];
}
