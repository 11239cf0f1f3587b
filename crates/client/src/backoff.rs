//! The pause between two attempts to send one vote.

use crate::plan::mix;
use std::time::Duration;

/// 50 ms, 100 ms and so on up to 1.6 s, half of it spread by vote and attempt so that retries don't come in step.
#[must_use]
pub fn backoff(index: u64, attempt: u32) -> Duration {
    let full = 50_u64 << (attempt.max(1) - 1).min(5);
    Duration::from_millis(full / 2 + mix(index ^ u64::from(attempt) << 56) % (full / 2 + 1))
}

#[cfg(test)]
mod tests {
    use super::backoff;
    use std::time::Duration;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        for attempt in 1..40 {
            let pause = backoff(7, attempt);
            assert!(
                pause >= Duration::from_millis(25) && pause <= Duration::from_millis(1600),
                "{pause:?}"
            );
        }
        assert!(backoff(7, 6) >= Duration::from_millis(800));
    }
}
