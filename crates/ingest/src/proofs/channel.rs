//! What one process knows of the proofs of one channel.

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use vote_proof::{Bounds, Pressure};

use super::verdict::Verdict;

/// What was seen of a channel, with its metrics' handles.
pub(super) struct ChannelProofs {
    pub(super) pressure: Pressure,
    pub(super) challenges: Counter,
    pub(super) cost: Gauge,
    pub(super) verdicts: [Counter; Verdict::COUNT],
}

impl ChannelProofs {
    /// Notes how a vote's proof was found. One that is missing or too old is an honest client's as often as not.
    pub(super) fn note(&mut self, verdict: Verdict, bounds: Bounds, now: Timestamp) {
        self.verdicts[verdict as usize].inc();
        let is_suspect = matches!(verdict, Verdict::Invalid | Verdict::Mismatch);
        self.pressure.note(is_suspect);
        self.cost.set(self.pressure.cost(bounds, now).into());
    }

    /// Notes that a vote whose proof was good is suspect all the same.
    pub(super) fn note_suspect(&mut self, bounds: Bounds, now: Timestamp) {
        self.pressure.note_suspect();
        self.cost.set(self.pressure.cost(bounds, now).into());
    }

    /// What a challenge asks for now; it is counted.
    pub(super) fn asked(&mut self, bounds: Bounds, now: Timestamp) -> u32 {
        self.challenges.inc();
        let cost = self.pressure.cost(bounds, now);
        self.cost.set(cost.into());
        cost
    }
}
