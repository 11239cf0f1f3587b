//! From the start of a service until it is ready, and the memory that it has at rest, with more and more open polls.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use vote_testkit::RedisServer;

use super::{Clock, Notes, Points, in_rounds};
use crate::cli::GrowthOptions;
use crate::plot::Chart;
use crate::poll::open_poll_as;
use crate::process::resident;
use crate::server::Server;
use crate::spread::{Spread, as_f64, number};

const POLLS: [u32; 3] = [1, 10, 100];
/// Starts of each, of which the median counts.
const STARTS: u32 = 7;
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(1);
/// In which what starting has begun comes to rest.
const REST: Duration = Duration::from_secs(3);
const MIB: f64 = 1_048_576.0;

/// Milliseconds and MiB: of ingest, of results.
struct Seen {
    ready: [f64; 2],
    memory: [f64; 2],
}

pub(super) async fn measure(
    options: &GrowthOptions,
    clock: Clock,
    notes: &mut Notes,
) -> anyhow::Result<Vec<Chart>> {
    let labels = &["ingest", "results"];
    let (mut ready, mut memory) = (Points::new(labels), Points::new(labels));
    let once = async |polls| once(options, polls).await;
    in_rounds(
        options,
        clock,
        notes,
        (&POLLS, "open polls"),
        once,
        |polls, seen: Seen| {
            for service in 0..labels.len() {
                ready.add(polls, service, seen.ready[service]);
                memory.add(polls, service, seen.memory[service]);
            }
            let [ready, memory] = [seen.ready, seen.memory];
            format!(
                "ingest is ready after {} ms, results after {} ms; {} and {} MiB at rest",
                number(ready[0], 0),
                number(ready[1], 0),
                number(memory[0], 1),
                number(memory[1], 1)
            )
        },
    )
    .await;
    Ok(vec![
        ready.chart("From start to ready", "open polls", "milliseconds"),
        memory.chart("Memory at rest", "open polls", "MiB"),
    ])
}

async fn once(options: &GrowthOptions, polls: u32) -> anyhow::Result<Seen> {
    let redis = RedisServer::start().await;
    for poll in 0..polls {
        open_poll_as(&redis.url(), &format!("bench-{poll}"), 1, 1).await?;
    }
    let build = &options.common.bin_dir;
    let mut seen = Seen {
        ready: [0.0; 2],
        memory: [0.0; 2],
    };
    for (service, program) in [&build.ingest, &build.results].into_iter().enumerate() {
        let mut times = Vec::new();
        for start in 1..=STARTS {
            let began = Instant::now();
            let server = Server::service(program, &[], Some(&redis.url()), &options.settings());
            while server.status("/readyz").await.ok() != Some(200) {
                if began.elapsed() >= PATIENCE {
                    bail!("it was not ready in time: {}", server.said());
                }
                tokio::time::sleep(LOOK).await;
            }
            times.push(began.elapsed().as_secs_f64() * 1e3);
            if start == STARTS {
                tokio::time::sleep(REST).await;
                seen.memory[service] = as_f64(resident(server.pid()?)?) / MIB;
            }
        }
        seen.ready[service] = Spread::of(times).context("it never began")?.median;
    }
    Ok(seen)
}
