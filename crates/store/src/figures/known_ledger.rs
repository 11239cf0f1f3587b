//! What a reader knows of a long ledger, and of whom it asks at the next reading.

use std::collections::{BTreeMap, BTreeSet};

use vote_domain::WriterId;

use super::ended_sums::EndedSums;
use super::parse;
use super::shard::{Drained, WriterLedger};
use crate::error::StoreError;
use crate::fields;

/// The writers that have changed of late and are asked for at each reading, at most.
const MOST_OF_LATE: usize = 256;
/// The others that are asked for at each reading, in turn: each of 20,000 once in a minute or two.
const IN_TURN: usize = 64;

/// The ledger of one shard, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct KnownLedger {
    writers: BTreeMap<WriterId, WriterLedger>,
    ended: EndedSums,
    /// How many fields the ledger has for the sums of ended writers.
    ended_fields: i128,
    sums: LedgerSums,
    /// The writers that have changed of late, each with the reading that found it so.
    of_late: BTreeMap<WriterId, u64>,
    readings: u64,
    /// Writers with a note of lost votes, which may grow without a batch.
    with_losses: BTreeSet<WriterId>,
    /// The last one that was asked for in turn.
    turn: Option<WriterId>,
    /// What the shard last said of the writers that came last.
    joined: String,
    /// Whether more of them have come than the shard says.
    lacks_joined: bool,
}

/// All that is known of a ledger, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LedgerSums {
    /// The last sequences of all writers, ended ones too.
    pub(crate) batches: i128,
    /// Their votes.
    pub(crate) votes: i128,
    /// The fields of the hash.
    pub(crate) fields: i128,
}

/// The writers that one reading asks for.
pub(crate) struct Named(Vec<WriterId>);

/// The ledger's fields of its ended writers.
const ENDED: [&str; 3] = [
    fields::ENDED_WRITERS,
    fields::ENDED_BATCHES,
    fields::ENDED_VOTES,
];

impl Named {
    /// The fields to be read: the sums, then of each writer all that there may be.
    pub(super) fn fields(&self) -> Vec<String> {
        let of_writer = |writer: &WriterId| {
            [
                fields::sequence(writer),
                fields::votes(writer),
                fields::drained(writer),
                fields::lost(writer),
            ]
        };
        let sums = ENDED.iter().map(|name| (*name).to_owned());
        sums.chain(self.0.iter().flat_map(of_writer)).collect()
    }
}

impl KnownLedger {
    pub(crate) const fn writers(&self) -> &BTreeMap<WriterId, WriterLedger> {
        &self.writers
    }

    pub(super) const fn ended(&self) -> EndedSums {
        self.ended
    }

    pub(super) fn sums(&self) -> LedgerSums {
        LedgerSums {
            batches: self.sums.batches + self.ended.batches,
            votes: self.sums.votes + self.ended.votes,
            fields: self.sums.fields + self.ended_fields,
        }
    }

    /// Takes over what was read of all writers. Those that are other ones than they were have changed of late.
    pub(crate) fn replace(&mut self, writers: BTreeMap<WriterId, WriterLedger>) {
        self.readings += 1;
        self.lacks_joined = false;
        let is_first = self.writers.is_empty();
        let gone: Vec<WriterId> = self.writers.keys().copied().collect();
        for writer in gone {
            if !writers.contains_key(&writer) {
                self.set(writer, WriterLedger::default());
            }
        }
        if is_first {
            self.of_late.clear();
        }
        for (writer, entry) in writers {
            // Of the first ones, all of which are new, it says nothing.
            if is_first {
                self.put(writer, entry);
            } else {
                self.set(writer, entry);
            }
        }
    }

    /// Whom the next reading asks for.
    pub(super) fn next_names(&mut self) -> Named {
        self.readings += 1;
        let mut names: BTreeSet<WriterId> = self.of_late.keys().copied().collect();
        names.extend(&self.with_losses);
        names.extend(joined(&self.joined));
        let after = self.turn.map_or(std::ops::Bound::Unbounded, |last| {
            std::ops::Bound::Excluded(last)
        });
        let in_turn = self.writers.range((after, std::ops::Bound::Unbounded));
        let in_turn: Vec<WriterId> = in_turn.take(IN_TURN).map(|(writer, _)| *writer).collect();
        // After the last one it begins anew.
        self.turn = in_turn.last().copied().filter(|_| in_turn.len() == IN_TURN);
        names.extend(in_turn);
        Named(names.into_iter().collect())
    }

    /// Takes over the values of [`Named::fields`].
    pub(super) fn take(
        &mut self,
        key: &str,
        named: &Named,
        values: Vec<Option<String>>,
    ) -> Result<(), StoreError> {
        let mut values = values.into_iter();
        let mut next = || values.next().flatten();
        let sums = ENDED.map(|name| (name, next()));
        self.ended_fields = 0;
        self.ended = EndedSums::default();
        for (name, value) in sums {
            if let (Some(value), Some(sum)) = (value, self.ended.field(name.as_bytes())) {
                *sum = parse::figure(key, name, &value)?.into();
                self.ended_fields += 1;
            }
        }
        for writer in &named.0 {
            let mut figure = |name: fn(&WriterId) -> String| {
                let value = next();
                value.map_or(Ok(0), |value| parse::figure(key, &name(writer), &value))
            };
            let (last_sequence, votes) = (figure(fields::sequence)?, figure(fields::votes)?);
            let drained = match next() {
                Some(value) => parse::mark(key, &fields::drained(writer), &value)?,
                None => Drained::No,
            };
            let lost = next();
            let lost = lost.map_or(Ok(0), |value| {
                parse::figure(key, &fields::lost(writer), &value)
            })?;
            let entry = WriterLedger {
                last_sequence,
                votes,
                drained,
                lost,
            };
            self.set(*writer, entry);
        }
        Ok(())
    }

    /// Who came last, as the shard says it. Says whether all of them were asked for: they are next time.
    pub(super) fn note_joined(&mut self, names: &str) -> bool {
        if self.joined == names {
            return !self.lacks_joined;
        }
        let before: BTreeSet<WriterId> = joined(&self.joined).collect();
        names.clone_into(&mut self.joined);
        let (known, new): (Vec<WriterId>, Vec<WriterId>) =
            joined(names).partition(|writer| before.contains(writer));
        self.lacks_joined |= known.is_empty() && !before.is_empty();
        for writer in new {
            self.has_changed(writer);
        }
        false
    }

    /// What is known of a writer from now on; one without anything is not in the ledger.
    fn set(&mut self, writer: WriterId, entry: WriterLedger) {
        if !self.put(writer, entry) {
            return;
        }
        if self.writers.contains_key(&writer) {
            self.has_changed(writer);
        } else {
            self.of_late.remove(&writer);
        }
    }

    /// The same, without a note of whether it has changed of late. Says whether it is another one than it was.
    fn put(&mut self, writer: WriterId, entry: WriterLedger) -> bool {
        let is_there = entry != WriterLedger::default();
        let before = if is_there {
            self.writers.insert(writer, entry)
        } else {
            self.writers.remove(&writer)
        };
        let before = before.unwrap_or_default();
        if before == entry {
            return false;
        }
        self.sums.change(&before, -1);
        self.sums.change(&entry, 1);
        if entry.lost > 0 {
            self.with_losses.insert(writer);
        } else {
            self.with_losses.remove(&writer);
        }
        true
    }

    fn has_changed(&mut self, writer: WriterId) {
        self.of_late.insert(writer, self.readings);
        if self.of_late.len() > MOST_OF_LATE {
            let oldest = self.of_late.iter().min_by_key(|(_, reading)| **reading);
            let oldest = oldest.map(|(writer, _)| *writer);
            oldest.and_then(|writer| self.of_late.remove(&writer));
        }
    }
}

impl LedgerSums {
    /// With one entry more, or less.
    fn change(&mut self, entry: &WriterLedger, sign: i128) {
        self.batches += sign * i128::from(entry.last_sequence);
        self.votes += sign * i128::from(entry.votes);
        let of_batches = if entry.last_sequence > 0 { 2 } else { 0 };
        let of_mark = i128::from(entry.drained != Drained::No);
        let of_losses = i128::from(entry.lost > 0);
        self.fields += sign * (of_batches + of_mark + of_losses);
    }
}

/// The writers that such a field names.
fn joined(names: &str) -> impl Iterator<Item = WriterId> {
    names
        .split(' ')
        .filter_map(|name| WriterId::parse(name).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(number: u64) -> WriterId {
        WriterId::from_bytes(number.to_be_bytes())
    }

    fn entry(last_sequence: u64, votes: u64) -> WriterLedger {
        WriterLedger {
            last_sequence,
            votes,
            ..WriterLedger::default()
        }
    }

    /// Of so many writers, each with a batch of two votes.
    fn known(writers: u64) -> KnownLedger {
        let mut known = KnownLedger::default();
        known.replace((1..=writers).map(|n| (writer(n), entry(1, 2))).collect());
        known
    }

    #[test]
    fn all_are_asked_for_in_turn_and_those_that_have_changed_each_time() {
        let mut known = known(200);
        known.set(writer(7), entry(2, 3));
        let mut asked = BTreeSet::new();
        for _ in 0..4 {
            let Named(names) = known.next_names();
            assert!(names.contains(&writer(7)) && names.len() <= IN_TURN + 1);
            asked.extend(names);
        }
        assert_eq!(asked.len(), 200);
        assert!(known.next_names().0.contains(&writer(1)), "it begins anew");
        for number in 1..=200 + MOST_OF_LATE as u64 {
            known.set(writer(1_000 + number), entry(1, 1));
        }
        assert_eq!(known.of_late.len(), MOST_OF_LATE);
    }

    #[test]
    fn sums_are_those_of_what_is_known_after_each_change() {
        let mut known = known(3);
        let sums = |batches, votes, fields| LedgerSums {
            batches,
            votes,
            fields,
        };
        assert_eq!(known.sums(), sums(3, 6, 6));
        let named = known.next_names();
        let texts = |values: &[&str]| -> Vec<Option<String>> {
            let text = |value: &&str| Some((*value).to_owned()).filter(|text| !text.is_empty());
            values.iter().map(text).collect()
        };
        // One has ended, one has noted lost votes, one is drained.
        let ended = ["1", "1", "2"];
        let first = ["", "", "", ""];
        let others = ["5", "9", "", "4", "1", "2", "1764000000000", ""];
        let values = texts(&[&ended[..], &first, &others].concat());
        known.take("ledger", &named, values).expect("figures");
        assert_eq!(known.sums(), sums(7, 13, 9));
        assert_eq!(known.writers().len(), 2);
        assert_eq!(known.with_losses, BTreeSet::from([writer(2)]));
        assert_eq!(known.ended().writers, 1);
    }

    #[test]
    fn who_has_come_is_asked_for_next_and_what_is_not_told_is_known_to_be_missing() {
        let mut known = known(1);
        let names = |of: std::ops::Range<u64>| -> String {
            of.map(|number| format!("{} ", writer(number))).collect()
        };
        assert!(!known.note_joined(&names(5..8)));
        assert!(known.next_names().0.contains(&writer(6)));
        assert!(known.note_joined(&names(5..8)));
        assert!(!known.note_joined(&names(7..10)), "two are new");
        assert!(known.note_joined(&names(7..10)));
        // Of those that were told none is left: more may have come.
        assert!(!known.note_joined(&names(20..23)));
        assert!(!known.note_joined(&names(20..23)));
        known.replace(BTreeMap::new());
        assert!(known.note_joined(&names(20..23)));
    }
}
