//! Figures that Redis has forgotten, and that their writers are about to send again.
//!
//! After a failover the ledger has less of a writer than it had, and so have the figures, until the writer has found the
//! gap (within two seconds) and repaired it. They would be shown as fresh ones, with fewer votes than a moment ago.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use vote_domain::PollId;

use super::config::SnapshotConfig;
use super::snapshots::PollSnapshot;

/// How long is waited for it, in ticks: ten seconds with the services' own interval. What is not there then is taken
/// for lost.
const PATIENCE_TICKS: u32 = 40;

/// Polls whose last figures stand until their writers have sent again what is missing.
#[derive(Debug)]
pub(super) struct AwaitedReplays {
    /// Since when.
    since: BTreeMap<PollId, Instant>,
    patience: Duration,
}

impl AwaitedReplays {
    pub(super) fn new(config: &SnapshotConfig) -> Self {
        Self {
            since: BTreeMap::new(),
            patience: config.interval * PATIENCE_TICKS,
        }
    }

    /// Whether what is known stands, and grows stale, instead of what was read.
    pub(super) fn awaits(&mut self, known: &PollSnapshot, read: &PollSnapshot) -> bool {
        let id = read.poll.definition.id();
        if !has_less(read, known) {
            self.since.remove(id);
            return false;
        }
        let since = self.since.entry(id.clone()).or_insert_with(|| {
            tracing::warn!(
                poll = %id, was = known.tally.total(), is = read.tally.total(),
                "Redis has forgotten votes: the last figures are kept while their writers send them again"
            );
            Instant::now()
        });
        since.elapsed() < self.patience
    }

    pub(super) fn retain(&mut self, is_known: impl Fn(&PollId) -> bool) {
        self.since.retain(|id, _| is_known(id));
    }
}

/// Whether the ledger of `read` lacks batches that the one of `known` has. Of writers that had ended already, which send
/// nothing again, it is enough that all together have no less.
fn has_less(read: &PollSnapshot, known: &PollSnapshot) -> bool {
    let batches = |of: &PollSnapshot| of.revision.saturating_sub(of.poll.revision);
    if batches(read) < batches(known) {
        return true;
    }
    let shards = (0_u16..).zip(&known.ledger);
    shards.into_iter().any(|(shard, writers)| {
        // Both are in order, and may be long: most writers are there as they were.
        let there = read.ledger.get(usize::from(shard));
        let mut there = there.into_iter().flatten().peekable();
        let mut writers = writers
            .iter()
            .filter(|(_, ledger)| ledger.last_sequence > 0);
        writers.any(|(writer, ledger)| {
            while there.next_if(|(there, _)| *there < writer).is_some() {}
            let entry = there.peek().filter(|(there, _)| *there == writer);
            entry.is_none_or(|(_, entry)| entry.last_sequence < ledger.last_sequence)
                && read.has_batch(shard, writer, ledger.last_sequence) != Some(true)
        })
    })
}

#[cfg(test)]
mod tests {
    use vote_domain::{Eligibility, MinuteSeries, Quarantine, Tally, WriterId};
    use vote_testkit::fixtures::demo_poll;

    use super::*;
    use crate::figures::WriterLedger;
    use crate::snapshot::EndedWriters;

    /// A snapshot whose ledger has so many batches of one writer.
    fn snapshot(last_sequence: u64) -> PollSnapshot {
        let ledger = WriterLedger {
            last_sequence,
            ..WriterLedger::default()
        };
        PollSnapshot {
            poll: demo_poll()
                .id("p")
                .channels(&[("torcida", 1, Eligibility::Open)])
                .draft(),
            tally: Tally::new(1, 2),
            annulled: Tally::new(1, 2),
            minutes: MinuteSeries::new(1, 2),
            late: Tally::new(1, 2),
            quarantine: Quarantine::default(),
            ledger: vec![BTreeMap::from([(WriterId::from_bytes([1; 8]), ledger)])],
            ended: Vec::new(),
            revision: 1,
            received_at: None,
            sealed: None,
        }
    }

    /// The same after the writer has ended.
    fn ended(last_sequence: u64) -> PollSnapshot {
        let writer = (WriterId::from_bytes([1; 8]), last_sequence, 1);
        PollSnapshot {
            ledger: vec![BTreeMap::new()],
            ended: vec![EndedWriters::new(&[writer], false)],
            ..snapshot(0)
        }
    }

    fn replays(interval: Duration) -> AwaitedReplays {
        AwaitedReplays::new(&SnapshotConfig {
            interval,
            polls_interval: interval,
            stale_after: interval,
        })
    }

    #[test]
    fn a_ledger_that_lacks_batches_is_given_time_to_get_them_back() {
        let mut replays = replays(Duration::from_secs(60));
        assert!(!replays.awaits(&snapshot(7), &snapshot(7)));
        assert!(!replays.awaits(&snapshot(7), &snapshot(8)));
        assert!(replays.awaits(&snapshot(7), &snapshot(6)));
        assert!(replays.awaits(&snapshot(7), &snapshot(6)));
        assert!(!replays.awaits(&snapshot(7), &snapshot(7)));
    }

    #[test]
    fn a_writer_that_has_ended_lacks_nothing_unless_all_of_them_have_less_batches() {
        let mut replays = replays(Duration::from_secs(60));
        assert!(!replays.awaits(&snapshot(7), &ended(7)));
        assert!(replays.awaits(&snapshot(7), &ended(6)));
        assert!(!replays.awaits(&ended(7), &snapshot(7)));
        let revision = ended(7).poll.revision;
        let before = PollSnapshot {
            revision: revision + 7,
            ..ended(7)
        };
        let after = PollSnapshot {
            revision: revision + 6,
            ..ended(6)
        };
        assert!(replays.awaits(&before, &after));
    }

    #[test]
    fn what_is_not_there_in_time_is_taken_for_lost() {
        let mut replays = replays(Duration::ZERO);
        assert!(!replays.awaits(&snapshot(7), &snapshot(6)));
    }
}
