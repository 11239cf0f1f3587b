//! What an audit says: the sums of each shard, and all that does not agree.

use serde::Serialize;
use vote_domain::{Fate, Poll, PollId, PollState, SealedPoll, WriterId};

use super::compare::{fence_difference, figure_differences, sealed_differences};
use super::undrained::{Undrained, undrained};
use crate::figures::ShardFigures;

/// What an audit found.
#[derive(Debug, Clone, Serialize)]
pub struct AuditReport {
    /// The poll.
    pub poll: PollId,
    /// Its state.
    pub state: PollState,
    /// Each shard's sums.
    pub shards: Vec<ShardAudit>,
    /// All votes of all tallies.
    pub total: u128,
    /// The votes of the minutes that are annulled: what counts is the rest.
    pub annulled: u128,
    /// All votes that came too late, which no tally has.
    pub late: u128,
    /// The writers of a closed poll that sealing waits for.
    pub waiting: Vec<Undrained>,
    /// The writers that it was sealed without waiting for.
    pub abandoned: Vec<WriterId>,
    /// The votes that were accepted and are in no figure, by shard and by the writer as which their lane began.
    pub lost: Vec<Lost>,
    /// The digest of the sealed result.
    pub sha256: Option<String>,
    /// What does not agree, in the order in which it was found.
    pub differences: Vec<String>,
    /// Whether everything agrees.
    pub passed: bool,
}

/// Votes of one lane that were accepted, and counted as lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, derive_more::Display)]
#[display("shard {shard}: {votes} of the lane that began as writer {writer}")]
pub struct Lost {
    /// The shard.
    pub shard: u16,
    /// The writer as which the lane began.
    pub writer: WriterId,
    /// The votes.
    pub votes: u64,
}

/// The sums of one shard. Tally and minutes must be equal, and the ledger too, which has those of the quarantine that are undecided
/// or annulled besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardAudit {
    /// The shard's number.
    pub shard: u16,
    /// Votes in the tally.
    pub tally: u128,
    /// Votes in the minute series.
    pub minutes: u128,
    /// Votes in the ledger.
    pub ledger: u128,
    /// Votes of the minutes that are annulled: what counts is the rest.
    pub annulled: u128,
    /// Late votes.
    pub late: u128,
    /// Votes that were set aside as suspect, and of which nobody has decided: in the ledger, and in no tally.
    pub undecided: u128,
    /// Votes that were set aside and released: they are in the tally.
    pub released: u128,
    /// Votes that were set aside and annulled there: in the ledger, and in no tally.
    pub quarantine_annulled: u128,
    /// Writers in the ledger.
    pub writers: usize,
    /// Those of them that have said that all they had accepted is recorded.
    pub drained: usize,
    /// Votes in the sealed result.
    pub sealed: Option<u128>,
}

/// Compares all figures of a poll with each other.
pub(crate) fn audit_report(
    poll: &Poll,
    shards: &[ShardFigures],
    sealed: Option<&SealedPoll>,
) -> AuditReport {
    let mut differences = Vec::new();
    for shard in shards {
        differences.extend(fence_difference(poll, shard));
        differences.extend(figure_differences(poll, shard));
    }
    match (poll.state, sealed) {
        (PollState::Sealed, None) => {
            differences.push("the poll is sealed, but its sealed result is missing".to_owned());
        }
        (_, Some(sealed)) => differences.extend(sealed_differences(poll, shards, sealed)),
        (_, None) => {}
    }
    let audits = shards.iter().map(|shard| shard_audit(poll, shard, sealed));
    let audits: Vec<ShardAudit> = audits.collect();
    AuditReport {
        poll: poll.definition.id().clone(),
        state: poll.state,
        annulled: audits.iter().map(|shard| shard.annulled).sum(),
        shards: audits,
        total: shards.iter().map(|shard| shard.tally.total()).sum(),
        late: shards.iter().map(|shard| shard.late.total()).sum(),
        waiting: match poll.state {
            PollState::Closed => undrained(poll, shards),
            _ => Vec::new(),
        },
        abandoned: sealed.map_or_else(Vec::new, |sealed| sealed.abandoned.clone()),
        lost: lost(shards),
        sha256: sealed.map(|sealed| sealed.sha256.clone()),
        passed: differences.is_empty(),
        differences,
    }
}

fn lost(shards: &[ShardFigures]) -> Vec<Lost> {
    let of_shard = |shard: &ShardFigures| {
        let number = shard.shard;
        let writers = shard.writers.iter().filter(|(_, ledger)| ledger.lost > 0);
        let lost = writers.map(|(writer, ledger)| Lost {
            shard: number,
            writer: *writer,
            votes: ledger.lost,
        });
        lost.collect::<Vec<_>>()
    };
    shards.iter().flat_map(of_shard).collect()
}

fn shard_audit(poll: &Poll, shard: &ShardFigures, sealed: Option<&SealedPoll>) -> ShardAudit {
    let drained = shard
        .writers
        .values()
        .filter(|writer| writer.is_drained(poll.closes_at.as_millisecond()));
    let mut totals = sealed.into_iter().flat_map(|sealed| &sealed.shards);
    let totals = totals.find(|totals| totals.shard == shard.shard);
    ShardAudit {
        shard: shard.shard,
        tally: shard.tally.total(),
        minutes: shard.minutes.total(),
        ledger: shard.ledger_total(),
        annulled: poll
            .annulled(&shard.minutes)
            .map_or(0, |annulled| annulled.total()),
        late: shard.late.total(),
        undecided: shard.quarantine.total(Fate::Undecided),
        released: shard.quarantine.total(Fate::Released),
        quarantine_annulled: shard.quarantine.total(Fate::Annulled),
        writers: shard.writers.len(),
        drained: drained.count(),
        sealed: totals.map(|totals| totals.tally.total()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use vote_domain::{
        Eligibility, Minute, MinuteSeries, Quarantine, QuarantineReason, Tally, Transition,
    };
    use vote_testkit::fixtures::{at, demo_poll};

    use super::*;
    use crate::fence::Fence;
    use crate::figures::{Drained, EndedSums, WriterLedger};

    /// A poll with two shards, after these changes.
    fn poll(transitions: &[Transition]) -> Poll {
        let definition = demo_poll()
            .id("p")
            .between(at("2025-11-24T00:00:00Z"), at("2025-11-26T00:00:00Z"))
            .shards(2)
            .channels(&[("torcida", 1, Eligibility::Open)])
            .definition();
        let now = at("2025-11-26T00:00:01Z");
        let draft = Poll::draft(definition, now, "a");
        transitions.iter().fold(draft, |poll, transition| {
            let next = poll.transition(*transition, now, "a");
            next.expect("a legal transition")
        })
    }

    fn closed() -> Poll {
        poll(&[Transition::Open, Transition::Close])
    }

    fn writer() -> WriterId {
        WriterId::from_bytes([7; 8])
    }

    /// Figures that agree: three votes for Ana on each shard, by one writer that has ended.
    fn figures(poll: &Poll) -> Vec<ShardFigures> {
        let shard = |shard| {
            let tally = Tally::from_rows(&[vec![3, 0]]).expect("a tally");
            let mut minutes = MinuteSeries::new(1, 2);
            let minute = Minute::from_timestamp(at("2025-11-25T12:00:00Z"));
            minutes.add(minute, 0, 0, 3).expect("few votes");
            let ledger = WriterLedger {
                last_sequence: 2,
                votes: 3,
                drained: Drained::Ended,
                lost: 0,
            };
            ShardFigures {
                received_at_ms: None,
                shard,
                fence: Some(Fence::of(poll)),
                tally,
                minutes,
                late: Tally::new(1, 2),
                quarantine: Quarantine::default(),
                quarantine_minutes: BTreeMap::new(),
                writers: BTreeMap::from([(writer(), ledger)]),
                unlisted: EndedSums::default(),
            }
        };
        vec![shard(0), shard(1)]
    }

    /// What the audit of a closed poll says once its second shard was changed.
    fn after(change: impl FnOnce(&mut ShardFigures)) -> AuditReport {
        let poll = closed();
        let mut figures = figures(&poll);
        change(&mut figures[1]);
        audit_report(&poll, &figures, None)
    }

    #[test]
    fn figures_that_agree_pass() {
        let report = after(|_| {});
        assert_eq!(report.differences, [""; 0]);
        assert!(report.passed);
        assert_eq!((report.total, report.late), (6, 0));
        assert_eq!(report.waiting, []);
        assert_eq!(report.shards[1].drained, 1);
        assert_eq!(report.shards[1].sealed, None);
    }

    #[test]
    fn each_difference_between_tally_minutes_and_ledger_is_named() {
        let report = after(|shard| shard.tally = Tally::from_rows(&[vec![2, 1]]).expect("a tally"));
        let wanted = [
            "shard 1, channel torcida, candidate ana: tally 2, minutes 3",
            "shard 1, channel torcida, candidate bia: tally 1, minutes 0",
        ];
        assert_eq!(report.differences, wanted);
        assert!(!report.passed);
        let report = after(|shard| shard.writers.clear());
        assert_eq!(report.differences, ["shard 1: tally 3, ledger 0"]);
    }

    #[test]
    fn votes_that_were_set_aside_are_accounted_for() {
        let add = |shard: &mut ShardFigures, fate, votes| {
            let poll = closed().definition;
            let of = (fate, QuarantineReason::DenyList);
            let added = shard.quarantine.add(&poll, of, (0, 0), votes);
            added.expect("few votes");
            let minutes = shard.quarantine_minutes.entry(29_000_000).or_default();
            minutes.add(&poll, of, (0, 0), votes).expect("few votes");
            if fate != Fate::Released {
                shard.writers.get_mut(&writer()).expect("it").votes += votes;
            }
        };
        let report = after(|shard| {
            add(shard, Fate::Undecided, 5);
            add(shard, Fate::Released, 2);
            add(shard, Fate::Annulled, 4);
        });
        assert_eq!(report.differences, [""; 0]);
        let shard = &report.shards[1];
        assert_eq!((shard.tally, shard.ledger), (3, 12));
        let aside = (shard.undecided, shard.released, shard.quarantine_annulled);
        assert_eq!(aside, (5, 2, 4));

        let report = after(|shard| {
            add(shard, Fate::Undecided, 5);
            shard.writers.get_mut(&writer()).expect("it").votes = 7;
        });
        let wanted = "shard 1: tally 3 and 5 in quarantine, ledger 7";
        assert_eq!(report.differences, [wanted]);
        let report = after(|shard| add(shard, Fate::Released, 4));
        let wanted = "shard 1, quarantine: more was released than the tally has";
        assert_eq!(report.differences, [wanted]);
        let report = after(|shard| {
            add(shard, Fate::Undecided, 5);
            shard.quarantine_minutes.clear();
        });
        let wanted = "shard 1, quarantine, undecided: 5 votes, minutes 0";
        assert_eq!(report.differences[0], wanted);
    }

    #[test]
    fn a_fence_that_is_another_or_missing_is_a_difference() {
        let report = after(|shard| shard.fence = None);
        let none = "shard 1: it has no fence, and so takes no votes";
        assert_eq!(report.differences, [none]);
        let open = poll(&[Transition::Open]);
        let report = after(|shard| shard.fence = Some(Fence::of(&open)));
        let [difference] = &report.differences[..] else {
            panic!("one difference: {report:?}");
        };
        assert!(difference.starts_with("shard 1: the fence says open until"));
    }

    #[test]
    fn lost_votes_are_told_by_lane_and_are_waited_for_by_nobody() {
        let gone = WriterId::from_bytes([8; 8]);
        let report = after(|shard| {
            let lost = WriterLedger {
                lost: 5,
                ..WriterLedger::default()
            };
            shard.writers.insert(gone, lost);
        });
        let lost = Lost {
            shard: 1,
            writer: gone,
            votes: 5,
        };
        assert_eq!(report.lost, [lost]);
        assert_eq!(report.waiting, []);
        assert!(report.passed, "{:?}", report.differences);
    }

    #[test]
    fn a_closed_poll_waits_for_writers_that_are_not_drained() {
        for (drained, waits) in [
            (Drained::No, true),
            (Drained::At(1), true),
            (Drained::At(closed().closes_at.as_millisecond()), false),
        ] {
            let report = after(|shard| {
                let ledger = shard.writers.get_mut(&writer());
                ledger.expect("the writer").drained = drained;
            });
            let undrained = Undrained {
                shard: 1,
                writer: writer(),
                last_sequence: 2,
                votes: 3,
            };
            let wanted = if waits { vec![undrained] } else { Vec::new() };
            assert_eq!(report.waiting, wanted, "{drained:?}");
            assert!(
                report.passed,
                "a writer that is waited for is no difference"
            );
        }
    }

    #[test]
    fn a_sealed_poll_has_the_figures_that_were_sealed() {
        let poll = poll(&[Transition::Open, Transition::Close, Transition::Seal]);
        let mut figures = figures(&poll);
        let totals = figures
            .iter()
            .map(|shard| shard.totals(&poll).expect("few votes"));
        let totals = totals.collect();
        let now = at("2025-11-26T00:00:02Z");
        let sealed = SealedPoll::new(poll.clone(), totals, &BTreeSet::new(), 9, now, "a");
        let sealed = sealed.expect("figures that agree");
        let report = audit_report(&poll, &figures, Some(&sealed));
        assert_eq!(report.differences, [""; 0]);
        assert_eq!(report.shards[1].sealed, Some(3));
        assert_eq!(report.sha256.as_ref(), Some(&sealed.sha256));

        figures[1].late = Tally::from_rows(&[vec![0, 1]]).expect("a tally");
        let report = audit_report(&poll, &figures, Some(&sealed));
        let other = "shard 1: its figures are not those that were sealed";
        assert_eq!(report.differences, [other]);
        let report = audit_report(&poll, &figures, None);
        let missing = "the poll is sealed, but its sealed result is missing";
        assert_eq!(report.differences, [missing]);
    }
}
