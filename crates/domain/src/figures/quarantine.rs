//! Votes that were set aside as suspect: for what reason, and what was decided of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::definition::poll_definition::PollDefinition;
use crate::figures::tally::{Tally, TallyOverflow};
use crate::names::wire_enum;

wire_enum! {
    /// Why a vote was set aside: the signal that had the most to say against it.
    pub enum QuarantineReason as "reason" {
        /// Its address is on the list of those that are known to be no people's.
        DenyList = "deny_list",
        /// Its proof of work came sooner than anybody could have worked it out.
        FastProof = "fast_proof",
        /// Its voter token is of a time at which no page makes one.
        TokenAge = "token_age",
        /// What every browser and every app sends of itself is missing, or can't be.
        ClientFields = "client_fields",
        /// Its prefix sends far more than its share.
        PrefixShare = "prefix_share",
        /// Its key begins as those of many others, which random ones don't.
        KeyPattern = "key_pattern",
    }
}

wire_enum! {
    /// What became of votes that were set aside.
    pub enum Fate as "fate" {
        /// Nobody has decided yet: they are in no figure.
        Undecided = "undecided",
        /// They count as all others do: they are in tally and minutes.
        Released = "released",
        /// They don't count, and stay here.
        Annulled = "annulled",
    }
}

/// The votes of a poll, or of a part of it, that were set aside: by fate and reason, channel and candidate.
///
/// On the wire a list of those that there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<SetAside>", into = "Vec<SetAside>")]
pub struct Quarantine(BTreeMap<(Fate, QuarantineReason), Tally>);

/// Votes of one fate and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetAside {
    fate: Fate,
    reason: QuarantineReason,
    votes: Tally,
}

impl Quarantine {
    /// Whether nothing was ever set aside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds votes for a candidate through a channel of `poll`.
    ///
    /// # Errors
    /// Where the poll has no such place, or a count would overflow.
    pub fn add(
        &mut self,
        poll: &PollDefinition,
        (fate, reason): (Fate, QuarantineReason),
        (channel, candidate): (usize, usize),
        votes: u64,
    ) -> Result<(), TallyOverflow> {
        if votes == 0 {
            return Ok(());
        }
        let tally = self.0.entry((fate, reason));
        let tally = tally.or_insert_with(|| Tally::empty(poll));
        tally.add(channel, candidate, votes)
    }

    /// Adds all that another one has, for example another shard's.
    ///
    /// # Errors
    /// Where the other is of other channels or candidates, or a count would overflow.
    pub fn merge(&mut self, other: &Self) -> Result<(), TallyOverflow> {
        for (of, votes) in &other.0 {
            match self.0.get_mut(of) {
                Some(tally) => tally.merge(votes)?,
                None => {
                    self.0.insert(*of, votes.clone());
                }
            }
        }
        Ok(())
    }

    /// What there is, by fate and reason.
    pub fn rows(&self) -> impl Iterator<Item = (Fate, QuarantineReason, &Tally)> {
        self.0
            .iter()
            .map(|((fate, reason), votes)| (*fate, *reason, votes))
    }

    /// The votes of one fate, for whatever reason.
    #[must_use]
    pub fn total(&self, fate: Fate) -> u128 {
        let rows = self.rows().filter(|(of, ..)| *of == fate);
        rows.map(|(.., votes)| votes.total()).sum()
    }

    /// The votes of one fate and reason.
    #[must_use]
    pub fn total_of(&self, fate: Fate, reason: QuarantineReason) -> u128 {
        self.0.get(&(fate, reason)).map_or(0, Tally::total)
    }

    /// The votes that were recorded and are in no tally: all but those that were released.
    #[must_use]
    pub fn outside(&self) -> u128 {
        self.total(Fate::Undecided) + self.total(Fate::Annulled)
    }

    /// Whether a tally of this shape has a place for each of its votes.
    #[must_use]
    pub fn has_shape_of(&self, tally: &Tally) -> bool {
        self.0.values().all(|votes| votes.same_shape(tally))
    }

    /// Whether a tally has all that was released into it.
    #[must_use]
    pub fn is_released_into(&self, tally: &Tally) -> bool {
        let released = self.rows().filter(|(fate, ..)| *fate == Fate::Released);
        let mut sum = Tally::new(tally.channels(), tally.candidates());
        for (.., votes) in released {
            if sum.merge(votes).is_err() {
                return false;
            }
        }
        tally.clone().without(&sum).is_some()
    }
}

impl From<Quarantine> for Vec<SetAside> {
    fn from(quarantine: Quarantine) -> Self {
        let rows = quarantine.0.into_iter();
        rows.map(|((fate, reason), votes)| SetAside {
            fate,
            reason,
            votes,
        })
        .collect()
    }
}

impl TryFrom<Vec<SetAside>> for Quarantine {
    type Error = String;

    fn try_from(rows: Vec<SetAside>) -> Result<Self, String> {
        let mut quarantine = Self::default();
        for row in rows {
            let (fate, reason) = (row.fate, row.reason);
            if row.votes.is_zero() {
                return Err(format!("{fate}, {reason}: has no votes"));
            }
            if quarantine.0.insert((fate, reason), row.votes).is_some() {
                return Err(format!("{fate}, {reason}: is there twice"));
            }
        }
        Ok(quarantine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{paredao, tally};

    use Fate::{Annulled, Released, Undecided};
    use QuarantineReason::{DenyList, FastProof};

    fn sample() -> Quarantine {
        let mut quarantine = Quarantine::default();
        for (fate, reason, place, votes) in [
            (Undecided, DenyList, (0, 0), 3),
            (Undecided, FastProof, (1, 1), 4),
            (Released, DenyList, (0, 1), 5),
            (Annulled, DenyList, (0, 0), 6),
            (Annulled, FastProof, (0, 0), 0),
        ] {
            let added = quarantine.add(&paredao(), (fate, reason), place, votes);
            added.expect("few votes");
        }
        quarantine
    }

    #[test]
    fn what_was_released_is_in_the_tally_and_all_else_is_not() {
        let quarantine = sample();
        assert_eq!(quarantine.total(Undecided), 7);
        assert_eq!(quarantine.total_of(Undecided, FastProof), 4);
        assert_eq!(quarantine.outside(), 13);
        assert!(quarantine.is_released_into(&tally(&[&[0, 5], &[0, 0]])));
        assert!(!quarantine.is_released_into(&tally(&[&[9, 4], &[0, 0]])));
        assert!(!quarantine.has_shape_of(&Tally::new(2, 3)));
    }

    #[test]
    fn what_two_shards_have_is_added_up() {
        let mut both = sample();
        both.merge(&sample()).expect("few votes");
        assert_eq!(both.total(Annulled), 12);
        let mut nothing = Quarantine::default();
        nothing.merge(&sample()).expect("few votes");
        assert_eq!(nothing, sample());
    }

    #[test]
    fn it_is_written_as_a_list_and_read_back() {
        let text = serde_json::to_string(&sample()).expect("JSON");
        let first = r#"[{"fate":"undecided","reason":"deny_list","votes":[[3,0],[0,0]]},"#;
        assert!(text.starts_with(first), "{text}");
        let read: Quarantine = serde_json::from_str(&text).expect("it is one");
        assert_eq!(read, sample());
        for (wrong, says) in [
            (
                r#"[{"fate":"undecided","reason":"deny_list","votes":[[0]]}]"#,
                "no votes",
            ),
            (
                r#"[{"fate":"annulled","reason":"deny_list","votes":[[1]]},{"fate":"annulled","reason":"deny_list","votes":[[1]]}]"#,
                "twice",
            ),
            (
                r#"[{"fate":"lost","reason":"deny_list","votes":[[1]]}]"#,
                "lost",
            ),
            (r#"[{"fate":"annulled","reason":"x","votes":[[1]]}]"#, "`x`"),
        ] {
            let error = serde_json::from_str::<Quarantine>(wrong).expect_err(wrong);
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
