//! What a judge has said of votes, for as long as they may be sent again. What a judge is asked with is good once: asked again, it
//! says no, and an honest vote that is sent again would be set aside.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::question::Mark;

/// Longer than any of the judges takes what it has given out (Turnstile: five minutes).
const KEPT: Duration = Duration::from_secs(300);
/// Each takes about 100 bytes: 7 MiB at the most. When there are more, the oldest are forgotten.
pub(super) const MOST: usize = 65_536;

/// What is made of a judge's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruling {
    Passed,
    Refused,
    Silent,
}

/// What came of a question, once it is known.
pub(super) type Heard = watch::Receiver<Option<Ruling>>;
/// Where that is said.
pub(super) type Tell = watch::Sender<Option<Ruling>>;

/// What is to be done for a vote.
#[derive(Debug)]
pub(super) enum Entered<P> {
    /// It has been ruled.
    Ruled(Ruling),
    /// Somebody is asking already, with the same.
    Asked(Heard),
    /// The judge is to be asked.
    Ask {
        permit: P,
        tell: Tell,
        /// Whether it was asked with the same before, and did not answer.
        was_asked: bool,
    },
    /// It can't be asked now.
    NotNow,
}

#[derive(Debug)]
enum Known {
    Asked(Heard),
    Ruled(Ruling),
}

/// The votes that were asked about.
#[derive(Debug)]
pub(super) struct Memory {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    known: HashMap<Mark, Known>,
    /// Those in the order in which they came.
    order: VecDeque<(Instant, Mark)>,
}

impl Memory {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            kept: Mutex::default(),
        }
    }

    /// Looks a vote up. Where the judge is to be asked of it, and `permit` lets it, everybody who comes with the same meanwhile waits for
    /// that answer.
    pub(super) fn enter<P>(
        &self,
        mark: Mark,
        now: Instant,
        permit: impl FnOnce() -> Option<P>,
    ) -> Entered<P> {
        let mut kept = self.kept.lock();
        kept.forget(now, self.most);
        let was_asked = match kept.known.get(&mark) {
            Some(Known::Ruled(Ruling::Silent)) => true,
            Some(Known::Ruled(ruling)) => return Entered::Ruled(*ruling),
            Some(Known::Asked(heard)) => return Entered::Asked(heard.clone()),
            None => false,
        };
        let Some(permit) = permit() else {
            return Entered::NotNow;
        };
        let (tell, heard) = watch::channel(None);
        if kept.known.insert(mark, Known::Asked(heard)).is_none() {
            kept.order.push_back((now, mark));
        }
        Entered::Ask {
            permit,
            tell,
            was_asked,
        }
    }

    /// Keeps what came of the question about a vote.
    pub(super) fn keep(&self, mark: Mark, ruling: Ruling) {
        if let Some(known) = self.kept.lock().known.get_mut(&mark) {
            *known = Known::Ruled(ruling);
        }
    }
}

impl Kept {
    /// Makes room for another one.
    fn forget(&mut self, now: Instant, most: usize) {
        while let Some((at, mark)) = self.order.front() {
            let is_old = now.duration_since(*at) >= KEPT;
            if !is_old && self.order.len() < most {
                return;
            }
            self.known.remove(mark);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(n: u8) -> Mark {
        Mark::from_bytes([n; 16])
    }

    /// Whether the judge is to be asked, and whether it was before.
    fn asks(memory: &Memory, n: u8, now: Instant) -> Option<bool> {
        match memory.enter(mark(n), now, || Some(())) {
            Entered::Ask { was_asked, .. } => Some(was_asked),
            _ => None,
        }
    }

    #[test]
    fn a_verdict_stands_and_a_silence_is_asked_about_again() {
        let (memory, now) = (Memory::new(10), Instant::now());
        for (n, ruling) in [(1, Ruling::Passed), (2, Ruling::Refused)] {
            assert_eq!(asks(&memory, n, now), Some(false));
            memory.keep(mark(n), ruling);
            let again = memory.enter(mark(n), now, || Some(()));
            assert!(matches!(again, Entered::Ruled(said) if said == ruling));
        }
        assert_eq!(asks(&memory, 3, now), Some(false));
        memory.keep(mark(3), Ruling::Silent);
        assert_eq!(asks(&memory, 3, now), Some(true));
        memory.keep(mark(3), Ruling::Passed);
        assert_eq!(asks(&memory, 3, now), None);
    }

    #[test]
    fn who_comes_meanwhile_waits_for_the_same_answer() {
        let (memory, now) = (Memory::new(10), Instant::now());
        let Entered::Ask { tell, .. } = memory.enter(mark(1), now, || Some(())) else {
            panic!("it is new");
        };
        let Entered::Asked(heard) = memory.enter(mark(1), now, || Some(())) else {
            panic!("it is being asked");
        };
        assert_eq!(*heard.borrow(), None);
        tell.send_replace(Some(Ruling::Passed));
        assert_eq!(*heard.borrow(), Some(Ruling::Passed));
    }

    #[test]
    fn about_which_could_not_be_asked_is_not_kept() {
        let (memory, now) = (Memory::new(10), Instant::now());
        let refused = memory.enter(mark(1), now, || None::<()>);
        assert!(matches!(refused, Entered::NotNow));
        assert_eq!(asks(&memory, 1, now), Some(false));
    }

    #[test]
    fn the_oldest_are_forgotten_by_their_age_and_where_there_are_too_many() {
        let (memory, start) = (Memory::new(3), Instant::now());
        for n in 0..100 {
            assert_eq!(asks(&memory, n, start), Some(false));
            memory.keep(mark(n), Ruling::Passed);
            let kept = memory.kept.lock();
            assert!(kept.known.len() <= 3 && kept.order.len() == kept.known.len());
        }
        assert_eq!(asks(&memory, 99, start), None);
        assert_eq!(asks(&memory, 99, start + KEPT), Some(false));
        // One that was forgotten while it was asked about is not put back.
        memory.keep(mark(98), Ruling::Passed);
        assert_eq!(memory.kept.lock().known.len(), 1);
    }
}
