//! What the processes take while the load runs.

use std::time::{Duration, Instant};

use crate::load::Plan;
use crate::metrics::Metrics;
use crate::process::{cpu, machine};
use crate::say::progress;
use crate::server::Server;
use crate::spread::number;

const EACH: Duration = Duration::from_secs(1);
/// How often it is said how far it is, in seconds.
const SAID: u64 = 5;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Seconds of processor time: ingest, results, Redis, load.
    pub(super) cpu_s: [f64; 4],
    /// Of the whole machine.
    pub(super) machine_s: f64,
    pub(super) seconds: f64,
    pub(super) longest_queue: f64,
}

/// Looks each second until the load has ended; the figures are of its time, as far as it has sent votes.
pub(super) async fn watch(pids: [u32; 4], ingest: &Server, plan: Plan) -> Watched {
    let now = || pids.map(|pid| cpu(pid).ok());
    let (began, before) = (Instant::now(), now());
    let machine_before = machine().unwrap_or_default();
    let (mut watched, mut said) = (Watched::default(), Said::default());
    let planned = Duration::from_secs(plan.seconds.into());
    while began.elapsed() < planned {
        tokio::time::sleep(EACH).await;
        let spent = now();
        if spent.iter().any(Option::is_none) {
            break;
        }
        let pairs = spent.into_iter().zip(before);
        for (place, (spent, before)) in pairs.enumerate() {
            if let (Some(seconds), Some(spent), Some(before)) =
                (watched.cpu_s.get_mut(place), spent, before)
            {
                *seconds = spent - before;
            }
        }
        watched.machine_s = machine().unwrap_or_default() - machine_before;
        watched.seconds = began.elapsed().as_secs_f64();
        let Ok(metrics) = Metrics::of(&ingest.admin).await else {
            continue;
        };
        let queue = metrics.sum("vote_lane_queue_votes", "");
        watched.longest_queue = watched.longest_queue.max(queue);
        if began.elapsed().as_secs() >= said.seconds + SAID {
            said.next(plan, began, &watched, &metrics, queue);
        }
    }
    watched
}

/// What was said last.
#[derive(Default)]
struct Said {
    seconds: u64,
    at: f64,
    accepted: f64,
    cpu_s: f64,
}

impl Said {
    fn next(
        &mut self,
        plan: Plan,
        began: Instant,
        watched: &Watched,
        metrics: &Metrics,
        queue: f64,
    ) {
        let (at, accepted) = (
            began.elapsed().as_secs_f64(),
            metrics.sum("vote_votes_total", "outcome=\"accepted\""),
        );
        let cpu_s = watched.cpu_s.iter().sum();
        let seconds = at - self.at;
        progress(&format!(
            "{at:.0} of {} s: {} votes/s accepted, {} in all; {} cores, {} votes in the queues",
            plan.seconds,
            number((accepted - self.accepted) / seconds, 0),
            number(accepted, 0),
            number((cpu_s - self.cpu_s) / seconds, 2),
            number(queue, 0),
        ));
        *self = Self {
            seconds: began.elapsed().as_secs(),
            at,
            accepted,
            cpu_s,
        };
    }
}
