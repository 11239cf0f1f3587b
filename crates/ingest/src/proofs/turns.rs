//! Whose turn it is to have a challenge made: so many at a time, and so many that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vote_http::{Problem, ProblemCode};

/// So many requests may wait for a challenge. Beyond that nobody would have one in time.
const MOST_WAITING: usize = 512;
/// Longest time that one waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The turns of one process.
#[derive(Debug)]
pub(super) struct Turns {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Turns {
    /// So many at a time, and at least one.
    pub(super) fn new(at_a_time: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(at_a_time.max(1))),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for a turn, which lasts as long as it is held.
    ///
    /// # Errors
    /// `overloaded`: too many wait already, or this one has waited too long.
    pub(super) async fn wait(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let busy =
            || Problem::new(ProblemCode::Overloaded).because("too many challenges are being made");
        let waiting = Waiting::new(&self.waiting);
        if waiting.others >= MOST_WAITING {
            return Err(busy());
        }
        let turn = Arc::clone(&self.turns).acquire_owned();
        match tokio::time::timeout(PATIENCE, turn).await {
            Ok(turn) => turn.map_err(Problem::internal),
            Err(_) => Err(busy()),
        }
    }
}

/// One of those that wait, as long as it does.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    others: usize,
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        let others = count.fetch_add(1, Ordering::Relaxed);
        Self { count, others }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use tokio::time::Instant;

    fn is_busy(turn: Result<OwnedSemaphorePermit, Problem>) -> bool {
        turn.err().map(|problem| problem.code()) == Some(ProblemCode::Overloaded)
    }

    #[tokio::test(start_paused = true)]
    async fn of_those_that_wait_each_has_its_turn_and_who_comes_when_there_are_too_many_none() {
        let turns = Turns::new(2);
        let held = [
            turns.wait().await.expect("the first"),
            turns.wait().await.expect("the second"),
        ];
        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| Box::pin(turns.wait())).collect();
        for one in &mut waiting {
            assert!(one.now_or_never().is_none());
        }
        for _ in 0..3 {
            assert!(is_busy(turns.wait().now_or_never().expect("told at once")));
        }
        // One that has gone leaves its place to another.
        drop(waiting.pop());
        waiting.push(Box::pin(turns.wait()));
        assert!(
            waiting
                .last_mut()
                .is_some_and(|last| last.now_or_never().is_none())
        );
        drop(held);
        // Each lets the next one have its turn.
        for one in waiting {
            assert!(one.await.is_ok());
        }
        assert!(turns.wait().now_or_never().is_some_and(|turn| turn.is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let turns = Turns::new(0);
        let held = turns.wait().await.expect("one at least");
        let began = Instant::now();
        let waited = join_all((0..3).map(|_| turns.wait())).await;
        assert!(waited.into_iter().all(is_busy));
        assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
        drop(held);
        assert!(turns.wait().await.is_ok());
    }
}
