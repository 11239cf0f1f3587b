//! What must be true, after each step and at the end.

use std::collections::{BTreeMap, BTreeSet};

use vote_domain::Refusal;

use super::decided::Fates;
use super::figures::Figures;
use super::harness::BOUNDARY_MS;
use super::process::Process;
use super::steps::{Ballot, CROWD, HALF_OPEN_MS, VOTES_PER_VOTER};
use super::system::{System, Vote};
use crate::commit::outcome::{Acceptance, Outcome};

/// So many writers that came last are named.
const JOINED: usize = 32;

/// Compares step after step.
#[derive(Default)]
pub(super) struct Check {
    /// The figures with which the poll was sealed.
    sealed: Option<Figures>,
    fates: Fates,
}

impl Check {
    pub(super) fn after_step(&mut self, system: &System<'_>) {
        let figures = system.harness.figures();
        sums_agree(&figures);
        let tally = |vote: &Vote| figures.tally.get(&field(vote)).copied().unwrap_or(0);
        no_vote_twice(system, &tally);
        for is_suspect in [false, true] {
            the_crowd_is_counted(system, &figures, is_suspect);
        }
        what_is_suspect_is_set_aside(system, &figures);
        self.fates.after_step(&figures, system.crashes);
        limits_hold(system, &tally);
        minutes_are_right(system, &figures);
        for vote in &system.votes {
            outcome_is_true(system, vote, &tally);
            receipt_is_true(system, vote, &figures, &tally);
        }
        if system.phase.is_over() {
            let sealed = self.sealed.get_or_insert_with(|| figures.clone());
            assert_eq!(*sealed, figures, "a poll that is over has changed");
        }
    }

    /// When all faults are over: each accepted vote is there, or said to be lost.
    pub(super) fn at_end(&mut self, system: &System<'_>) {
        self.after_step(system);
        let figures = system.harness.figures();
        for vote in &system.votes {
            assert!(vote.outcome.is_some(), "nobody was told: {}", shown(vote));
        }
        if !system.phase.is_over() {
            assert_eq!(figures.undecided(), 0, "all was released");
        }
        assert_eq!(system.unexpected(), 0, "votes that nobody was told of");
        for (index, process) in system.processes.iter().enumerate() {
            if answers(system, process) {
                account_for(system, index, process, &figures);
            }
            if process.has_left && !system.phase.is_over() {
                left_is_recorded(system, index, process, &figures);
            }
            // What was forgotten since is noted again by a process that is there. Nothing is, once the poll is over.
            if process.alive && !system.phase.is_over() {
                lost_votes_are_noted(system, process, &figures);
            }
        }
    }
}

/// Tally = minutes = ledger.
fn sums_agree(figures: &Figures) {
    let mut by_minute: BTreeMap<String, u64> = BTreeMap::new();
    for (pair, votes) in figures.minutes.values().flatten() {
        *by_minute.entry(pair.clone()).or_default() += votes;
    }
    assert_eq!(figures.tally, by_minute, "tally and minutes differ");
    let mut in_minutes: BTreeMap<String, u64> = BTreeMap::new();
    for (field, votes) in figures.held.quarantine_minutes.values().flatten() {
        *in_minutes.entry(field.clone()).or_default() += votes;
    }
    let aside = &figures.held.quarantine;
    assert_eq!(*aside, in_minutes, "quarantine and its minutes differ");
    assert_eq!(
        figures.tally.values().sum::<u64>(),
        figures
            .held
            .ledger
            .iter()
            .filter(|(field, _)| field.ends_with("/votes"))
            .map(|(_, votes)| votes)
            .sum::<u64>(),
        "tally and ledger differ"
    );
    let [sums, ended] = &figures.held.ended_sums;
    assert_eq!(sums, ended, "the sums of ended writers are not theirs");
    let sequences = figures.held.ledger.iter();
    let sequences: BTreeMap<&str, u64> = sequences
        .filter_map(|(field, last)| Some((field.strip_suffix("/sequence")?, *last)))
        .collect();
    let batches: u64 = sequences.values().sum();
    assert_eq!(
        figures.held.batches, batches,
        "the number of batches is not that of the ledger"
    );
    // Those that have ended are no longer read by their names, and what stands for a decision never was.
    let ended = |writer: &str| {
        figures
            .held
            .drained
            .get(writer)
            .is_some_and(|mark| mark == "ended")
    };
    let mut by_name = sequences.keys().filter(|writer| !ended(writer));
    assert!(
        sequences.len() > JOINED || by_name.all(|writer| figures.held.joined.contains(*writer)),
        "a writer is not among those that came last"
    );
}

/// A candidate is that of one vote, or of the repeats of one key; a key counts once.
fn no_vote_twice(system: &System<'_>, tally: &impl Fn(&Vote) -> u64) {
    let mut by_key: BTreeMap<u8, BTreeMap<(u8, u8), u64>> = BTreeMap::new();
    for vote in &system.votes {
        if vote.pair == CROWD {
            continue;
        }
        assert!(tally(vote) <= 1, "counted twice: {}", shown(vote));
        if let Some(key) = key_of(vote) {
            by_key
                .entry(key)
                .or_default()
                .insert(vote.pair, tally(vote));
        }
    }
    for (key, pairs) in by_key {
        assert!(
            pairs.values().sum::<u64>() <= 1,
            "the key {key} was counted more than once: {pairs:?}"
        );
    }
}

/// The crowd's votes can't be told apart: no fewer than were accepted, no more than may have been.
fn the_crowd_is_counted(system: &System<'_>, figures: &Figures, is_suspect: bool) {
    let is_of_it = |vote: &&Vote| vote.pair == CROWD && vote.is_suspect == is_suspect;
    let crowd = || system.votes.iter().filter(is_of_it);
    let kept = crowd().filter(|vote| {
        vote.crashes == system.crashes && matches!(vote.outcome, Some(Outcome::Accepted(_)))
    });
    let possible = crowd().filter(|vote| {
        matches!(
            vote.outcome,
            None | Some(Outcome::Accepted(_) | Outcome::Unknown)
        )
    });
    let (least, most) = (kept.count() as u64, possible.count() as u64);
    let name = format!("open/c{}", CROWD.1);
    let votes = if is_suspect {
        figures.suspect.clone()
    } else {
        figures.never_suspect()
    };
    let counted = votes.get(&name).copied().unwrap_or(0);
    assert!(
        (least..=most).contains(&counted),
        "the crowd has {counted} votes, not {least} to {most}, suspect: {is_suspect}"
    );
}

/// Only what is suspect is set aside, and only what is not counts before it is released. Of repeats, one that was recorded has
/// decided. No vote has two fates.
fn what_is_suspect_is_set_aside(system: &System<'_>, figures: &Figures) {
    let crowd = format!("open/c{}", CROWD.1);
    for (pair, votes) in &figures.suspect {
        assert!(
            *votes == 1 || *pair == crowd,
            "{pair} was set aside {votes} times"
        );
    }
    for (votes, is_suspect) in [
        (figures.never_suspect(), false),
        (figures.suspect.clone(), true),
    ] {
        for pair in votes.keys() {
            let may_be = |vote: &Vote| field(vote) == *pair && vote.is_suspect == is_suspect;
            assert!(
                system.votes.iter().any(may_be),
                "{pair} is where none of its votes should be: suspect: {is_suspect}"
            );
        }
    }
}

fn limits_hold(system: &System<'_>, tally: &impl Fn(&Vote) -> u64) {
    // Repeats are one vote.
    let mut by_voter: BTreeMap<u8, BTreeMap<(u8, u8), u64>> = BTreeMap::new();
    for vote in &system.votes {
        if let Some(voter) = voter_of(vote) {
            let pairs = by_voter.entry(voter).or_default();
            pairs.insert(vote.pair, tally(vote));
        }
    }
    for (voter, pairs) in by_voter {
        let votes: u64 = pairs.values().sum();
        assert!(
            votes <= u64::from(VOTES_PER_VOTER),
            "the voter {voter} has {votes} votes"
        );
    }
}

/// A vote counts in the minute in which it, or the repeat that was counted, was received.
fn minutes_are_right(system: &System<'_>, figures: &Figures) {
    for (minute, votes) in &figures.minutes {
        for pair in votes.keys() {
            assert!(
                system.votes.iter().any(|vote| {
                    field(vote) == *pair && (BOUNDARY_MS + vote.at).div_euclid(60_000) == *minute
                }),
                "{pair} has a vote in a minute in which none came"
            );
        }
    }
}

/// What a client was told is true, and there was a reason for it.
fn outcome_is_true(system: &System<'_>, vote: &Vote, tally: &impl Fn(&Vote) -> u64) {
    let Some(outcome) = &vote.outcome else {
        return;
    };
    let others = || {
        system
            .votes
            .iter()
            .filter(|other| !std::ptr::eq(*other, vote))
    };
    let same_key = |other: &&Vote| key_of(other).is_some() && key_of(other) == key_of(vote);
    let same_pair = |other: &&Vote| other.pair == vote.pair;
    let why = || format!("{} was not to be expected: {}", named(outcome), shown(vote));
    match outcome {
        Outcome::Accepted(_) => {
            assert!(!vote.is_withdrawn, "{}", why());
            assert!(
                (-HALF_OPEN_MS..HALF_OPEN_MS).contains(&vote.at),
                "{}",
                why()
            );
            assert!(
                vote.crashes < system.crashes || tally(vote) == 1 || vote.pair == CROWD,
                "accepted, and not in the tally: {}",
                shown(vote)
            );
        }
        Outcome::Duplicate(_) => assert!(
            others().filter(same_key).any(|o| same_pair(&o)),
            "{}",
            why()
        ),
        Outcome::Mismatch => assert!(
            others().filter(same_key).any(|o| !same_pair(&o)),
            "{}",
            why()
        ),
        Outcome::LimitReached => {
            // A repeat, a late vote or one that was refused uses none.
            let may_count = |other: &&Vote| {
                matches!(
                    other.outcome,
                    None | Some(Outcome::Accepted(_) | Outcome::Unknown)
                )
            };
            let by_voter = others().filter(|other| voter_of(other) == voter_of(vote));
            let used: BTreeSet<(u8, u8)> =
                by_voter.filter(may_count).map(|vote| vote.pair).collect();
            assert!(
                voter_of(vote).is_some() && used.len() >= VOTES_PER_VOTER as usize,
                "{}",
                why()
            );
        }
        Outcome::Refused(Refusal::NotOpenYet) => assert!(vote.at < -HALF_OPEN_MS, "{}", why()),
        Outcome::Refused(Refusal::Paused) => assert!(system.ever_paused, "{}", why()),
        Outcome::Refused(Refusal::Closed) => assert!(vote.at >= system.closed_at, "{}", why()),
        Outcome::Refused(Refusal::Sealed | Refusal::Void) => {
            assert!(system.phase.is_over(), "{}", why());
        }
        // One that is in a batch with such a vote for the same candidate is taken for one as well.
        Outcome::Refused(Refusal::Withdrawn) => assert!(
            vote.is_withdrawn || others().filter(same_pair).any(|other| other.is_withdrawn),
            "{}",
            why()
        ),
        Outcome::QueueFull => panic!("{}", why()),
        Outcome::NotRecorded | Outcome::Unknown => {}
    }
    if !others().any(|other| same_pair(&other)) {
        counts_nothing_alone(vote, outcome, tally(vote));
    }
}

/// Who was told of a place can prove by it, as long as Redis forgets nothing, that the vote is in the tally.
fn receipt_is_true(
    system: &System<'_>,
    vote: &Vote,
    figures: &Figures,
    tally: &impl Fn(&Vote) -> u64,
) {
    let place = match &vote.outcome {
        Some(Outcome::Accepted(Acceptance { place, .. })) => place,
        Some(Outcome::Duplicate(Some(Acceptance { place, .. }))) => place,
        Some(Outcome::Duplicate(None)) => {
            assert!(system.phase.is_over(), "no receipt: {}", shown(vote));
            return;
        }
        _ => return,
    };
    if vote.crashes < system.crashes {
        return;
    }
    let last = figures
        .held
        .ledger
        .get(&format!("{}/sequence", place.writer));
    assert!(
        last.is_some_and(|last| *last >= place.sequence),
        "the ledger, at {last:?}, does not prove {}",
        shown(vote)
    );
    assert!(
        tally(vote) > 0,
        "proved, and not in the tally: {}",
        shown(vote)
    );
}

/// A vote that shares its candidate with no other counts only if it may have been accepted.
fn counts_nothing_alone(vote: &Vote, outcome: &Outcome, votes: u64) {
    let may_count = matches!(
        outcome,
        Outcome::Accepted(_) | Outcome::Unknown | Outcome::Duplicate(_)
    );
    assert!(
        may_count || votes == 0,
        "{}, and in the tally: {}",
        named(outcome),
        shown(vote)
    );
}

/// Whether a process answers for what it has accepted: it is there, or Redis has forgotten nothing since it ended in order.
fn answers(system: &System<'_>, process: &Process) -> bool {
    let just_ended = |(_, crashes)| crashes == system.crashes;
    process.alive || process.ended.is_some_and(just_ended)
}

/// Whether a vote may have been lost with a process that is gone: it had recorded a repeat of it, so that the vote was a duplicate when it
/// was replayed, and Redis has forgotten that since.
fn is_lost_with_another(system: &System<'_>, vote: &Vote) -> bool {
    system.votes.iter().any(|other| {
        other.pair == vote.pair
            && other.crashes < system.crashes
            && matches!(other.outcome, Some(Outcome::Accepted(_) | Outcome::Unknown))
            && !answers(system, &system.processes[other.process])
    })
}

/// The accepted votes that one writer's process answers for.
fn account_for(system: &System<'_>, index: usize, process: &Process, figures: &Figures) {
    let accepted: Vec<&Vote> = system
        .votes
        .iter()
        .filter(|vote| vote.process == index && matches!(vote.outcome, Some(Outcome::Accepted(_))))
        .collect();
    let missing: Vec<&&Vote> = accepted
        .iter()
        // Of the crowd's, some may be: `the_crowd_is_counted` says how many where none is lost.
        .filter(|vote| vote.pair != CROWD)
        .filter(|vote| !figures.tally.contains_key(&field(vote)))
        .collect();
    let lost = system.lost(process);
    let listed = || missing.iter().map(|vote| shown(vote)).collect::<Vec<_>>();
    // Repeats of a vote that were accepted as well, or may have been, after Redis had forgotten it: they
    // are one vote, which may have been said to be lost all the same. The crowd's may be missing.
    let shared = accepted
        .iter()
        .filter(|vote| {
            vote.pair == CROWD
                || system.votes.iter().any(|other| {
                    !std::ptr::eq(other, **vote)
                        && other.pair == vote.pair
                        && matches!(other.outcome, Some(Outcome::Accepted(_) | Outcome::Unknown))
                })
        })
        .count() as u64;
    let with_others = missing
        .iter()
        .filter(|vote| is_lost_with_another(system, vote))
        .count() as u64;
    let missing_votes = missing.len() as u64 - with_others.min(process.found_elsewhere);
    assert!(
        missing_votes <= lost,
        "{missing_votes} accepted votes are missing, {lost} were said to be lost: {:?}",
        listed()
    );
    assert!(
        lost <= missing_votes + shared,
        "{lost} votes were said to be lost, {missing_votes} are: {:?}",
        listed()
    );
    if process.window == u8::MAX {
        assert!(
            missing_votes <= process.displaced,
            "within the replay window, and lost: {:?}",
            listed()
        );
    }
}

/// All that a process had accepted when it had to end is there, whatever Redis has forgotten since: it was replayed.
fn left_is_recorded(system: &System<'_>, index: usize, process: &Process, figures: &Figures) {
    if process.window != u8::MAX {
        // What is beyond the window is in no file.
        return;
    }
    let missing: Vec<String> = system
        .votes
        .iter()
        .filter(|vote| vote.process == index && matches!(vote.outcome, Some(Outcome::Accepted(_))))
        .filter(|vote| vote.pair != CROWD && !figures.tally.contains_key(&field(vote)))
        .map(shown)
        .collect();
    assert!(
        missing.len() as u64 <= process.displaced,
        "left behind, replayed, and lost: {missing:?}"
    );
}

/// The ledger says how many votes a process has counted as lost.
fn lost_votes_are_noted(system: &System<'_>, process: &Process, figures: &Figures) {
    let writers = process.writers.lock();
    let noted = writers
        .iter()
        .filter_map(|writer| figures.held.lost.get(&writer.to_string()));
    assert_eq!(
        noted.sum::<u64>(),
        system.lost(process),
        "of {writers:?} were counted as lost, {:?} are noted",
        figures.held.lost
    );
}

fn field(vote: &Vote) -> String {
    let channel = ["open", "voters"][usize::from(vote.pair.0)];
    format!("{channel}/c{}", vote.pair.1)
}

fn key_of(vote: &Vote) -> Option<u8> {
    match vote.ballot {
        Ballot::Keyed { key, .. } | Ballot::KeyedVoter { key, .. } => Some(key),
        _ => None,
    }
}

fn voter_of(vote: &Vote) -> Option<u8> {
    match vote.ballot {
        Ballot::Voter { voter } | Ballot::KeyedVoter { voter, .. } => Some(voter),
        _ => None,
    }
}

fn named(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(Acceptance { place, .. }) => {
            format!("accepted as {}:{}", place.writer, place.sequence)
        }
        Outcome::Duplicate(Some(Acceptance { place, .. })) => {
            format!("found again by {}:{}", place.writer, place.sequence)
        }
        other => format!("{other:?}"),
    }
}

fn shown(vote: &Vote) -> String {
    let outcome = vote
        .outcome
        .as_ref()
        .map_or_else(|| "open".to_owned(), named);
    format!(
        "{:?} at {} for {} by process {}: {outcome}",
        vote.ballot,
        vote.at,
        field(vote),
        vote.process
    )
}
