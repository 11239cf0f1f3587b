//! What all of a process may know of its clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use vote_domain::Clock;

use super::clock::{apart, micros, middle};
use super::inspect::{Inspection, Measured};
use super::judge::{Judge, Own, Verdict};

/// Whether a process' clock is near enough to Redis' for votes.
#[derive(Debug)]
pub struct Clocks {
    longest_apart: Duration,
    verdict: AtomicU8,
    ahead_us: AtomicI64,
}

impl Clocks {
    fn new(longest_apart: Duration) -> Self {
        Self {
            longest_apart,
            verdict: AtomicU8::new(Verdict::Unknown as u8),
            ahead_us: AtomicI64::new(0),
        }
    }

    /// Whether votes may be taken: the clock is right, or nobody lets us ask.
    #[must_use]
    pub fn are_trusted(&self) -> bool {
        let verdict = self.verdict.load(Ordering::Relaxed);
        verdict == Verdict::Right as u8 || verdict == Verdict::Unchecked as u8
    }

    /// A time of the process' clock by Redis', on which all processes agree to some milliseconds. `None` where nobody lets us
    /// ask for Redis' time, or nothing is known of it yet.
    #[must_use]
    pub fn by_redis(&self, at: Timestamp) -> Option<Timestamp> {
        let is_right = self.verdict.load(Ordering::Relaxed) == Verdict::Right as u8;
        let ahead = SignedDuration::from_micros(self.ahead_us.load(Ordering::Relaxed));
        is_right.then(|| at.checked_sub(ahead).ok()).flatten()
    }

    /// The same, as a condition of being ready.
    ///
    /// # Errors
    /// Why not.
    pub fn ready(&self) -> Result<(), String> {
        if self.are_trusted() {
            return Ok(());
        }
        if self.verdict.load(Ordering::Relaxed) == Verdict::Unknown as u8 {
            return Err("the clock was not compared with Redis' yet".to_owned());
        }
        let ahead_us = self.ahead_us.load(Ordering::Relaxed);
        Err(format!(
            "the clock is {} Redis', and may be off by {} s",
            apart(ahead_us),
            self.longest_apart.as_secs_f64()
        ))
    }
}

/// Keeps what is known of a process' clock.
pub(super) struct Keeper {
    clock: Arc<dyn Clock>,
    started: Instant,
    judge: Judge,
    clocks: Arc<Clocks>,
    is_wrong: Gauge,
}

impl Keeper {
    pub(super) fn register(
        clock: Arc<dyn Clock>,
        longest_apart: Option<Duration>,
        registry: &mut Registry,
    ) -> Self {
        let is_wrong = Gauge::default();
        if longest_apart.is_some() {
            registry.register(
                "vote_clock_wrong",
                "1 while the process takes no votes since its clock is too far from Redis'",
                is_wrong.clone(),
            );
        }
        let longest_apart = longest_apart.unwrap_or(Duration::MAX);
        Self {
            clock,
            started: Instant::now(),
            judge: Judge::new(longest_apart),
            clocks: Arc::new(Clocks::new(longest_apart)),
            is_wrong,
        }
    }

    pub(super) fn clocks(&self) -> Arc<Clocks> {
        Arc::clone(&self.clocks)
    }

    /// Whether something is known.
    pub(super) fn knows(&self) -> bool {
        self.judge.verdict != Verdict::Unknown
    }

    /// Whether somebody has set the clock.
    pub(super) fn has_stepped(&self) -> bool {
        self.judge.has_stepped(self.own())
    }

    /// Judges by what the servers have said.
    pub(super) fn judge(&mut self, inspections: &[Inspection]) {
        let measured = inspections.iter().filter_map(|one| match one.clock {
            Measured::Apart(difference) => Some(difference),
            _ => None,
        });
        let measured = middle(measured.collect());
        let is_forbidden = inspections
            .iter()
            .any(|one| one.clock == Measured::Forbidden);
        let before = self.judge.verdict;
        self.judge.judge(self.own(), measured, is_forbidden);
        let (verdict, ahead_us) = (self.judge.verdict, self.judge.ahead_us);
        self.clocks.ahead_us.store(ahead_us, Ordering::Relaxed);
        self.clocks.verdict.store(verdict as u8, Ordering::Relaxed);
        self.is_wrong.set(i64::from(verdict == Verdict::Wrong));
        if before == verdict {
            return;
        }
        if verdict == Verdict::Wrong {
            tracing::error!(
                clock = format!("{} Redis'", apart(ahead_us)),
                longest_apart_s = self.clocks.longest_apart.as_secs_f64(),
                remedy = "have NTP set this machine's clock; if all processes say this, Redis' machine's",
                "the clock is too far off: no votes are taken"
            );
        } else if before == Verdict::Wrong {
            tracing::info!("the clock is right again: votes are taken");
        }
    }

    fn own(&self) -> Own {
        Own {
            wall: self.clock.now().as_microsecond(),
            steady: micros(self.started.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_redis_only_where_it_was_compared() {
        let clocks = Clocks::new(Duration::from_secs(10));
        let at = Timestamp::UNIX_EPOCH + Duration::from_secs(60);
        clocks.ahead_us.store(1_500_000, Ordering::Relaxed);
        for (verdict, expected) in [
            (Verdict::Unknown, None),
            (Verdict::Unchecked, None),
            (Verdict::Wrong, None),
            (Verdict::Right, Some(at - Duration::from_millis(1_500))),
        ] {
            clocks.verdict.store(verdict as u8, Ordering::Relaxed);
            assert_eq!(clocks.by_redis(at), expected, "{verdict:?}");
        }
    }
}
