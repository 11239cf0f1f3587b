//! When the idle lanes of a process ask whether Redis still has what it had acknowledged.
//!
//! Few lanes ask each second. Of many, each asks in its turn, so that the process asks no more often; in between, one
//! question a second to each server says for all of them whether it is the one that it was ([`super::incarnations`]).
//! As soon as it may have forgotten something all lanes ask, those first that could send something again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

/// How often a lane asks at the most.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// Questions a second of all lanes together, while nothing is suspected.
const QUESTIONS: usize = 10;

/// Questions a second while Redis may have forgotten something.
const URGENT_QUESTIONS: usize = 500;

/// Last questions at once. All lanes of a process end together: 20,000 questions take Redis over a second, after which each lane
/// would take its connection for lost.
const LAST_QUESTIONS: usize = 1_000;

/// What the lanes of a process know together.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    /// Lanes that have sent anything.
    in_use: AtomicUsize,
    /// Those that have something to be sent again.
    retaining: AtomicUsize,
    joined: AtomicUsize,
    /// Whether the servers say who they are: else each lane has to find out for itself.
    servers_known: AtomicBool,
    /// Whether a lane was blocked when it was last looked.
    any_blocked: AtomicBool,
    /// How often it was suspected that Redis has forgotten something.
    suspicions: AtomicU64,
    /// There are some that the lanes that wait were not told of.
    has_untold: Notify,
    told: watch::Sender<()>,
    last_questions: Semaphore,
}

impl Heartbeats {
    pub(crate) fn new() -> Arc<Self> {
        Self::with_last_questions(LAST_QUESTIONS)
    }

    pub(super) fn with_last_questions(at_once: usize) -> Arc<Self> {
        Arc::new(Self {
            in_use: AtomicUsize::new(0),
            retaining: AtomicUsize::new(0),
            joined: AtomicUsize::new(0),
            servers_known: AtomicBool::new(false),
            any_blocked: AtomicBool::new(false),
            suspicions: AtomicU64::new(0),
            has_untold: Notify::new(),
            told: watch::channel(()).0,
            last_questions: Semaphore::new(at_once),
        })
    }

    /// Redis may have forgotten something: all lanes ask.
    pub(super) fn suspect(&self) {
        self.suspicions.fetch_add(1, Ordering::AcqRel);
        self.has_untold.notify_one();
    }

    /// Wakes the lanes that wait when something is suspected, and no more than once in [`HEARTBEAT`]: each of thousands suspects
    /// it for all where a server has forgotten the batches of all.
    pub(super) async fn tell(self: Arc<Self>) {
        loop {
            self.has_untold.notified().await;
            self.told.send_replace(());
            tokio::time::sleep(HEARTBEAT).await;
        }
    }

    fn suspicions(&self) -> u64 {
        self.suspicions.load(Ordering::Acquire)
    }

    /// Whether the servers have said who they are.
    pub(super) fn note_servers(&self, known: bool) {
        self.servers_known.store(known, Ordering::Relaxed);
    }

    /// Whether a lane can't write: then all others find out whether they can.
    pub(super) fn note_blocked(&self, any: bool) {
        if !self.any_blocked.swap(any, Ordering::Relaxed) && any {
            self.suspect();
        }
    }

    fn any_blocked(&self) -> bool {
        self.any_blocked.load(Ordering::Relaxed)
    }
}

/// One lane's part of it.
#[derive(Debug)]
pub(super) struct Turn {
    all: Arc<Heartbeats>,
    told: watch::Receiver<()>,
    number: usize,
    is_in_use: bool,
    retains: bool,
    /// The suspicions that there were when it asked last.
    asked_after: u64,
    /// When it heard of the first one since.
    suspected_at: Option<Instant>,
}

impl Turn {
    pub(super) fn new(all: Arc<Heartbeats>) -> Self {
        let told = all.told.subscribe();
        let number = all.joined.fetch_add(1, Ordering::Relaxed);
        let asked_after = all.suspicions();
        Self {
            all,
            told,
            number,
            is_in_use: false,
            retains: false,
            asked_after,
            suspected_at: None,
        }
    }

    /// Whether the lane has anything to ask for.
    pub(super) fn note_use(&mut self, is_in_use: bool) {
        if std::mem::replace(&mut self.is_in_use, is_in_use) == is_in_use {
            return;
        }
        if is_in_use {
            // What was suspected before it had sent anything is not about it.
            self.asks();
            self.all.in_use.fetch_add(1, Ordering::Relaxed);
        } else {
            self.all.in_use.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether the lane has anything to be sent again.
    pub(super) fn note_retained(&mut self, retains: bool) {
        if std::mem::replace(&mut self.retains, retains) == retains {
            return;
        }
        if retains {
            self.all.retaining.fetch_add(1, Ordering::Relaxed);
        } else {
            self.all.retaining.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Resolves when it is told of new suspicions ([`Heartbeats::tell`]).
    pub(super) async fn suspected(&mut self) {
        if self.told.changed().await.is_err() {
            // Nobody is left who could suspect anything.
            std::future::pending::<()>().await;
        }
        if self.is_to_find_out() {
            self.suspected_at.get_or_insert_with(Instant::now);
        }
    }

    /// Whether something was suspected since the lane asked last. Until it knows, what it retains is all that there may be of it.
    pub(super) fn is_to_find_out(&self) -> bool {
        self.asked_after != self.all.suspicions()
    }

    /// May ask whether all is there, as the lane ends: for one question, and not for what its answer makes necessary, which may
    /// take as long as its server is away.
    pub(super) async fn last_question(&self) -> Option<SemaphorePermit<'_>> {
        self.all.last_questions.acquire().await.ok()
    }

    /// The suspicions so far.
    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.all.suspicions()
    }

    /// The lane asks now: whatever was suspected so far.
    pub(super) fn asks(&mut self) {
        self.asked_after = self.all.suspicions();
        self.suspected_at = None;
    }

    pub(super) fn any_blocked(&self) -> bool {
        self.all.any_blocked()
    }

    /// When the lane asks that has asked, or sent its last batch, at `since`.
    pub(super) fn asks_at(&self, since: Instant, has_reason: bool) -> Instant {
        let Some(suspected_at) = self.suspected_at else {
            return since + self.pause(has_reason);
        };
        let in_turn = if self.retains {
            &self.all.retaining
        } else {
            &self.all.in_use
        };
        let lanes = in_turn.load(Ordering::Relaxed);
        let its_turn = suspected_at + spread(lanes, URGENT_QUESTIONS, self.number);
        its_turn.max(since + HEARTBEAT)
    }

    /// The pause before the lane asks, where it has a reason of its own to or has not.
    fn pause(&self, has_reason: bool) -> Duration {
        let all = &self.all;
        let is_urgent = has_reason
            || self.all.any_blocked()
            || !all.servers_known.load(Ordering::Relaxed)
            || self.is_to_find_out();
        let lanes = all.in_use.load(Ordering::Relaxed);
        let questions = if is_urgent {
            URGENT_QUESTIONS
        } else {
            QUESTIONS
        };
        spread(lanes, questions, self.number).max(HEARTBEAT)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.note_use(false);
        self.note_retained(false);
    }
}

/// The pause of one of so many lanes that together ask so many questions a second: half of it to one and a half, by the
/// number of the lane, so that their questions spread.
fn spread(lanes: usize, questions: usize, number: usize) -> Duration {
    /// Spreads whatever numbers follow each other.
    const GOLDEN: usize = 618;
    let milliseconds = lanes.saturating_mul(1_000) / questions;
    let spread = 500 + number.wrapping_mul(GOLDEN) % 1_000;
    let milliseconds = milliseconds.saturating_mul(spread) / 1_000;
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lanes that have all sent something, with servers that are known.
    fn lanes(count: usize) -> (Arc<Heartbeats>, Vec<Turn>) {
        let all = Heartbeats::new();
        all.note_servers(true);
        let turns = (0..count).map(|_| {
            let mut turn = Turn::new(Arc::clone(&all));
            turn.note_use(true);
            turn
        });
        let turns = turns.collect();
        (all, turns)
    }

    fn questions_a_second(turns: &[Turn]) -> f64 {
        let pauses = turns.iter().map(|turn| turn.pause(false).as_secs_f64());
        pauses.map(f64::recip).sum()
    }

    #[test]
    fn few_lanes_ask_each_second() {
        let (_all, turns) = lanes(6);
        assert!(turns.iter().all(|turn| turn.pause(false) == HEARTBEAT));
    }

    #[test]
    fn many_lanes_ask_no_more_often_than_few() {
        let (_all, turns) = lanes(4_000);
        let questions = questions_a_second(&turns);
        assert!((8.0..=13.0).contains(&questions), "{questions}");
    }

    #[test]
    fn all_ask_soon_once_where_one_has_found_something_forgotten() {
        let (all, mut turns) = lanes(400);
        assert!(turns[7].pause(false) > HEARTBEAT);
        all.suspect();
        assert_eq!(turns[7].pause(false), HEARTBEAT);
        turns[7].asks();
        assert!(turns[7].pause(false) > HEARTBEAT);
    }

    /// When lanes ask that have heard of a suspicion just now, and have been idle for a minute, in seconds from now on.
    async fn urgent_turns(turns: &mut [Turn]) -> Vec<f64> {
        let now = Instant::now();
        let mut all = Vec::new();
        for turn in turns {
            turn.suspected().await;
            let asks_at = turn.asks_at(now - Duration::from_secs(60), false);
            all.push(asks_at.duration_since(now).as_secs_f64());
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_that_each_find_a_gap_wake_all_others_once_a_second() {
        let (all, turns) = lanes(50);
        let telling = tokio::spawn(Arc::clone(&all).tell());
        let woken = Arc::new(AtomicUsize::new(0));
        let lanes = turns.into_iter().map(|mut turn| {
            let woken = Arc::clone(&woken);
            tokio::spawn(async move {
                loop {
                    turn.suspected().await;
                    assert!(turn.is_to_find_out(), "it was told of something");
                    woken.fetch_add(1, Ordering::Relaxed);
                    turn.asks();
                }
            })
        });
        let lanes = lanes.collect::<Vec<_>>();
        let started = Instant::now();
        // As many milliseconds, so that the last is told of a second later.
        for _ in 0..2_500 {
            all.suspect();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep_until(started + 4 * HEARTBEAT).await;
        assert_eq!(
            woken.load(Ordering::Relaxed),
            50 * 4,
            "each after 0, 1, 2 and 3 seconds"
        );
        assert!(lanes.iter().all(|lane| !lane.is_finished()));
        lanes.iter().for_each(|lane| lane.abort());
        telling.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn who_could_send_something_again_asks_first_however_many_lanes_there_are() {
        let (all, mut turns) = lanes(20_000);
        let _telling = tokio::spawn(Arc::clone(&all).tell());
        turns[..1_000]
            .iter_mut()
            .for_each(|turn| turn.note_retained(true));
        all.suspect();
        let asked = urgent_turns(&mut turns).await;
        assert!(asked[..1_000].iter().all(|&seconds| seconds <= 3.0));
        // The others take their turns as well: not all of them at once, however long they have not asked.
        let others = &asked[1_000..];
        let within_a_second = |from: f64| {
            let asked = others
                .iter()
                .filter(|&&at| (from..from + 1.0).contains(&at));
            asked.count()
        };
        let most = (0..61).map(f64::from).map(within_a_second).max();
        assert!((400..=600).contains(&most.unwrap_or(0)), "{most:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_let_go_of_until_the_lane_has_asked() {
        let (all, mut turns) = lanes(1);
        let _telling = tokio::spawn(Arc::clone(&all).tell());
        assert!(!turns[0].is_to_find_out());
        all.suspect();
        assert!(turns[0].is_to_find_out());
        turns[0].suspected().await;
        let now = Instant::now();
        let asked_just_now = turns[0].asks_at(now, false);
        assert_eq!(asked_just_now, now + HEARTBEAT, "at most once a second");
        turns[0].asks();
        assert!(!turns[0].is_to_find_out());
        assert_eq!(turns[0].asks_at(now, false), now + HEARTBEAT);
        turns[0].note_retained(true);
        turns.clear();
        let left = [&all.retaining, &all.in_use].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(left, [0, 0]);
    }

    #[test]
    fn each_asks_for_itself_where_servers_do_not_say_who_they_are_or_a_lane_is_blocked() {
        let (all, turns) = lanes(400);
        all.note_servers(false);
        assert_eq!(turns[7].pause(false), HEARTBEAT);
        all.note_servers(true);
        assert!(turns[7].pause(false) > HEARTBEAT);
        assert_eq!(turns[7].pause(true), HEARTBEAT, "it has its own reason");
        all.note_blocked(true);
        assert_eq!(turns[7].pause(false), HEARTBEAT);
    }

    #[test]
    fn lanes_that_have_ended_or_sent_nothing_are_not_counted() {
        let (all, mut turns) = lanes(4_000);
        turns.truncate(20);
        let mut idle: Vec<_> = (0..4_000).map(|_| Turn::new(Arc::clone(&all))).collect();
        idle.iter_mut().for_each(|turn| turn.note_use(false));
        assert!(turns.iter().all(|turn| turn.pause(false) < 4 * HEARTBEAT));
    }
}
