//! Which polls are read at a tick: none that is known not to have changed, and seldom those that hardly do.

use std::collections::BTreeMap;

use vote_domain::PollId;

use crate::changes::{Basis, Probe};
use crate::keys::ShardKeys;

/// After so many ticks without a change a poll is quiet: ten seconds with the services' own interval.
const QUIET_AFTER: u32 = 40;

/// The shards that are looked at themselves at each tick, in turn: whether what servers say is true.
const PROBES: usize = 3;

/// When a poll was last read.
#[derive(Debug)]
struct LastRead {
    /// How it was read: what the servers say later is compared with that.
    basis: Basis,
    /// The tick of the last reading that found it changed.
    changed: u32,
    /// When the latest vote of each shard was received.
    received_at_ms: Vec<Option<i64>>,
}

/// When all polls were last read.
#[derive(Debug, Default)]
pub(super) struct Cadence {
    polls: BTreeMap<PollId, LastRead>,
    /// The shard that was probed last, of the whole list.
    probed: usize,
}

impl Cadence {
    /// How the poll was last read, if what was read then still stands.
    pub(super) fn basis(&self, id: &PollId) -> Option<Basis> {
        self.polls.get(id).map(|last| last.basis)
    }

    /// Whether the poll is left for a later tick, where one that rests is read at one tick in `every`.
    pub(super) fn is_resting(&self, id: &PollId, tick: u32, every: u32) -> bool {
        let Some(last) = self.polls.get(id) else {
            return false;
        };
        // Not all of them at the same tick.
        let turn = id.as_str().bytes().map(u32::from).sum::<u32>();
        tick.wrapping_sub(last.changed) > QUIET_AFTER
            && !tick.wrapping_add(turn).is_multiple_of(every)
    }

    /// The poll was read.
    pub(super) fn has_read(
        &mut self,
        id: &PollId,
        basis: Basis,
        tick: u32,
        is_changed: bool,
        received_at_ms: Vec<Option<i64>>,
    ) {
        let before = self.polls.get(id).filter(|_| !is_changed);
        let last = LastRead {
            basis,
            changed: before.map_or(tick, |last| last.changed),
            received_at_ms,
        };
        self.polls.insert(id.clone(), last);
    }

    /// What was read of the poll does not stand: it is read again at each tick.
    pub(super) fn forget(&mut self, id: &PollId) {
        self.polls.remove(id);
    }

    pub(super) fn retain(&mut self, is_known: impl Fn(&PollId) -> bool) {
        self.polls.retain(|id, _| is_known(id));
    }

    /// The next shards to be looked at themselves.
    pub(super) fn probes(&mut self) -> Vec<Probe> {
        let count: usize = self
            .polls
            .values()
            .map(|last| last.received_at_ms.len())
            .sum();
        let from = if self.probed < count { self.probed } else { 0 };
        self.probed = from + PROBES;
        let shards = self.polls.iter().flat_map(|(id, last)| {
            let shards = (0_u16..).zip(&last.received_at_ms);
            shards.map(move |(shard, received_at_ms)| (id, shard, last.basis, *received_at_ms))
        });
        let probe = |(id, shard, basis, received_at_ms): (&PollId, _, _, _)| Probe {
            poll: id.clone(),
            shard: ShardKeys::new(id, shard),
            basis,
            received_at_ms,
        };
        shards.skip(from).take(PROBES).map(probe).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> PollId {
        PollId::parse(text).expect("an id")
    }

    #[test]
    fn a_poll_that_has_not_changed_for_long_is_read_at_one_tick_in_four() {
        let mut cadence = Cadence::default();
        let poll = id("p");
        let read = |cadence: &Cadence| {
            (41..81)
                .filter(|&tick| !cadence.is_resting(&poll, tick, 4))
                .count()
        };
        assert_eq!(read(&cadence), 40);
        cadence.has_read(&poll, Basis::default(), 0, true, vec![None]);
        assert_eq!(read(&cadence), 10);
        assert!((0..=QUIET_AFTER).all(|tick| !cadence.is_resting(&poll, tick, 4)));
        cadence.has_read(&poll, Basis::default(), 44, false, vec![None]);
        assert!((45..49).any(|tick| cadence.is_resting(&poll, tick, 4)));
        cadence.has_read(&poll, Basis::default(), 48, true, vec![None]);
        assert!((49..80).all(|tick| !cadence.is_resting(&poll, tick, 4)));
        cadence.forget(&poll);
        assert_eq!(read(&cadence), 40);
    }

    #[test]
    fn all_shards_are_probed_in_turn() {
        let mut cadence = Cadence::default();
        assert!(cadence.probes().is_empty());
        for (poll, shards) in [("a", 1), ("b", 4), ("c", 2)] {
            let received_at_ms = vec![Some(1); shards];
            cadence.has_read(&id(poll), Basis::default(), 0, true, received_at_ms);
        }
        let mut probed = std::collections::BTreeMap::<String, u32>::new();
        for _ in 0..6 {
            for probe in cadence.probes() {
                *probed.entry(probe.shard.state()).or_default() += 1;
            }
        }
        assert_eq!(probed.len(), 7);
        assert!(probed.values().all(|times| *times == 2), "{probed:?}");
    }
}
