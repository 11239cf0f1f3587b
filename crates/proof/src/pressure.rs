//! How much is asked for while many proofs are wrong: more, within bounds, and less again when that is over.

use std::time::Duration;

use jiff::Timestamp;

/// How long what was seen is gathered before the cost is decided anew.
const PERIOD: Duration = Duration::from_secs(10);
/// Fewer than these say nothing of the others.
const ENOUGH: u64 = 50;
/// The cost is doubled where one in so many was suspect.
const RAISE: u64 = 5;
/// It is halved again where fewer than one in so many were.
const LOWER: u64 = 10;

/// Between what the cost may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// What the poll asks for.
    pub least: u32,
    /// What is never exceeded, unless the poll itself asks for more.
    pub most: u32,
}

/// What one process has seen of one channel.
///
/// The pair of counters is its one input: whatever is found suspect counts, be it a refused proof or something else.
#[derive(Debug, Clone, Default)]
pub struct Pressure {
    seen: u64,
    suspect: u64,
    doublings: u32,
    since: Option<Timestamp>,
}

impl Pressure {
    /// Notes a vote, and whether it was suspect.
    pub fn note(&mut self, is_suspect: bool) {
        self.seen += 1;
        self.suspect += u64::from(is_suspect);
    }

    /// Notes that a vote that was noted before has come to be suspect.
    pub fn note_suspect(&mut self) {
        self.suspect += 1;
    }

    /// What to ask for now.
    pub fn cost(&mut self, bounds: Bounds, now: Timestamp) -> u32 {
        let since = *self.since.get_or_insert(now);
        let passed = now.duration_since(since).unsigned_abs();
        if passed >= PERIOD {
            self.decide(bounds);
            // Each further period in which nobody asked is one in which nothing was suspect.
            let idle = passed.as_secs() / PERIOD.as_secs() - 1;
            let idle = u32::try_from(idle).unwrap_or(u32::MAX);
            self.doublings = self.doublings.saturating_sub(idle);
            (self.seen, self.suspect) = (0, 0);
            self.since = Some(now);
        }
        raised(bounds, self.doublings)
    }

    fn decide(&mut self, bounds: Bounds) {
        let (seen, suspect) = (self.seen, self.suspect);
        if seen >= ENOUGH && suspect >= seen.div_ceil(RAISE) {
            // What is at the bound already is not doubled further: it would take as long to come down.
            if raised(bounds, self.doublings) < bounds.most {
                self.doublings += 1;
            }
        } else if seen < ENOUGH || suspect < seen.div_ceil(LOWER) {
            self.doublings = self.doublings.saturating_sub(1);
        }
    }
}

fn raised(bounds: Bounds, doublings: u32) -> u32 {
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    let most = bounds.most.max(bounds.least);
    bounds.least.saturating_mul(factor).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds {
        least: 5_000,
        most: 30_000,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
    }

    #[test]
    fn a_vote_that_comes_to_be_suspect_is_seen_once() {
        let mut pressure = Pressure::default();
        pressure.cost(BOUNDS, at(0));
        for _ in 0..50 {
            pressure.note(false);
        }
        for _ in 0..9 {
            pressure.note_suspect();
        }
        let mut more = pressure.clone();
        assert_eq!(pressure.cost(BOUNDS, at(10)), 5_000);
        more.note_suspect();
        assert_eq!(more.cost(BOUNDS, at(10)), 10_000);
    }

    /// The costs of periods in each of which so many were seen, and so many of them were suspect.
    fn costs(periods: &[(u64, u64)]) -> Vec<u32> {
        let mut pressure = Pressure::default();
        let mut now = 0;
        assert_eq!(pressure.cost(BOUNDS, at(now)), BOUNDS.least);
        let mut costs = Vec::new();
        for (seen, suspect) in periods {
            for n in 0..*seen {
                pressure.note(n < *suspect);
            }
            now += 10;
            costs.push(pressure.cost(BOUNDS, at(now)));
        }
        costs
    }

    #[test]
    fn rises_with_what_is_suspect_to_its_bound_and_falls_again() {
        let costs = costs(&[
            (100, 20),
            (100, 100),
            (100, 50),
            (100, 50),
            // Between the two shares it stays.
            (100, 15),
            (100, 9),
            (100, 0),
            (100, 0),
            (100, 0),
        ]);
        let expected = [
            10_000, 20_000, 30_000, 30_000, 30_000, 20_000, 10_000, 5_000, 5_000,
        ];
        assert_eq!(costs, expected);
    }

    #[test]
    fn few_say_nothing() {
        assert_eq!(
            costs(&[(49, 49), (50, 50), (10, 10)]),
            [5_000, 10_000, 5_000]
        );
    }

    #[test]
    fn falls_while_nobody_asks() {
        let mut pressure = Pressure::default();
        for period in 0..4 {
            pressure.cost(BOUNDS, at(10 * period));
            for _ in 0..100 {
                pressure.note(true);
            }
        }
        assert_eq!(pressure.cost(BOUNDS, at(40)), 30_000);
        assert_eq!(pressure.cost(BOUNDS, at(1_000)), 5_000);
    }

    #[test]
    fn what_the_poll_asks_for_is_asked_for_even_beyond_the_bound() {
        let bounds = Bounds {
            least: 50_000,
            most: 30_000,
        };
        assert_eq!(Pressure::default().cost(bounds, at(0)), 50_000);
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(
            steps in proptest::collection::vec((0_u64..200, 0_u64..200, 0_i64..100), 0..60),
            least in 1_u32..200_000, most in 1_u32..200_000,
        ) {
            let bounds = Bounds { least, most };
            let (mut pressure, mut now) = (Pressure::default(), 0);
            for (good, bad, seconds) in steps {
                (0..good).for_each(|_| pressure.note(false));
                (0..bad).for_each(|_| pressure.note(true));
                now += seconds;
                let cost = pressure.cost(bounds, at(now));
                prop_assert!(cost >= least && cost <= most.max(least));
            }
        }
    }
}
