//! What Redis holds of the poll.

use std::collections::BTreeMap;

use super::harness::{Harness, MINUTES};
use crate::fields;

/// Votes by `<channel>/<candidate>`, or by the field of a hash. None that has no votes.
pub(super) type Votes = BTreeMap<String, u64>;

/// The figures of the poll, as they are in Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// The tally, and the same by minute.
    pub(super) counted: Votes,
    pub(super) counted_minutes: BTreeMap<i64, Votes>,
    /// What was set aside, by `<fate>/<reason>/<channel>/<candidate>`, and the same by minute.
    pub(super) quarantine: Votes,
    pub(super) quarantine_minutes: BTreeMap<i64, Votes>,
    /// `<writer>/sequence` and `<writer>/votes`, also of writers that have ended.
    pub(super) ledger: BTreeMap<String, u64>,
    /// The ledger's sums of the writers that have ended, by field, and what they are.
    pub(super) ended_sums: [BTreeMap<String, u64>; 2],
    /// The marks of drained writers, by writer.
    pub(super) drained: BTreeMap<String, String>,
    /// The votes that were noted as lost, by the writer as which their lane began.
    pub(super) lost: BTreeMap<String, u64>,
    /// How many batches there were, and who came last.
    pub(super) batches: u64,
    pub(super) joined: String,
}

/// The same, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) held: Held,
    /// All that was recorded: what counts, and what does not because it is or was suspect.
    pub(super) tally: Votes,
    /// All that was recorded by minute.
    pub(super) minutes: BTreeMap<i64, Votes>,
    /// All that was ever set aside, whatever was decided of it.
    pub(super) suspect: Votes,
    /// What was set aside, and counts.
    pub(super) released: Votes,
}

impl From<Held> for Figures {
    fn from(held: Held) -> Self {
        let mut tally = held.counted.clone();
        let mut minutes = held.counted_minutes.clone();
        let (mut suspect, mut released) = (Votes::new(), Votes::new());
        for (field, votes) in &held.quarantine {
            let (fate, pair) = fate_and_pair(field);
            *suspect.entry(pair.to_owned()).or_default() += votes;
            let sum = if fate == "released" {
                &mut released
            } else {
                &mut tally
            };
            *sum.entry(pair.to_owned()).or_default() += votes;
        }
        for (minute, aside) in &held.quarantine_minutes {
            for (field, votes) in aside {
                let (fate, pair) = fate_and_pair(field);
                if fate != "released" {
                    let minute = minutes.entry(*minute).or_default();
                    *minute.entry(pair.to_owned()).or_default() += votes;
                }
            }
        }
        Self {
            held,
            tally,
            minutes,
            suspect,
            released,
        }
    }
}

impl Figures {
    /// What of the tally was never set aside.
    pub(super) fn never_suspect(&self) -> Votes {
        let mut rest = self.held.counted.clone();
        for (pair, votes) in &self.released {
            let counted = rest.entry(pair.clone()).or_default();
            assert!(
                *counted >= *votes,
                "{pair} was released, and does not count"
            );
            *counted -= votes;
        }
        rest.retain(|_, votes| *votes > 0);
        rest
    }

    /// The votes that somebody has to decide of.
    pub(super) fn undecided(&self) -> u64 {
        let fields = self.held.quarantine.iter();
        let undecided = fields.filter(|(field, _)| fate_and_pair(field).0 == "undecided");
        undecided.map(|(_, votes)| votes).sum()
    }
}

/// Fate, and channel and candidate, of a field of the quarantine.
pub(super) fn fate_and_pair(field: &str) -> (&str, &str) {
    let (fate, rest) = field.split_once('/').expect("a field of the quarantine");
    let (_reason, pair) = rest.split_once('/').expect("a field of the quarantine");
    (fate, pair)
}

impl Harness {
    pub(super) fn figures(&self) -> Figures {
        let mut held = self.votes();
        self.read_ledger(&mut held);
        Figures::from(held)
    }

    fn votes(&self) -> Held {
        let mut pipeline = redis::pipe();
        for key in [self.keys.tally(), self.keys.quarantine()] {
            pipeline.cmd("HGETALL").arg(key);
        }
        for minute in MINUTES {
            pipeline.cmd("HGETALL").arg(self.keys.minutes(minute));
            pipeline
                .cmd("HGETALL")
                .arg(self.keys.quarantine_minute(minute));
        }
        let hashes: Vec<Votes> = pipeline.query(&mut *self.upstream.lock()).expect("figures");
        let mut hashes = hashes.into_iter().map(|mut votes| {
            votes.retain(|_, votes| *votes > 0);
            votes
        });
        let mut next = || hashes.next().expect("one for each command");
        let mut held = Held {
            counted: next(),
            quarantine: next(),
            ..Held::default()
        };
        for minute in MINUTES {
            held.counted_minutes.insert(minute, next());
            held.quarantine_minutes.insert(minute, next());
        }
        held
    }

    fn read_ledger(&self, held: &mut Held) {
        type Texts = BTreeMap<String, String>;
        let (writers, ended, mut state): (Texts, Texts, Texts) = redis::pipe()
            .hgetall(self.keys.writers())
            .hgetall(self.keys.ended())
            .hgetall(self.keys.state())
            .query(&mut *self.upstream.lock())
            .expect("the ledger");
        let batches = state.get("batches").map(|count| count.parse());
        held.batches = batches.map_or(0, |batches| batches.expect("a number"));
        held.joined = state.remove("joined").unwrap_or_default();
        let [sums, ended_sums] = &mut held.ended_sums;
        for (writer, value) in ended {
            let (sequence, votes) = fields::parse_ended(&value).expect("an entry");
            for (field, value) in [("writers", 1), ("batches", sequence), ("votes", votes)] {
                *ended_sums.entry(format!("ended/{field}")).or_default() += value;
            }
            held.ledger.insert(format!("{writer}/sequence"), sequence);
            held.ledger.insert(format!("{writer}/votes"), votes);
            held.drained.insert(writer, "ended".to_owned());
        }
        for (field, value) in writers {
            match field.split_once('/') {
                Some(("ended", _)) => {
                    sums.insert(field, value.parse().expect("a figure"));
                }
                Some((writer, "drained")) => {
                    held.drained.insert(writer.to_owned(), value);
                }
                Some((writer, "lost")) => {
                    let votes = value.parse().expect("a figure");
                    held.lost.insert(writer.to_owned(), votes);
                }
                _ => {
                    let value = value.parse().expect("a figure");
                    let before = held.ledger.insert(field, value);
                    assert_eq!(before, None, "a writer has ended, and is there");
                }
            }
        }
    }
}
