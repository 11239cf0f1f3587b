//! Whether the process' clock may be trusted with votes: what was measured, and for a while what was measured before.

use std::time::Duration;

use super::clock::{Difference, micros};

/// Two clocks of one machine that nobody has set run apart by no more than one part in so many: what the kernel takes to
/// bring a clock right (500 ppm).
const DRIFT: i64 = 2_000;

/// A step of the clock from here on is worth a measurement of its own.
const STEP_US: i64 = 250_000;

/// What is held of the process' clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Verdict {
    /// Nothing yet: no server has answered.
    Unknown,
    /// It is near enough.
    Right,
    /// No server lets us ask for its time.
    Unchecked,
    /// It is too far off.
    Wrong,
}

/// The process' own clocks at one instant, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    /// The one that votes are received by, and that somebody may set.
    pub(super) wall: i64,
    /// The one that only goes on.
    pub(super) steady: i64,
}

/// When the clock was last right.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    /// What the wall clock would have been ahead of the steady one, had it been Redis'.
    offset: i64,
    steady: i64,
}

/// Judges the process' clock.
#[derive(Debug)]
pub(super) struct Judge {
    longest_apart: i64,
    anchor: Option<Anchor>,
    last_offset: Option<i64>,
    pub(super) verdict: Verdict,
    /// How far it is off, as far as that is known.
    pub(super) ahead_us: i64,
}

impl Judge {
    pub(super) fn new(longest_apart: Duration) -> Self {
        Self {
            longest_apart: micros(longest_apart),
            anchor: None,
            last_offset: None,
            verdict: Verdict::Unknown,
            ahead_us: 0,
        }
    }

    /// Judges by what was measured; `is_forbidden` where some server does not let us ask.
    pub(super) fn judge(&mut self, own: Own, measured: Option<Difference>, is_forbidden: bool) {
        let offset = own.wall.saturating_sub(own.steady);
        self.last_offset = Some(offset);
        if let Some(Difference { ahead_us, error_us }) = measured
            && ahead_us.saturating_abs().saturating_add(error_us) <= self.longest_apart
        {
            self.anchor = Some(Anchor {
                offset: offset.saturating_sub(ahead_us),
                steady: own.steady,
            });
            (self.verdict, self.ahead_us) = (Verdict::Right, ahead_us);
            return;
        }
        // It is the server that jumps, as where another one was promoted whose clock is wrong, as long as our own clock
        // is what it was when it was right.
        let since = self.anchor.map(|anchor| {
            let ahead_us = offset.saturating_sub(anchor.offset);
            let drift = own.steady.saturating_sub(anchor.steady) / DRIFT;
            let still = ahead_us.saturating_abs().saturating_add(drift) <= self.longest_apart;
            (ahead_us, still)
        });
        (self.verdict, self.ahead_us) = match (since, measured) {
            (Some((ahead_us, true)), _) => (Verdict::Right, ahead_us),
            (_, Some(difference)) => (Verdict::Wrong, difference.ahead_us),
            (Some((ahead_us, false)), None) => (Verdict::Wrong, ahead_us),
            (None, None) if is_forbidden => (Verdict::Unchecked, 0),
            (None, None) => (self.verdict, self.ahead_us),
        };
    }

    /// Whether somebody has set the clock since it was last judged.
    pub(super) fn has_stepped(&self, own: Own) -> bool {
        let offset = own.wall.saturating_sub(own.steady);
        self.last_offset
            .is_some_and(|last| offset.saturating_sub(last).saturating_abs() > STEP_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const ERROR: i64 = 1_000;

    /// A process whose clock may be off by ten seconds, and its server's, which may be set.
    struct Trial {
        judge: Judge,
        steady: i64,
        ours: i64,
        its: i64,
    }

    impl Trial {
        fn new() -> Self {
            Self {
                judge: Judge::new(Duration::from_secs(10)),
                steady: 0,
                ours: 1_000_000 * SECOND,
                its: 1_000_000 * SECOND,
            }
        }

        fn own(&self) -> Own {
            Own {
                wall: self.ours,
                steady: self.steady,
            }
        }

        fn measured(&mut self) -> Verdict {
            let difference = Difference {
                ahead_us: self.ours - self.its,
                error_us: ERROR,
            };
            self.judge.judge(self.own(), Some(difference), false);
            self.judge.verdict
        }

        fn unmeasured(&mut self, is_forbidden: bool) -> Verdict {
            self.judge.judge(self.own(), None, is_forbidden);
            self.judge.verdict
        }

        fn passes(&mut self, seconds: i64) {
            self.steady += seconds * SECOND;
            self.ours += seconds * SECOND;
            self.its += seconds * SECOND;
        }
    }

    #[test]
    fn the_bound_is_sharp_on_either_side() {
        for direction in [1, -1] {
            let mut trial = Trial::new();
            trial.ours += direction * (10 * SECOND - ERROR);
            assert_eq!(trial.measured(), Verdict::Right);
            let mut trial = Trial::new();
            trial.ours += direction * (10 * SECOND - ERROR + 1);
            assert_eq!(
                trial.measured(),
                Verdict::Wrong,
                "it may be beyond the bound"
            );
        }
    }

    #[test]
    fn our_own_clock_that_is_set_is_wrong_at_once_and_right_when_it_is_set_back() {
        let mut trial = Trial::new();
        assert_eq!(trial.measured(), Verdict::Right);
        trial.passes(60);
        assert!(!trial.judge.has_stepped(trial.own()));
        trial.ours += 300 * SECOND;
        assert!(trial.judge.has_stepped(trial.own()));
        assert_eq!(trial.unmeasured(false), Verdict::Wrong, "without Redis too");
        assert_eq!(trial.measured(), Verdict::Wrong);
        assert_eq!(trial.judge.ahead_us, 300 * SECOND);
        trial.ours -= 300 * SECOND;
        assert!(trial.judge.has_stepped(trial.own()));
        assert_eq!(trial.measured(), Verdict::Right);
    }

    #[test]
    fn a_server_whose_clock_is_wrong_stops_no_process_that_knew_a_right_one() {
        let mut trial = Trial::new();
        assert_eq!(trial.measured(), Verdict::Right);
        trial.passes(60);
        trial.its -= 300 * SECOND;
        assert_eq!(trial.measured(), Verdict::Right);
        trial.passes(3_600);
        assert_eq!(trial.measured(), Verdict::Right);
        trial.ours += 11 * SECOND;
        assert_eq!(trial.measured(), Verdict::Wrong, "now ours is too");
        trial.ours -= 11 * SECOND;
        // For no longer than it can be said of a clock that nobody compares.
        trial.passes(20_000);
        assert_eq!(trial.measured(), Verdict::Wrong);
        trial.its += 300 * SECOND;
        assert_eq!(trial.measured(), Verdict::Right);
    }

    #[test]
    fn a_process_that_never_knew_a_right_clock_goes_by_the_server() {
        let mut trial = Trial::new();
        trial.its += 300 * SECOND;
        assert_eq!(trial.measured(), Verdict::Wrong);
    }

    #[test]
    fn before_a_server_has_answered_nothing_is_known_and_who_may_not_ask_goes_on() {
        let mut trial = Trial::new();
        assert_eq!(trial.unmeasured(false), Verdict::Unknown);
        assert_eq!(trial.unmeasured(true), Verdict::Unchecked);
        assert_eq!(trial.unmeasured(false), Verdict::Unchecked);
        assert_eq!(trial.measured(), Verdict::Right);
    }
}
