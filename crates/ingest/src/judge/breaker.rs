//! Leaves a judge alone that does not answer, so that each vote about which it would be asked is not late as well.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// So many silences one after the other are no accident.
pub(super) const SILENCES: u32 = 5;
/// For so long nobody is asked then; after that one question goes out, and the next as long after that.
pub(super) const REST: Duration = Duration::from_secs(5);

/// What a silence, or its end, has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// From now on the judge is left alone.
    Rests,
    /// It is asked again.
    Answers,
}

/// Counts silences.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    silences: u32,
    /// When the next question may go out, while the judge is left alone.
    next: Option<Instant>,
}

impl Breaker {
    /// Whether a question may go out now. While the judge is left alone, whoever is told so is the only one.
    pub(super) fn lets_ask(&self, now: Instant) -> bool {
        let mut state = self.0.lock();
        match state.next {
            None => true,
            Some(next) if now < next => false,
            Some(_) => {
                state.next = Some(now + REST);
                true
            }
        }
    }

    /// Notes whether a question was answered.
    pub(super) fn note(&self, is_answered: bool, now: Instant) -> Change {
        let mut state = self.0.lock();
        if is_answered {
            let rested = state.next.is_some();
            *state = State::default();
            return if rested {
                Change::Answers
            } else {
                Change::None
            };
        }
        state.silences = state.silences.saturating_add(1);
        if state.silences < SILENCES {
            return Change::None;
        }
        let rested = state.next.replace(now + REST).is_some();
        if rested { Change::None } else { Change::Rests }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judge_is_left_alone_after_some_silences_in_a_row_and_then_asked_by_one_at_a_time() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 1..SILENCES {
            assert_eq!(breaker.note(false, start), Change::None);
        }
        assert_eq!(breaker.note(true, start), Change::None, "not in a row");
        for _ in 1..SILENCES {
            assert!(breaker.lets_ask(start));
            assert_eq!(breaker.note(false, start), Change::None);
        }
        assert_eq!(breaker.note(false, start), Change::Rests);
        assert!(!breaker.lets_ask(start));
        assert!(!breaker.lets_ask(start + REST - Duration::from_millis(1)));
        let later = start + REST;
        assert!(breaker.lets_ask(later));
        assert!(!breaker.lets_ask(later), "one is enough to find out");
        assert_eq!(breaker.note(false, later), Change::None, "it rests on");
        assert!(!breaker.lets_ask(later + REST / 2));
        assert!(breaker.lets_ask(later + REST));
        assert_eq!(breaker.note(true, later + REST), Change::Answers);
        assert!(breaker.lets_ask(later + REST));
        assert!(breaker.lets_ask(later + REST), "as many as like");
    }
}
