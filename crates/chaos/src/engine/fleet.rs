//! The ingest processes as their clients see them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long an address is left alone after it said that it goes, or took no connection. Longer than the grace of a
/// process that was told to stop: by then its listener is gone, or a new process answers.
const AWAY: Duration = Duration::from_secs(4);

/// The processes' addresses, and which of them to leave alone.
#[derive(Debug)]
pub(crate) struct Fleet {
    start: Instant,
    addresses: Vec<SocketAddr>,
    /// Milliseconds since `start` until which the address is left alone.
    away_until: Vec<AtomicU64>,
}

impl Fleet {
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            start: Instant::now(),
            away_until: addresses.iter().map(|_| AtomicU64::new(0)).collect(),
            addresses,
        }
    }

    pub(crate) fn address(&self, which: usize) -> SocketAddr {
        self.addresses[which]
    }

    pub(crate) fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Leaves it alone for a while.
    pub(crate) fn leave(&self, which: usize) {
        let until = self.millis(self.start.elapsed() + AWAY);
        if let Some(away) = self.away_until.get(which) {
            away.store(until, Ordering::Relaxed);
        }
    }

    /// The addresses in the order in which to try them: those that are there first.
    pub(crate) fn order(&self, from: usize) -> impl Iterator<Item = usize> + '_ {
        let now = self.millis(self.start.elapsed());
        let all = (0..self.len()).map(move |step| (from + step) % self.len());
        let is_away = move |which: &usize| self.away_until[*which].load(Ordering::Relaxed) > now;
        let there = all.clone().filter(move |which| !is_away(which));
        there.chain(all.filter(is_away))
    }

    fn millis(&self, since: Duration) -> u64 {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Fleet;
    use std::net::SocketAddr;

    #[test]
    fn an_address_that_goes_is_tried_last() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let fleet = Fleet::new(vec![address(1), address(2)]);
        assert_eq!(fleet.order(1).collect::<Vec<_>>(), [1, 0]);
        fleet.leave(1);
        assert_eq!(fleet.order(1).collect::<Vec<_>>(), [0, 1]);
        fleet.leave(0);
        assert_eq!(fleet.order(1).collect::<Vec<_>>(), [1, 0]);
    }
}
