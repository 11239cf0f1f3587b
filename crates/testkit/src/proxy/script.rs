//! Which request gets which fault, and what has happened so far.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use crate::fixtures::SeededRandom;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it is forwarded and its reply is returned.
    Pass,
    /// The connection is cut instead of forwarding the request: Redis never sees it. Replies of earlier requests are
    /// returned first.
    CutBeforeRequest,
    /// Half of the request is forwarded, then the connection is cut: Redis sees it and never runs it.
    CutMidRequest,
    /// The request is forwarded, its whole reply is received from Redis, and the connection is cut instead of
    /// returning it: Redis has processed it, and the client can't know.
    CutBeforeReply,
    /// As [`Fault::CutBeforeReply`], after half of the reply's bytes were returned.
    CutMidReply,
    /// The reply is returned this much later; so are the ones behind it.
    DelayReply(Duration),
}

/// How often each fault happens in random mode: probabilities from 0 to 1, whose sum is at most 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomFaults {
    /// Start of the pseudo-random sequence.
    pub seed: u64,
    /// Probability of [`Fault::CutBeforeRequest`].
    pub cut_before_request: f64,
    /// Probability of [`Fault::CutMidRequest`].
    pub cut_mid_request: f64,
    /// Probability of [`Fault::CutBeforeReply`].
    pub cut_before_reply: f64,
    /// Probability of [`Fault::CutMidReply`].
    pub cut_mid_reply: f64,
    /// Probability of [`Fault::DelayReply`].
    pub delay_reply: f64,
    /// How long such a delay is.
    pub delay: Duration,
}

/// What a proxy has done. A fault is counted when it was carried out, not when it was chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Connections accepted.
    pub connections: u64,
    /// Requests seen, of any command.
    pub requests: u64,
    /// Requests that could take a fault (see [`FaultProxy::only`](super::FaultProxy::only)).
    pub targets: u64,
    /// Replies returned whole.
    pub replies: u64,
    /// Their bytes.
    pub reply_bytes: u64,
    /// Carried out [`Fault::CutBeforeRequest`].
    pub cut_before_request: u64,
    /// Carried out [`Fault::CutMidRequest`].
    pub cut_mid_request: u64,
    /// Carried out [`Fault::CutBeforeReply`].
    pub cut_before_reply: u64,
    /// Carried out [`Fault::CutMidReply`].
    pub cut_mid_reply: u64,
    /// Carried out [`Fault::DelayReply`].
    pub delayed: u64,
    /// Requests that were held back, see [`FaultProxy::hold`](super::FaultProxy::hold).
    pub held: u64,
}

impl FaultCounts {
    /// Connections that were cut by a fault, of any kind.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.cut_before_request + self.cut_mid_request + self.cut_before_reply + self.cut_mid_reply
    }
}

/// The faults to come, and the counts.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) counts: FaultCounts,
    only: BTreeSet<Vec<u8>>,
    scheduled: VecDeque<Fault>,
    random: Option<(RandomFaults, SeededRandom)>,
    hold: Option<Hold>,
}

/// Says of a request's words whether it is held back.
pub(super) type IsHeld = dyn FnMut(&[&[u8]]) -> bool + Send;

struct Hold(Box<IsHeld>);

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}

impl Script {
    pub(super) fn only<'a>(&mut self, commands: impl IntoIterator<Item = &'a str>) {
        self.only = commands
            .into_iter()
            .map(|command| command.to_ascii_uppercase().into_bytes())
            .collect();
    }

    pub(super) fn push_front(&mut self, fault: Fault) {
        self.scheduled.push_front(fault);
    }

    pub(super) fn schedule(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.scheduled = faults.into_iter().collect();
    }

    pub(super) fn scheduled(&self) -> usize {
        self.scheduled.len()
    }

    pub(super) fn random(&mut self, faults: Option<RandomFaults>) {
        self.random = faults.map(|faults| (faults, SeededRandom::new(faults.seed)));
    }

    pub(super) fn hold(&mut self, is_held: Box<IsHeld>) {
        self.hold = Some(Hold(is_held));
    }

    /// Whether the request of these words waits.
    pub(super) fn is_held(&mut self, words: &[&[u8]]) -> bool {
        self.hold.as_mut().is_some_and(|hold| (hold.0)(words))
    }

    pub(super) fn clear(&mut self) {
        self.scheduled.clear();
        self.hold = None;
        self.random(None);
    }

    /// The fault for a request of this command; takes it from the schedule.
    pub(super) fn fault_for(&mut self, command: &[u8]) -> Fault {
        self.counts.requests += 1;
        if !self.only.is_empty() && !self.only.contains(&command.to_ascii_uppercase()) {
            return Fault::Pass;
        }
        self.counts.targets += 1;
        if let Some(fault) = self.scheduled.pop_front() {
            return fault;
        }
        let Some((faults, random)) = &mut self.random else {
            return Fault::Pass;
        };
        let drawn = random.unit();
        let mut below = 0.0;
        for (probability, fault) in [
            (faults.cut_before_request, Fault::CutBeforeRequest),
            (faults.cut_mid_request, Fault::CutMidRequest),
            (faults.cut_before_reply, Fault::CutBeforeReply),
            (faults.cut_mid_reply, Fault::CutMidReply),
            (faults.delay_reply, Fault::DelayReply(faults.delay)),
        ] {
            below += probability;
            if drawn < below {
                return fault;
            }
        }
        Fault::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, RandomFaults, Script};

    #[test]
    fn the_schedule_is_taken_only_by_targets_and_in_order() {
        let mut script = Script::default();
        script.only(["evalsha"]);
        script.schedule([Fault::CutBeforeReply, Fault::Pass]);
        script.push_front(Fault::CutBeforeRequest);
        assert_eq!(script.fault_for(b"PING"), Fault::Pass);
        assert_eq!(script.fault_for(b"EVALSHA"), Fault::CutBeforeRequest);
        assert_eq!(script.fault_for(b"EvalSha"), Fault::CutBeforeReply);
        assert_eq!(script.fault_for(b"EVALSHA"), Fault::Pass);
        assert_eq!(script.fault_for(b"EVALSHA"), Fault::Pass);
        assert_eq!(
            (
                script.counts.requests,
                script.counts.targets,
                script.scheduled()
            ),
            (5, 4, 0)
        );
    }

    #[test]
    fn random_faults_repeat_with_their_seed_and_keep_to_their_probabilities() {
        let run = |seed| {
            let mut script = Script::default();
            let faults = RandomFaults {
                seed,
                cut_before_request: 0.2,
                cut_before_reply: 0.3,
                ..RandomFaults::default()
            };
            script.random(Some(faults));
            (0..10_000)
                .map(|_| script.fault_for(b"GET"))
                .collect::<Vec<_>>()
        };
        let faults = run(7);
        assert_eq!(faults, run(7));
        assert_ne!(faults, run(8));
        let share = |fault| faults.iter().filter(|&&f| f == fault).count();
        assert!((1_800..2_200).contains(&share(Fault::CutBeforeRequest)));
        assert!((2_800..3_200).contains(&share(Fault::CutBeforeReply)));
        assert!((4_800..5_200).contains(&share(Fault::Pass)));
    }
}
