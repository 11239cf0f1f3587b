//! One limit of somebody who is known by name, such as a gateway.

use std::time::Instant;

use parking_lot::Mutex;

use crate::gcra::Gcra;
use crate::quota::Quota;

/// One limit, and how much of it is used.
#[derive(Debug)]
pub struct Meter {
    quota: Quota,
    gcra: Gcra,
    started: Instant,
    state: Mutex<u64>,
}

impl Meter {
    /// A limit of which nothing is used.
    #[must_use]
    pub fn new(quota: Quota, now: Instant) -> Self {
        Self {
            quota,
            gcra: Gcra::new(quota),
            started: now,
            state: Mutex::new(0),
        }
    }

    /// How many it allows.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Counts one that comes now.
    ///
    /// # Errors
    /// The limit is reached: in so many seconds, at least one, the next is allowed. What is refused counts for nothing.
    pub fn count(&self, now: Instant) -> Result<(), u32> {
        let since = now.saturating_duration_since(self.started).as_micros();
        let now = u64::try_from(since).unwrap_or(u64::MAX);
        let mut state = self.state.lock();
        match self.gcra.next(*state, now) {
            Ok(next) => {
                *state = next;
                Ok(())
            }
            Err(wait) => Err(u32::try_from(wait.div_ceil(1_000_000)).unwrap_or(u32::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_whole_quota_is_counted_and_then_what_has_come_back() {
        let start = Instant::now();
        let meter = Meter::new(Quota::new(3, 30).expect("a quota"), start);
        for _ in 0..3 {
            assert_eq!(meter.count(start), Ok(()));
        }
        assert_eq!(meter.count(start), Err(10));
        assert_eq!(meter.count(start + Duration::from_millis(9_500)), Err(1));
        assert_eq!(meter.count(start + Duration::from_secs(10)), Ok(()));
        assert_eq!(meter.count(start + Duration::from_secs(10)), Err(10));
        // A clock that is put back is one that stands still.
        assert_eq!(meter.count(start - Duration::from_secs(1)), Err(20));
    }
}
