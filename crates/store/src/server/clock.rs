//! Our clock beside a server's: how far they are apart, and how far they may be.

use std::time::{Duration, Instant};

use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use vote_domain::Clock;

use super::findings::{Finding, Problem};

/// From here on it is worth a warning: what keeps time by NTP is apart by milliseconds.
const WORTH_A_WARNING: Duration = Duration::from_secs(1);

/// An answer that was this quick says it well enough.
const QUICK: Duration = Duration::from_millis(10);

/// How often a server is asked for its time at the most, until one answer is quick.
const ATTEMPTS: usize = 3;

/// How far the clock of an ingest process may be from Redis', so that a repeat is found for as long as clients are
/// promised, whichever process takes it: a twelfth of the key window. ARCHITECTURE.md, "Clocks", has the arithmetic.
#[must_use]
pub fn longest_apart(idempotency_window: Duration) -> Duration {
    idempotency_window / 12
}

/// How far our clock is from a server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Ours minus its, in microseconds: negative where ours is behind.
    pub ahead_us: i64,
    /// The most by which that may be wrong: half of what the question took.
    pub error_us: i64,
}

impl Difference {
    /// Asks a server for its time.
    ///
    /// # Errors
    /// What the server or the connection says.
    pub(super) async fn ask(
        connection: &mut MultiplexedConnection,
        clock: &dyn Clock,
    ) -> RedisResult<Self> {
        let mut best = Self::ask_once(connection, clock).await?;
        for _ in 1..ATTEMPTS {
            if best.error_us * 2 <= micros(QUICK) {
                break;
            }
            let next = Self::ask_once(connection, clock).await?;
            if next.error_us < best.error_us {
                best = next;
            }
        }
        Ok(best)
    }

    async fn ask_once(
        connection: &mut MultiplexedConnection,
        clock: &dyn Clock,
    ) -> RedisResult<Self> {
        // How long it took is told by the clock that nobody sets.
        let (asked, ours) = (Instant::now(), clock.now().as_microsecond());
        let (seconds, micros_of_it): (i64, i64) =
            redis::cmd("TIME").query_async(connection).await?;
        let half = micros(asked.elapsed()) / 2;
        let its = seconds
            .saturating_mul(1_000_000)
            .saturating_add(micros_of_it);
        Ok(Self {
            ahead_us: ours.saturating_add(half).saturating_sub(its),
            error_us: half.saturating_add(1),
        })
    }

    /// How far ours is ahead, in seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        let seconds = Duration::from_micros(self.ahead_us.unsigned_abs()).as_secs_f64();
        if self.ahead_us < 0 { -seconds } else { seconds }
    }

    /// What is wrong, if they are apart for certain by more than clocks that are kept are.
    pub(super) fn finding(self) -> Option<Finding> {
        let is_apart = self.ahead_us.saturating_abs() - self.error_us > micros(WORTH_A_WARNING);
        is_apart.then(|| {
            Finding::new(
                Problem::Clock,
                format!("its clock is {} ours", apart(self.ahead_us.saturating_neg())),
                "have NTP set the clocks of both machines (chronyc tracking, timedatectl), this one and the server's: \
                 a poll closes by our clock, and repeated votes are found by it",
            )
        })
    }
}

/// `1.5 s ahead of`, as a part of a sentence.
pub(super) fn apart(ahead_us: i64) -> String {
    let tenths = ahead_us.unsigned_abs().div_ceil(100_000);
    let place = if ahead_us < 0 { "behind" } else { "ahead of" };
    format!("{}.{} s {place}", tenths / 10, tenths % 10)
}

/// The difference that counts where servers have clocks of their own: the middle one, so that one server whose
/// clock is wrong is outvoted by the others; of two the greater.
pub(super) fn middle(mut differences: Vec<Difference>) -> Option<Difference> {
    differences.sort_unstable_by_key(|difference| difference.ahead_us);
    let upper = differences.len() / 2;
    let lower = differences.len().checked_sub(1)? / 2;
    let middles = [differences.get(lower)?, differences.get(upper)?];
    middles
        .into_iter()
        .max_by_key(|difference| difference.ahead_us.saturating_abs())
        .copied()
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(seconds: i64) -> Difference {
        Difference {
            ahead_us: seconds * 1_000_000,
            error_us: 500,
        }
    }

    #[test]
    fn a_twelfth_of_the_window_is_ten_seconds_by_default() {
        assert_eq!(
            longest_apart(Duration::from_secs(120)),
            Duration::from_secs(10)
        );
    }

    #[test]
    fn what_is_apart_for_certain_is_found_and_says_which_way() {
        assert_eq!(ahead(1).finding(), None);
        assert_eq!(ahead(-1).finding(), None);
        let unsure = Difference {
            error_us: 2_000_000,
            ..ahead(2)
        };
        assert_eq!(unsure.finding(), None, "the answer took too long to say so");
        let seen = |seconds| ahead(seconds).finding().expect("a finding").seen;
        assert_eq!(seen(300), "its clock is 300.0 s behind ours");
        assert_eq!(seen(-2), "its clock is 2.0 s ahead of ours");
    }

    #[test]
    fn one_server_of_three_is_outvoted_and_of_two_the_farther_counts() {
        assert_eq!(middle(Vec::new()), None);
        assert_eq!(middle(vec![ahead(-4)]), Some(ahead(-4)));
        assert_eq!(middle(vec![ahead(300), ahead(0), ahead(1)]), Some(ahead(1)));
        assert_eq!(middle(vec![ahead(1), ahead(-300)]), Some(ahead(-300)));
        assert_eq!(middle(vec![ahead(300), ahead(1)]), Some(ahead(300)));
    }
}
