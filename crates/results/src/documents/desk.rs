//! What production's desk shows of a poll: all that this service knows of it, from one snapshot.

mod corrections;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use vote_domain::{
    AuditEntry, CandidateId, CandidateStanding, Fate, MinuteSeries, Percent, PollState, Reason,
    Release, SealedPoll, Standing, Status, Tally, WriterId, unweighted, wire_time,
};
use vote_store::{PollSnapshot, WriterLedger};

use crate::documents::desk::corrections::{DeskAnnulment, DeskQuarantine};
use crate::documents::feed::Feed;
use crate::documents::poll::PollDocument;
use crate::documents::standing::{standing_at, standing_of_staff};
use crate::documents::view::{View, sealed};

/// The newest entries of the journal that are shown; `votectl poll journal` has all of them.
const JOURNAL: usize = 20;

/// The writers that are named of those which sealing waits for; `votectl audit` has all of them.
const NAMED: usize = 16;

/// All that production's desk shows of a poll.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Desk)]
pub(crate) struct DeskDocument<'d> {
    /// The poll and its state.
    pub(crate) poll: PollDocument<'d>,
    /// How it stands, whatever graphics show of it.
    pub(crate) standing: Standing,
    /// The candidates where every vote counts alike, through whichever channel it came.
    pub(crate) unweighted: Vec<CandidateStanding>,
    /// What graphics, stream and overlay show of it.
    pub(crate) on_air: OnAir,
    /// How votes ended, as far as Redis has counted them. What else was refused is counted by the ingest processes
    /// alone, in `vote_votes_total`.
    pub(crate) outcomes: DeskOutcomes,
    /// The votes that were set aside as suspect, by reason. Empty where none was.
    pub(crate) quarantine: Vec<DeskQuarantine>,
    /// The annulments that stand, newest first: `standing.recorded` has their votes, by channel and candidate.
    pub(crate) annulments: Vec<DeskAnnulment<'d>>,
    /// The minute with the most votes. Absent before the first vote.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) peak: Option<PeakMinute>,
    /// Whether the figures agree with each other, and what sealing waits for.
    pub(crate) checks: Checks,
    /// The sealed result. Absent until there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) sealed: Option<DeskSealed<'d>>,
    /// What was done to the poll, newest first; the last 20 of it.
    pub(crate) journal: Vec<JournalEntry<'d>>,
}

/// What graphics show of a poll.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OnAir {
    /// Whether these figures may go on air: the flag that scenes ask.
    pub(crate) on_air: bool,
    /// What production has said of them.
    pub(crate) release: Release,
    /// How far they can be relied on; of a poll that is held those at which it is.
    pub(crate) status: Status,
    /// When they were read.
    #[schema(format = DateTime, example = "2026-11-24T01:02:03.250Z")]
    pub(crate) as_of: String,
    /// Their revision. Absent where graphics show no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) revision: Option<u64>,
    /// All votes in them. Absent where graphics show no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = u64)]
    pub(crate) total_votes: Option<u128>,
    /// The candidates, in the poll's order. Empty where graphics show no figures.
    pub(crate) candidates: Vec<OnAirCandidate>,
}

/// What graphics show of a candidate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OnAirCandidate {
    /// Which candidate.
    pub(crate) id: CandidateId,
    /// Its share. Absent where it was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Percent)]
    pub(crate) percent: Option<Percent>,
    /// Its votes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = u64)]
    pub(crate) votes: Option<u128>,
}

/// How votes ended.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DeskOutcomes {
    /// Recorded: they are in the total.
    #[schema(value_type = u64, example = 2000)]
    pub(crate) recorded: u128,
    /// Of those, annulled: they are in no other figure.
    #[schema(value_type = u64, example = 0)]
    pub(crate) annulled: u128,
    /// Of those that count, for candidates who were withdrawn: they are in no percentage.
    #[schema(value_type = u64, example = 0)]
    pub(crate) withdrawn: u128,
    /// Refused because they reached Redis after the closing.
    #[schema(value_type = u64, example = 3)]
    pub(crate) late: u128,
    /// Accepted, in no figure, and not to be recorded again: as far as the writers have noted it in Redis.
    #[schema(value_type = u64, example = 0)]
    pub(crate) lost: u128,
    /// Recorded, set aside as suspect, and not decided of yet: they are in no figure.
    #[schema(value_type = u64, example = 0)]
    pub(crate) quarantined: u128,
    /// Recorded, set aside as suspect, and annulled: they are in no figure.
    #[schema(value_type = u64, example = 0)]
    pub(crate) quarantine_annulled: u128,
}

/// The minute with the most votes that count; of equals the first.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PeakMinute {
    /// When it began.
    #[schema(format = DateTime, example = "2026-11-24T01:02:00.000Z")]
    pub(crate) start: String,
    /// Its votes, through all channels.
    #[schema(value_type = u64, example = 812)]
    pub(crate) total_votes: u128,
}

/// Whether the figures agree with each other, as `votectl audit` asks of each shard; here over all of them.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Checks {
    /// Whether tally and minutes agree by channel and candidate, both with the ledger, and all with the sealed result.
    pub(crate) agree: bool,
    /// The votes of the tally.
    #[schema(value_type = u64, example = 2000)]
    pub(crate) tally: u128,
    /// The votes of the minutes.
    #[schema(value_type = u64, example = 2000)]
    pub(crate) minutes: u128,
    /// The votes of the ledger: those of the tally, and what of the quarantine is undecided or annulled.
    #[schema(value_type = u64, example = 2000)]
    pub(crate) ledger: u128,
    /// How many writers the ledger has, over all shards.
    pub(crate) writers: usize,
    /// How many of them have said that all they had accepted is recorded. Absent while the poll is not closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) drained: Option<usize>,
    /// The first 16 of those that sealing waits for. Empty while the poll is not closed, and once it is sealed.
    #[schema(value_type = Vec<String>, example = json!([]))]
    pub(crate) waiting: Vec<WriterId>,
}

/// What is known of a sealed result beside its figures. Its digest was checked when it was read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeskSealed<'d> {
    /// When it was sealed.
    #[schema(format = DateTime, example = "2026-11-26T02:01:00.000Z")]
    pub(crate) sealed_at: String,
    /// By whom.
    pub(crate) sealed_by: &'d str,
    /// The SHA-256 over it, in lower-case hexadecimal.
    pub(crate) sha256: &'d str,
    /// Writers that were not waited for.
    #[schema(value_type = Vec<String>, example = json!([]))]
    pub(crate) abandoned: &'d [WriterId],
}

/// One thing that was done to the poll.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JournalEntry<'d> {
    /// When.
    #[schema(format = DateTime, example = "2026-11-24T00:00:00.000Z")]
    pub(crate) at: String,
    /// What: `open`, `pause`, `hold` and so on.
    #[schema(example = "open")]
    pub(crate) action: &'d str,
    /// By whom.
    #[schema(example = "ines")]
    pub(crate) by: &'d str,
    /// What changed.
    #[schema(example = "draft to open")]
    pub(crate) detail: &'d str,
    /// Why, in the operator's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) reason: Option<&'d str>,
}

impl<'d> DeskDocument<'d> {
    pub(crate) fn new(snapshot: &'d PollSnapshot, view: &View) -> Self {
        let poll = &snapshot.poll;
        let sealed = sealed(snapshot);
        let tally = sealed.map_or(&snapshot.tally, |sealed| &sealed.tally);
        let net = sealed.map_or_else(
            || snapshot.net_tally(),
            |sealed| Cow::Owned(sealed.net_tally()),
        );
        let unweighted = unweighted(poll, &net);
        let mut standing = standing_at(snapshot, view);
        // Who runs the show has to see that Redis is away before the opening too.
        if view.is_unconfirmed {
            standing.status = Status::Stale;
        }
        Self {
            poll: PollDocument::new(poll, view),
            standing: standing_of_staff(&standing, snapshot).unwrap_or(standing),
            on_air: OnAir::new(&Feed::new(snapshot, view)),
            outcomes: DeskOutcomes::new(snapshot, tally, &unweighted),
            unweighted,
            quarantine: DeskQuarantine::of(&snapshot.quarantine),
            annulments: DeskAnnulment::of(poll),
            peak: PeakMinute::of(&snapshot.net_minutes()),
            checks: Checks::new(snapshot, view, sealed),
            sealed: sealed.map(|sealed| DeskSealed {
                sealed_at: wire_time::format(sealed.sealed_at),
                sealed_by: &sealed.sealed_by,
                sha256: &sealed.sha256,
                abandoned: &sealed.abandoned,
            }),
            journal: poll
                .log
                .iter()
                .rev()
                .take(JOURNAL)
                .map(JournalEntry::new)
                .collect(),
        }
    }
}

impl OnAir {
    fn new(feed: &Feed) -> Self {
        let has_figures = feed.total_votes.is_some();
        let candidates = feed.candidates.iter().filter(|_| has_figures);
        Self {
            on_air: feed.on_air,
            release: feed.release,
            status: feed.status,
            as_of: wire_time::format(feed.as_of),
            revision: feed.revision.filter(|_| has_figures),
            total_votes: feed.total_votes,
            candidates: candidates
                .map(|candidate| OnAirCandidate {
                    id: candidate.id.clone(),
                    percent: candidate.figures.percent,
                    votes: candidate.figures.votes,
                })
                .collect(),
        }
    }
}

impl DeskOutcomes {
    fn new(snapshot: &PollSnapshot, tally: &Tally, candidates: &[CandidateStanding]) -> Self {
        let out = candidates.iter().filter(|one| one.withdrawn_at.is_some());
        Self {
            recorded: tally.total(),
            annulled: snapshot.annulled.total(),
            withdrawn: out.filter_map(|one| one.votes).sum(),
            late: snapshot.late.total(),
            lost: snapshot
                .ledger
                .iter()
                .flat_map(BTreeMap::values)
                .map(|ledger| u128::from(ledger.lost))
                .sum(),
            quarantined: snapshot.quarantine.total(Fate::Undecided),
            quarantine_annulled: snapshot.quarantine.total(Fate::Annulled),
        }
    }
}

impl PeakMinute {
    fn of(minutes: &MinuteSeries) -> Option<Self> {
        let totals = minutes
            .iter()
            .map(|(minute, tally)| (minute, tally.total()));
        // Of equals the first.
        let larger = |best: (_, u128), next: (_, u128)| if next.1 > best.1 { next } else { best };
        let (minute, total_votes) = totals.reduce(larger)?;
        Some(Self {
            start: wire_time::format(minute.start()),
            total_votes,
        })
    }
}

impl Checks {
    fn new(snapshot: &PollSnapshot, view: &View, sealed: Option<&SealedPoll>) -> Self {
        let (tally, minutes) = (snapshot.tally.total(), snapshot.minutes.total());
        let ledger = snapshot.ledger_total();
        let sum = snapshot.minutes.sum();
        let is_sealed_so = sealed.is_none_or(|sealed| sealed.tally == snapshot.tally);
        let (drained, waiting) = drained(snapshot, view.state);
        Self {
            agree: sum.is_ok_and(|sum| sum == snapshot.tally)
                && tally + snapshot.quarantine.outside() == ledger
                && is_sealed_so,
            tally,
            minutes,
            ledger,
            writers: snapshot.writers().count() + snapshot.ended_writers(),
            drained,
            waiting,
        }
    }
}

/// How many writers are drained, and who is not; nothing of a poll that may take votes again.
fn drained(snapshot: &PollSnapshot, state: PollState) -> (Option<usize>, Vec<WriterId>) {
    if !matches!(state, PollState::Closed | PollState::Sealed) {
        return (None, Vec::new());
    }
    let closes_at_ms = snapshot.poll.closes_at.as_millisecond();
    let is_drained = |ledger: &WriterLedger| ledger.is_drained(closes_at_ms);
    let count = snapshot.writers();
    let count = count.filter(|(_, ledger)| is_drained(ledger)).count() + snapshot.ended_writers();
    let waiting = snapshot.writers();
    let waiting = waiting.filter(|(_, ledger)| !is_drained(ledger));
    let waiting = match state {
        PollState::Sealed => Vec::new(),
        _ => waiting.take(NAMED).map(|(writer, _)| *writer).collect(),
    };
    (Some(count), waiting)
}

impl<'d> JournalEntry<'d> {
    fn new(entry: &'d AuditEntry) -> Self {
        Self {
            at: wire_time::format(entry.at),
            action: &entry.action,
            by: &entry.by,
            detail: &entry.detail,
            reason: entry.reason.as_ref().map(Reason::as_str),
        }
    }
}

/// A desk as the document shows it.
pub(crate) fn example() -> serde_json::Value {
    let standing = crate::documents::standing::example();
    let on_air = serde_json::json!([
        { "id": "ana", "percent": 40.88, "votes": 1135 }, { "id": "bia", "percent": 59.12, "votes": 865 }
    ]);
    serde_json::json!({
        "poll": crate::documents::poll::example(),
        "unweighted": [
            { "id": "ana", "name": "Ana", "votes": 1135, "percent": 56.75, "rank": 1 },
            { "id": "bia", "name": "Bia", "votes": 865, "percent": 43.25, "rank": 2 }
        ],
        "on_air": {
            "on_air": true, "release": "released", "status": "provisional", "as_of": "2026-11-24T01:02:03.250Z",
            "revision": 815, "total_votes": 2000, "candidates": on_air
        },
        "standing": standing,
        "outcomes": {
            "recorded": 2000, "annulled": 0, "withdrawn": 0, "late": 3, "lost": 0, "quarantined": 12, "quarantine_annulled": 0
        },
        "quarantine": [{ "reason": "deny_list", "undecided": 12, "released": 0, "annulled": 0 }],
        "annulments": [],
        "peak": { "start": "2026-11-24T01:02:00.000Z", "total_votes": 812 },
        "checks": { "agree": true, "tally": 2000, "minutes": 2000, "ledger": 2012, "writers": 2, "waiting": [] },
        "journal": [
            { "at": "2026-11-24T00:00:00.000Z", "action": "open", "by": "ines", "detail": "draft to open" }
        ]
    })
}

#[cfg(test)]
mod tests;
