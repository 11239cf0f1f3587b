//! The proof, from outside: what every vote's key shows is compared with the tally.

use crate::engine::client_record::Counts;
use crate::engine::key_states::KeyStates;

/// What comes of the comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proof {
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
pub(crate) fn prove(before: &[u64], states: &KeyStates, after: &[u64], counts: &Counts) -> Proof {
    let missing: u64 = difference(&states.recorded, before);
    // A key that nobody could look up may be that of a vote in the tally: it is no proof, and no doubled vote either.
    let explained: Vec<u64> = sums(&states.recorded, &states.unanswered);
    let doubled: u64 = difference(before, &explained);
    let mut failures = Vec::new();
    let mut fail = |count: u64, what: &str| {
        if count > 0 {
            failures.push(format!("{count} {what}"));
        }
    };
    fail(
        states.accepted_missing,
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
        states.refused_recorded + counts.refused_but_recorded,
        "votes are recorded although every answer said that they were not",
    );
    fail(
        states.other_vote,
        "keys are known for another vote than their own",
    );
    fail(counts.known_unsent, "keys were known before they were sent");
    fail(
        states.unanswered.iter().sum(),
        "keys could not be looked up: no answer that says anything",
    );
    let grown = sums(before, &states.new);
    // One without an answer may have been recorded by being looked up.
    let most = sums(&grown, &states.unanswered);
    if difference(&grown, after) > 0 || difference(after, &most) > 0 {
        failures.push(format!(
            "the tally did not grow by exactly the votes that were accepted only when their keys were looked up: \
             {before:?} and {:?} are not {after:?}",
            states.new
        ));
    }
    Proof {
        recorded: states.recorded.iter().sum(),
        lost: states.accepted_missing + missing,
        doubled,
        unknown_recorded: states.unknown_recorded,
        failures,
    }
}

fn sums(one: &[u64], other: &[u64]) -> Vec<u64> {
    one.iter()
        .zip(other)
        .map(|(one, other)| one + other)
        .collect()
}

/// How much `more` is more than `less`, candidate by candidate.
fn difference(more: &[u64], less: &[u64]) -> u64 {
    let each = more.iter().zip(less);
    each.map(|(more, less)| more.saturating_sub(*less)).sum()
}

#[cfg(test)]
mod tests {
    use super::{Proof, prove};
    use crate::engine::client_record::{Counts, Told};
    use crate::engine::key_states::{KeyState, KeyStates};
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

        fn look_up(mut self, told: &[Told]) -> Proof {
            let before = self.tally.clone();
            let mut lookup = KeyStates::new(2);
            for (index, told) in told.iter().enumerate() {
                let found = match self.keys.insert(index) {
                    true => KeyState::New,
                    false => KeyState::Recorded,
                };
                self.tally[index % 2] += u64::from(found == KeyState::New);
                lookup.add(index % 2, *told, found);
            }
            prove(&before, &lookup, &self.tally, &Counts::default())
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
        let found = prove(&fake.tally, &KeyStates::new(2), &fake.tally, &counts);
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
            (KeyState::OtherVote, "for another vote"),
            (KeyState::Unanswered, "could not be looked up"),
        ] {
            let mut lookup = KeyStates::new(1);
            lookup.add(0, Told::Accepted { by: 0 }, found);
            let failures = prove(&[0], &lookup, &[0], &Counts::default()).failures;
            assert_eq!(failures.len(), 1);
            assert!(failures[0].contains(text), "{failures:?}");
        }
    }

    #[test]
    fn a_key_that_could_not_be_looked_up_is_not_called_a_doubled_vote() {
        let mut lookup = KeyStates::new(2);
        lookup.add(0, Told::Accepted { by: 0 }, KeyState::Unanswered);
        lookup.add(1, Told::Unknown, KeyState::Unanswered);
        // The first had been recorded; the second is, by having been asked for.
        let found = prove(&[1, 0], &lookup, &[1, 1], &Counts::default());
        assert_eq!((found.lost, found.doubled), (0, 0));
        assert_eq!(found.failures.len(), 1);
        assert!(found.failures[0].starts_with("2 keys could not be looked up"));
        // No more than that, and of no other candidate.
        let found = prove(&[1, 2], &lookup, &[1, 2], &Counts::default());
        assert_eq!((found.lost, found.doubled), (0, 1));
        let found = prove(&[1, 0], &lookup, &[1, 2], &Counts::default());
        assert!(found.failures[1].contains("did not grow"), "{found:?}");
    }

    #[test]
    fn a_look_up_that_is_counted_twice_is_found() {
        let mut lookup = KeyStates::new(1);
        lookup.add(0, Told::Unknown, KeyState::New);
        assert!(
            prove(&[5], &lookup, &[7], &Counts::default()).failures[1].contains("did not grow")
        );
    }
}
