//! The generic cell rate algorithm (ITU-T I.371), for one limit.
//!
//! Its whole state is one time: when the next one would come if all that were taken were evenly spread. What has such a time in
//! the past is as if it had never come. `crates/results/src/stream/pace.rs` is the same for one reader's events, which come early
//! by a tick and wait, where votes come in bursts and are refused.

use crate::quota::Quota;

/// One limit, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gcra {
    /// What each one takes of the time.
    interval: u64,
    /// By how much the state may be ahead of the clock when another one comes.
    tolerance: u64,
}

impl Gcra {
    /// Of who has rested, a whole quota is taken at once; then one each time that a part of it has come back. The interval is
    /// rounded up, so that there are never more.
    pub(crate) fn new(quota: Quota) -> Self {
        let window = u64::from(quota.seconds()) * 1_000_000;
        let votes = u64::from(quota.votes());
        let interval = window.div_ceil(votes);
        Self {
            interval,
            tolerance: interval * (votes - 1),
        }
    }

    /// The state after one more that comes now.
    ///
    /// # Errors
    /// How long it has to wait. What is refused changes nothing: who asks in vain waits no longer for it.
    pub(crate) fn next(self, state: u64, now: u64) -> Result<u64, u64> {
        let from = state.max(now);
        match from.saturating_sub(self.tolerance).saturating_sub(now) {
            0 => Ok(from + self.interval),
            wait => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(votes: u32, seconds: u32) -> Gcra {
        Gcra::new(Quota::new(votes, seconds).expect("a quota"))
    }

    /// How many are taken now.
    fn burst(gcra: Gcra, state: &mut u64, now: u64) -> u32 {
        let mut taken = 0;
        while let Ok(next) = gcra.next(*state, now) {
            *state = next;
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_whole_quota_is_taken_at_once_and_comes_back_evenly() {
        let gcra = of(20, 10);
        let mut state = 0;
        let start = 5_000_000;
        assert_eq!(burst(gcra, &mut state, start), 20);
        assert_eq!(gcra.next(state, start), Err(500_000));
        assert_eq!(burst(gcra, &mut state, start + 499_999), 0);
        assert_eq!(burst(gcra, &mut state, start + 500_000), 1);
        assert_eq!(burst(gcra, &mut state, start + 2_000_000), 3);
        assert_eq!(burst(gcra, &mut state, start + 60_000_000), 20);
    }

    #[test]
    fn exactly_the_quota_is_taken_also_where_it_does_not_divide_the_time() {
        for (votes, seconds) in [(1, 1), (3, 10), (7, 10), (999_983, 1), (1_000_000, 1)] {
            assert_eq!(burst(of(votes, seconds), &mut 0, 0), votes);
        }
    }

    proptest! {
        /// In `t` there are at most the quota and what comes back in `t`; and who stays below the rate is never refused.
        #[test]
        fn never_more_than_the_quota_and_its_return(
            votes in 1_u32..50, seconds in 1_u32..100,
            gaps in prop::collection::vec(0_u64..3_000_000, 1..300),
        ) {
            let gcra = of(votes, seconds);
            let (mut state, mut now, mut taken) = (0, 0, Vec::new());
            for gap in gaps {
                now += gap;
                match gcra.next(state, now) {
                    Ok(next) => {
                        prop_assert!(next > now);
                        state = next;
                        taken.push(now);
                    }
                    Err(wait) => {
                        prop_assert!(wait <= gcra.interval);
                        prop_assert!(gcra.next(state, now + wait).is_ok());
                        prop_assert!(gcra.next(state, now + wait - 1).is_err());
                    }
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (last, until) in taken.iter().enumerate().skip(first) {
                    let most = u64::from(votes) + (until - from) / gcra.interval;
                    prop_assert!((last - first + 1) as u64 <= most);
                }
            }
        }

        #[test]
        fn who_comes_at_the_rate_is_never_refused(votes in 1_u32..1000, seconds in 1_u32..1000, count in 1_usize..300) {
            let gcra = of(votes, seconds);
            let (mut state, mut now) = (0, 0);
            for _ in 0..count {
                state = gcra.next(state, now).expect("taken");
                now += gcra.interval;
            }
        }
    }
}
