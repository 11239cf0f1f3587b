//! The open-loop engine: a pacer releases votes at their intended times, workers send them as fast as they can.
//!
//! Votes are released whether or not earlier ones have been answered. When all connections are busy the backlog grows,
//! and a vote's latency counts from when it *should* have been sent: a slow service can't hide by slowing the
//! generator down (the "coordinated omission" of closed loops).

use super::plan::Plan;
use super::stats::{Progress, Stats, Verdict, micros};
use super::stop::Stop;
use super::vote;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

/// The pacer's step: releases closer together come in one go. A quarter of a millisecond is the most that this adds
/// to a latency.
const STEP: Duration = Duration::from_micros(250);

/// What the pacer and the workers share.
struct Run {
    plan: Plan,
    /// One permit for each vote that is due and not taken yet.
    due: Semaphore,
    next: AtomicU64,
    start: Instant,
    progress: Arc<Progress>,
    stop: Stop,
}

/// What a run has come to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The figures of all threads.
    pub stats: Stats,
    /// From the first vote's intended time to the last answer.
    pub elapsed: Duration,
    /// Whether the run was stopped before its last vote.
    pub stopped: bool,
}

/// Runs `plan` on threads of its own. `stop` releases no further vote, drops the backlog and sends no vote again; those
/// that are in flight get their answer, unless they aren't to be waited for.
///
/// # Errors
/// When a thread or its runtime can't be started.
pub async fn run(plan: Plan, progress: Arc<Progress>, stop: Stop) -> std::io::Result<Outcome> {
    let threads = plan.threads.clamp(1, plan.connections.max(1));
    let run = Arc::new(Run {
        due: Semaphore::new(0),
        next: AtomicU64::new(0),
        start: Instant::now(),
        plan,
        progress,
        stop,
    });
    let mut senders = JoinSet::new();
    for thread in 0..threads {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let run = Arc::clone(&run);
        let workers =
            run.plan.connections / threads + usize::from(thread < run.plan.connections % threads);
        senders.spawn_blocking(move || {
            let stats = runtime.block_on(send(&run, workers));
            // Nothing is left in it; a slow DNS look-up or so must not hold the end up.
            runtime.shutdown_background();
            stats
        });
    }
    let pacing = Arc::clone(&run);
    let pacer = std::thread::Builder::new()
        .name("pacer".to_owned())
        .spawn(move || pace(&pacing))?;
    let mut stats = Stats::new();
    while let Some(thread) = senders.join_next().await {
        stats.merge(&thread.map_err(std::io::Error::other)?);
    }
    let elapsed = run.start.elapsed();
    let _paced = pacer.join();
    let stopped = stats.begun() < run.plan.votes;
    Ok(Outcome {
        stats,
        elapsed,
        stopped,
    })
}

/// Releases the votes at their times, then one permit more for each worker, by which it learns of the end.
fn pace(run: &Run) {
    let mut released = 0;
    while released < run.plan.votes && !run.stop.is_sending_stopped() {
        let elapsed = run.start.elapsed();
        let due = run.plan.due(elapsed);
        run.due
            .add_permits(usize::try_from(due - released).unwrap_or(Semaphore::MAX_PERMITS));
        released = due;
        let taken = run.next.load(Ordering::Relaxed).min(released);
        run.progress
            .backlog
            .store(released - taken, Ordering::Relaxed);
        if released < run.plan.votes {
            let pause = run
                .plan
                .intended(released)
                .saturating_sub(elapsed)
                .clamp(STEP, Duration::from_millis(50));
            // A thread of its own, so that it may block: timers of the runtime are no finer than a millisecond.
            std::thread::park_timeout(pause);
        }
    }
    run.due.add_permits(run.plan.connections);
}

/// One thread's workers. They share its figures: a pair of histograms for each connection would not fit the caches.
async fn send(run: &Arc<Run>, workers: usize) -> Stats {
    let stats = Rc::new(RefCell::new(Stats::new()));
    // Each request waits for it too: threads that shared one would contend for it.
    let stop = Rc::new(run.stop.child());
    let working = LocalSet::new();
    for _ in 0..workers {
        let (run, stats, stop) = (Arc::clone(run), Rc::clone(&stats), Rc::clone(&stop));
        working.spawn_local(async move { work(&run, &stats, &stop).await });
    }
    working.await;
    stats.take()
}

/// One connection's votes, one after the other.
async fn work(run: &Run, stats: &RefCell<Stats>, stop: &Stop) {
    let mut connection = None;
    let mut request = Vec::with_capacity(1024);
    loop {
        let Ok(permit) = run.due.acquire().await else {
            return;
        };
        permit.forget();
        // Before the index is taken: a vote that is taken is counted.
        if stop.is_sending_stopped() {
            return;
        }
        let index = run.next.fetch_add(1, Ordering::Relaxed);
        if index >= run.plan.votes {
            return;
        }
        run.plan.render(index, &mut request);
        let intended = run.start + run.plan.intended(index);
        let delay = Instant::now().saturating_duration_since(intended);
        stats
            .borrow_mut()
            .start_delay
            .saturating_record(micros(delay));
        let progress = &*run.progress;
        let (verdict, attempts) = vote::cast(
            &run.plan,
            index,
            &request,
            &mut connection,
            stats,
            progress,
            stop,
        )
        .await;
        let latency = Instant::now().saturating_duration_since(intended);
        stats.borrow_mut().finish(verdict, attempts, latency);
        let accepted = u64::from(verdict == Verdict::Accepted);
        progress.done.fetch_add(1, Ordering::Relaxed);
        progress.accepted.fetch_add(accepted, Ordering::Relaxed);
    }
}
