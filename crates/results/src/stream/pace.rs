//! How often a reader is sent an event.

use std::time::Duration;

use tokio::time::Instant;

/// The generic cell rate algorithm (ITU-T I.371), for one reader.
///
/// A reader comes at any time between two snapshots. Were its events so far apart as it wants them, each one would be as
/// late as the reader came after a snapshot. So an event that comes with a snapshot may be early, and the one after it is
/// counted as if it had not been: in `t` seconds there are at most `t / interval` events, and two more.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// By how much an event may be early.
    tolerance: Duration,
    /// When the next event would come if all were evenly spread.
    next: Instant,
}

impl Pace {
    /// One event per `interval`, from `now` on, where news come every `tick`.
    pub(super) fn new(interval: Duration, tick: Duration, now: Instant) -> Self {
        Self {
            interval,
            tolerance: interval.min(tick),
            next: now,
        }
    }

    /// When an event that was made then may be sent.
    ///
    /// One that is too early waits until the time of the next one, not merely until it is early enough: by then there
    /// is a newer one, with a snapshot again, but where nothing is new any more.
    pub(super) fn due(&self, made: Instant) -> Instant {
        if made + self.tolerance >= self.next {
            made
        } else {
            self.next
        }
    }

    /// Counts an event that could be sent at that time.
    pub(super) fn count(&mut self, at: Instant) {
        self.next = self.next.max(at) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: Duration = Duration::from_millis(250);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// When events are sent to a reader that comes at zero, of those that are made at these times (ms). Each of them is
    /// there until the next one.
    fn sent(pace: &mut Pace, start: Instant, made: &[u64]) -> Vec<u64> {
        let mut sent = vec![0];
        pace.count(start);
        for (index, at) in made.iter().enumerate() {
            let due = pace.due(start + ms(*at));
            if made
                .get(index + 1)
                .is_none_or(|next| due < start + ms(*next))
            {
                pace.count(due);
                sent.push(u64::try_from((due - start).as_millis()).expect("small"));
            }
        }
        sent
    }

    fn every(tick: u64, first: u64) -> Vec<u64> {
        (0..400).map(|index| first + tick * index).collect()
    }

    #[test]
    fn events_come_with_their_snapshots_whenever_the_reader_came() {
        let start = Instant::now();
        for first in [1, 50, 125, 249, 250] {
            let made = every(250, first);
            let mut pace = Pace::new(ms(250), TICK, start);
            assert_eq!(sent(&mut pace, start, &made)[1..], made, "{first}");
        }
    }

    #[test]
    fn who_wants_fewer_gets_them_with_snapshots_too() {
        let start = Instant::now();
        let made = every(250, 50);
        for interval in [333, 500, 1000, 1700, 60_000] {
            let mut pace = Pace::new(ms(interval), TICK, start);
            let sent = sent(&mut pace, start, &made);
            assert!(sent.len() > 1, "{interval}");
            let last = made.last().copied();
            let late = sent[1..].iter().filter(|at| !made.contains(at));
            // The last of all has nothing newer behind it.
            assert!(
                late.clone().all(|at| Some(*at) > last),
                "{interval}: {sent:?}"
            );
            assert!(late.count() <= 1);
        }
    }

    #[test]
    fn snapshots_at_another_interval_are_not_waited_for_in_vain() {
        let start = Instant::now();
        for (tick, interval) in [
            (50, 250),
            (100, 250),
            (1000, 250),
            (1000, 1000),
            (2000, 1000),
        ] {
            let made = every(tick, tick / 5);
            let mut pace = Pace::new(ms(interval), ms(tick), start);
            let sent = sent(&mut pace, start, &made);
            let late = sent[1..].iter().filter(|at| !made.contains(at)).count();
            assert!(late <= 1, "{tick} {interval}: {sent:?}");
            let span = made.len() as u64 * tick;
            assert!(
                sent.len() as u64 >= span / interval.max(tick),
                "{tick} {interval}"
            );
        }
    }

    #[test]
    fn an_event_with_none_behind_it_is_sent_at_the_time_of_the_next() {
        let start = Instant::now();
        let mut pace = Pace::new(ms(1000), TICK, start);
        assert_eq!(sent(&mut pace, start, &[50]), [0, 1000]);
    }

    #[test]
    fn after_a_late_snapshot_the_others_are_in_time() {
        let start = Instant::now();
        let mut pace = Pace::new(ms(250), TICK, start);
        // One late by 240 ms, one of the operator's between two, and on as before.
        let made: Vec<u64> = [240, 490, 740, 1230, 1240, 1400]
            .into_iter()
            .chain(every(250, 1490))
            .collect();
        let sent = sent(&mut pace, start, &made);
        let late: Vec<_> = sent[1..].iter().filter(|at| !made.contains(at)).collect();
        assert!(late.len() <= 1, "{late:?}");
        assert!(
            sent.len() >= made.len() - 3,
            "{} of {}",
            sent.len(),
            made.len()
        );
    }

    proptest! {
        #[test]
        fn in_no_window_there_are_more_than_two_over_the_rate(
            interval in 250_u64..5_000,
            tick in 10_u64..3_000,
            gaps in prop::collection::vec(0_u64..700, 1..200),
        ) {
            let start = Instant::now();
            let made: Vec<u64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut pace = Pace::new(ms(interval), ms(tick), start);
            let sent = sent(&mut pace, start, &made);
            for (first, from) in sent.iter().enumerate() {
                for (last, until) in sent.iter().enumerate().skip(first) {
                    let count = (last - first + 1) as u64;
                    prop_assert!(count <= (until - from) / interval + 2, "{from} to {until}: {count}");
                }
            }
        }
    }
}
