//! When figures are read: at the multiples of the interval on the wall clock, so that all processes read together.

use std::time::Duration;

use jiff::Timestamp;

/// The time until the next tick: up to the next multiple of `interval` since the Unix epoch.
///
/// It is at least a quarter and less than five quarters of the interval, whatever the clock does: a timer that wakes
/// just before its tick does not read twice, and a clock that stands still or is put back stops nobody.
pub(super) fn until_tick(now: Timestamp, interval: Duration) -> Duration {
    let whole = i128::try_from(interval.as_nanos()).unwrap_or(i128::MAX);
    if whole == 0 {
        return interval;
    }
    let left = whole - now.as_nanosecond().rem_euclid(whole);
    let left = Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX));
    if left < interval / 4 {
        left + interval
    } else {
        left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(250);

    fn wait_ms(now_ms: i64) -> u128 {
        let now = Timestamp::from_millisecond(now_ms).expect("in range");
        until_tick(now, INTERVAL).as_millis()
    }

    #[test]
    fn ticks_are_the_multiples_of_the_interval() {
        assert_eq!(wait_ms(1_000), 250);
        assert_eq!(wait_ms(1_001), 249);
        assert_eq!(wait_ms(1_187), 63);
        // Before the epoch, too.
        assert_eq!(wait_ms(-100), 100);
    }

    #[test]
    fn a_tick_that_came_too_early_is_not_followed_by_its_own_again() {
        assert_eq!(wait_ms(1_249), 251);
        assert_eq!(wait_ms(1_188), 312);
    }

    proptest! {
        #[test]
        fn processes_that_started_at_any_time_tick_together(start_ns in any::<i32>(), interval_ms in 1_u64..10_000) {
            let interval = Duration::from_millis(interval_ms);
            let now = Timestamp::from_nanosecond(i128::from(start_ns)).expect("in range");
            let wait = until_tick(now, interval);
            prop_assert!(wait >= interval / 4 && wait < interval + interval / 4);
            let tick = now + wait;
            let whole = i128::from(interval_ms) * 1_000_000;
            prop_assert_eq!(tick.as_nanosecond().rem_euclid(whole), 0);
        }
    }
}
