//! The proof, from outside: every vote's key is sent once more, and what that shows is compared with the tally.

use crate::client::{Attempt, Client, Fleet};
use crate::ledger::{Counts, Ledger, Told};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use votectl::load::answer::Shown;
use votectl::load::plan::Plan;

/// How many keys a worker takes at a time.
const CHUNK: u64 = 256;

/// How many keys are asked for at the same time.
const WORKERS: usize = 64;

/// How often a key that is answered with 503 is asked for again, and after which pause.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(100);

/// What asking again has shown of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It had been recorded.
    Recorded,
    /// It had not; it is now.
    New,
    /// It had not, and the poll is closed.
    Absent,
    /// It is known for another vote.
    OtherVote,
    /// No answer that says anything.
    Unanswered,
}

/// What asking for all keys has shown. Added up by candidate, to be compared with the tally.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lookup {
    recorded: Vec<u64>,
    new: Vec<u64>,
    accepted_missing: u64,
    unknown_recorded: u64,
    refused_recorded: u64,
    other_vote: u64,
    unanswered: u64,
}

impl Lookup {
    pub(crate) fn new(candidates: usize) -> Self {
        Self {
            recorded: vec![0; candidates],
            new: vec![0; candidates],
            ..Self::default()
        }
    }

    /// One key.
    pub(crate) fn add(&mut self, candidate: usize, told: Told, found: Found) {
        match (found, told) {
            (Found::Recorded, Told::Unknown) => self.unknown_recorded += 1,
            (Found::Recorded, Told::Refused) => self.refused_recorded += 1,
            (Found::New | Found::Absent, Told::Accepted { .. }) => self.accepted_missing += 1,
            (Found::OtherVote, _) => self.other_vote += 1,
            (Found::Unanswered, _) => self.unanswered += 1,
            (Found::Recorded | Found::New | Found::Absent, _) => {}
        }
        let counts = match found {
            Found::Recorded => &mut self.recorded,
            Found::New => &mut self.new,
            Found::Absent | Found::OtherVote | Found::Unanswered => return,
        };
        if let Some(count) = counts.get_mut(candidate) {
            *count += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        let add = |to: &mut Vec<u64>, from: &Vec<u64>| {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        };
        add(&mut self.recorded, &other.recorded);
        add(&mut self.new, &other.new);
        self.accepted_missing += other.accepted_missing;
        self.unknown_recorded += other.unknown_recorded;
        self.refused_recorded += other.refused_recorded;
        self.other_vote += other.other_vote;
        self.unanswered += other.unanswered;
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reconciliation {
    /// Keys that had been recorded.
    pub(crate) recorded: u64,
    /// Accepted votes whose key is not known, or that no tally has.
    pub(crate) lost: u64,
    /// Votes of the tally that have no key.
    pub(crate) doubled: u64,
    /// Votes of unknown outcome that had been recorded.
    pub(crate) unknown_recorded: u64,
    /// Every promise that does not hold, in words.
    pub(crate) failures: Vec<String>,
}

/// Compares the tally before all keys were asked for and after it, by candidate, with what that has shown.
pub(crate) fn reconcile(
    before: &[u64],
    lookup: &Lookup,
    after: &[u64],
    counts: &Counts,
) -> Reconciliation {
    let missing: u64 = difference(&lookup.recorded, before);
    let doubled: u64 = difference(before, &lookup.recorded);
    let mut failures = Vec::new();
    let mut fail = |count: u64, what: &str| {
        if count > 0 {
            failures.push(format!("{count} {what}"));
        }
    };
    fail(
        lookup.accepted_missing,
        "accepted votes are lost: their keys are not known",
    );
    fail(
        missing,
        "recorded votes are lost: their keys are known, but no tally has them",
    );
    fail(
        doubled,
        "votes are doubled: the tally has them, and no key does",
    );
    fail(
        lookup.refused_recorded + counts.refused_but_recorded,
        "votes are recorded although every answer said that they were not",
    );
    fail(
        lookup.other_vote,
        "keys are known for another vote than their own",
    );
    fail(counts.known_unsent, "keys were known before they were sent");
    fail(
        lookup.unanswered,
        "keys could not be looked up: no answer that says anything",
    );
    let grown: Vec<u64> = before
        .iter()
        .zip(&lookup.new)
        .map(|(before, new)| before + new)
        .collect();
    if grown != after {
        failures.push(format!(
            "the tally did not grow by exactly the votes that were accepted only when their keys were looked up: \
             {before:?} and {:?} are not {after:?}",
            lookup.new
        ));
    }
    Reconciliation {
        recorded: lookup.recorded.iter().sum(),
        lost: lookup.accepted_missing + missing,
        doubled,
        unknown_recorded: lookup.unknown_recorded,
        failures,
    }
}

/// How much `more` is more than `less`, candidate by candidate.
fn difference(more: &[u64], less: &[u64]) -> u64 {
    let each = more.iter().zip(less);
    each.map(|(more, less)| more.saturating_sub(*less)).sum()
}

/// Asks for every key, each at another process than the one that has accepted it.
pub(crate) async fn look_up(
    ledger: &Arc<Ledger>,
    plan: &Plan,
    fleet: Fleet,
    candidates: usize,
) -> Lookup {
    let fleet = Arc::new(fleet);
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        let (ledger, fleet, next) = (Arc::clone(ledger), Arc::clone(&fleet), Arc::clone(&next));
        let plan = plan.clone();
        workers.spawn(async move {
            let mut client = Client::new(number);
            let mut lookup = Lookup::new(candidates);
            let mut request = Vec::with_capacity(1024);
            loop {
                let from = next.fetch_add(CHUNK, Ordering::Relaxed);
                if from >= ledger.room() {
                    return lookup;
                }
                for index in from..from + CHUNK {
                    let Some(told) = ledger.told(index) else {
                        continue;
                    };
                    plan.render(index, &mut request);
                    let to = match told {
                        Told::Accepted { by } => by + 1,
                        Told::Refused | Told::Unknown => usize::try_from(index).unwrap_or(0),
                    } % fleet.len();
                    let found = ask(&mut client, &fleet, to, &request).await;
                    lookup.add(plan.candidate(index), told, found);
                }
            }
        });
    }
    let mut all = Lookup::new(candidates);
    for lookup in workers.join_all().await {
        all.merge(&lookup);
    }
    all
}

async fn ask(client: &mut Client, fleet: &Fleet, to: usize, request: &[u8]) -> Found {
    for _ in 0..TRIES {
        let Attempt { shown, error, .. } = client.send(fleet, Some(to), request).await;
        match shown {
            Shown::Accepted => return Found::New,
            Shown::AlreadyAccepted => return Found::Recorded,
            Shown::Refused if error.starts_with("410 ") => return Found::Absent,
            Shown::Refused if error == "422 idempotency-key-reused" => return Found::OtherVote,
            Shown::Refused => return Found::Unanswered,
            // The answer to the next attempt would not tell who has recorded it.
            Shown::Open => return Found::Unanswered,
            Shown::NotRecorded => tokio::time::sleep(PAUSE).await,
        }
    }
    Found::Unanswered
}

#[cfg(test)]
mod tests {
    use super::{Found, Lookup, Reconciliation, reconcile};
    use crate::ledger::{Counts, Told};
    use std::collections::BTreeSet;

    /// A service that has recorded these keys, and whose tally says this; every second key is for candidate 1.
    struct Fake {
        keys: BTreeSet<usize>,
        tally: Vec<u64>,
    }

    impl Fake {
        /// Votes 0 to 9 were accepted, 10 and 11 refused, 12 and 13 are unknown; 12 is recorded.
        fn honest() -> (Self, Vec<Told>) {
            let keys: BTreeSet<usize> = (0..10).chain([12]).collect();
            let mut tally = vec![0, 0];
            for key in &keys {
                tally[key % 2] += 1;
            }
            let mut told = vec![Told::Accepted { by: 0 }; 10];
            told.extend([Told::Refused, Told::Refused, Told::Unknown, Told::Unknown]);
            (Self { keys, tally }, told)
        }

        fn look_up(mut self, told: &[Told]) -> Reconciliation {
            let before = self.tally.clone();
            let mut lookup = Lookup::new(2);
            for (index, told) in told.iter().enumerate() {
                let found = match self.keys.insert(index) {
                    true => Found::New,
                    false => Found::Recorded,
                };
                self.tally[index % 2] += u64::from(found == Found::New);
                lookup.add(index % 2, *told, found);
            }
            reconcile(&before, &lookup, &self.tally, &Counts::default())
        }
    }

    #[test]
    fn an_honest_service_passes() {
        let (fake, told) = Fake::honest();
        let found = fake.look_up(&told);
        assert_eq!(found.failures, Vec::<String>::new());
        assert_eq!((found.recorded, found.lost, found.doubled), (11, 0, 0));
        assert_eq!(found.unknown_recorded, 1);
    }

    #[test]
    fn a_lost_vote_is_found_with_its_key_or_without() {
        let (mut fake, told) = Fake::honest();
        fake.keys.remove(&3);
        fake.tally[1] -= 1;
        let found = fake.look_up(&told);
        assert_eq!((found.recorded, found.lost, found.doubled), (10, 1, 0));
        assert!(found.failures[0].contains("1 accepted votes are lost"));

        // The key survived, the vote did not.
        let (mut fake, told) = Fake::honest();
        fake.tally[1] -= 1;
        let found = fake.look_up(&told);
        assert_eq!((found.recorded, found.lost, found.doubled), (11, 1, 0));
        assert!(found.failures[0].contains("no tally has them"));
    }

    #[test]
    fn a_doubled_vote_is_found_also_where_another_candidates_is_missing() {
        let (mut fake, told) = Fake::honest();
        fake.tally[0] += 1;
        let found = fake.look_up(&told);
        assert_eq!((found.recorded, found.lost, found.doubled), (11, 0, 1));
        assert!(found.failures[0].contains("doubled"));

        let (mut fake, told) = Fake::honest();
        fake.tally[0] += 1;
        fake.tally[1] -= 1;
        let found = fake.look_up(&told);
        assert_eq!((found.lost, found.doubled, found.failures.len()), (1, 1, 2));
    }

    #[test]
    fn a_lost_and_a_doubled_vote_of_one_candidate_do_not_cancel_out() {
        let (mut fake, told) = Fake::honest();
        fake.keys.remove(&3);
        let found = fake.look_up(&told);
        assert_eq!((found.lost, found.doubled), (1, 1));
    }

    #[test]
    fn a_refused_vote_that_is_recorded_is_found() {
        let (mut fake, told) = Fake::honest();
        fake.keys.insert(10);
        fake.tally[0] += 1;
        let found = fake.look_up(&told);
        assert_eq!((found.recorded, found.lost, found.doubled), (12, 0, 0));
        assert_eq!(found.failures.len(), 1);
        assert!(found.failures[0].contains("every answer said that they were not"));

        // Seen by a client that retried, not by the look-up.
        let (fake, _) = Fake::honest();
        let counts = Counts {
            refused_but_recorded: 2,
            ..Counts::default()
        };
        let found = reconcile(&fake.tally, &Lookup::new(2), &fake.tally, &counts);
        assert!(
            found
                .failures
                .iter()
                .any(|failure| failure.starts_with("2 votes are recorded"))
        );
    }

    #[test]
    fn keys_of_other_votes_and_keys_without_an_answer_are_no_proof() {
        for (found, text) in [
            (Found::OtherVote, "for another vote"),
            (Found::Unanswered, "could not be looked up"),
        ] {
            let mut lookup = Lookup::new(1);
            lookup.add(0, Told::Accepted { by: 0 }, found);
            let failures = reconcile(&[0], &lookup, &[0], &Counts::default()).failures;
            assert_eq!(failures.len(), 1);
            assert!(failures[0].contains(text), "{failures:?}");
        }
    }

    #[test]
    fn a_look_up_that_is_counted_twice_is_found() {
        let mut lookup = Lookup::new(1);
        lookup.add(0, Told::Unknown, Found::New);
        assert!(
            reconcile(&[5], &lookup, &[7], &Counts::default()).failures[1].contains("did not grow")
        );
    }
}
