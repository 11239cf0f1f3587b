//! The open-loop engine: workers send the votes that the pacer releases, each as fast as it can, until the last is answered.

use crate::pacer::Pacer;
use crate::plan::Plan;
use crate::stats::{Progress, Stats, Verdict, micros};
use crate::stop::Stop;
use crate::vote;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, LocalSet};

/// What the workers share.
struct Run {
    plan: Plan,
    pacer: Pacer,
    progress: Arc<Progress>,
}

/// What a run has come to.
#[derive(Debug, Clone)]
pub struct Completed {
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
pub async fn run(plan: Plan, progress: Arc<Progress>, stop: Stop) -> std::io::Result<Completed> {
    let threads = plan.threads.clamp(1, plan.connections.max(1));
    let run = Arc::new(Run {
        pacer: Pacer::new(plan.pace.clone()),
        plan,
        progress,
    });
    let mut senders = JoinSet::new();
    for thread in 0..threads {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let workers =
            run.plan.connections / threads + usize::from(thread < run.plan.connections % threads);
        // Each request waits for it too: threads that shared one would contend for it.
        let (run, stop) = (Arc::clone(&run), stop.child());
        senders.spawn_blocking(move || {
            let stats = runtime.block_on(send(&run, workers, stop));
            // Nothing is left in it; a slow DNS look-up or so must not hold the end up.
            runtime.shutdown_background();
            stats
        });
    }
    let pacing = Arc::clone(&run);
    let pacer = std::thread::Builder::new()
        .name("pacer".to_owned())
        .spawn(move || {
            let backlog = &pacing.progress.backlog;
            pacing
                .pacer
                .run(&stop, |waiting| backlog.store(waiting, Ordering::Relaxed));
        })?;
    let mut stats = Stats::new();
    while let Some(thread) = senders.join_next().await {
        stats.merge(&thread.map_err(std::io::Error::other)?);
    }
    let elapsed = run.pacer.elapsed();
    let _paced = pacer.join();
    let stopped = stats.begun() < run.plan.pace.votes();
    Ok(Completed {
        stats,
        elapsed,
        stopped,
    })
}

/// One thread's workers. They share its figures: a pair of histograms for each connection would not fit the caches.
async fn send(run: &Arc<Run>, workers: usize, stop: Stop) -> Stats {
    let stats = Rc::new(RefCell::new(Stats::new()));
    let stop = Rc::new(stop);
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
    while let Some(index) = run.pacer.next(stop).await {
        run.plan.render(index, &mut request);
        let intended = run.pacer.intended(index);
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
        if accepted > 0 && Progress::read(&progress.gone) > 0 {
            progress.gone.store(0, Ordering::Relaxed);
        }
        progress.done.fetch_add(1, Ordering::Relaxed);
        progress.accepted.fetch_add(accepted, Ordering::Relaxed);
    }
}
