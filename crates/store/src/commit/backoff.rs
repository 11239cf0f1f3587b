//! Pauses between attempts.

use std::time::Duration;

/// The longest pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_millis(250);

/// None before the first repeat, then doubling.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
        let pause = match self.attempts {
            0 => Duration::ZERO,
            attempt => Duration::from_millis(5 << attempt.min(10)).min(MAX_BACKOFF),
        };
        self.attempts += 1;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_repeat_is_at_once_and_later_ones_wait_longer_up_to_a_bound() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..8).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 250, 250]);
    }
}
