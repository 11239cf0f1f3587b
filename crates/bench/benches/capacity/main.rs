//! What a show of any size needs, worked out in virtual time: `make capacity`.
//!
//! Votes come at random (a Poisson process) to ingest processes, each of which has a lane for each shard, and lanes send
//! their batches to the masters of a cluster, each of which does one thing after the other. How long a lane holds back is the
//! lanes' own rule; what a batch and a vote cost Redis is what `make sizing-measure` has measured on one small machine.
//! Nothing is sent, so a thousand lanes need no thousand connections, and a million votes a second no cluster.

mod costs;
mod show;

use std::io::Write as _;

use costs::Costs;
use show::{Seen, Show};

/// Sizes that matter: what is checked here with real servers, the record, and ten times as much and more.
const SHOWS: [Show; 11] = [
    Show::new(4_000, 1, 1, 1),
    Show::new(1_000, 1, 48, 3),
    Show::new(4_000, 1, 48, 3),
    Show::new(10_000, 1, 48, 3),
    Show::new(60_000, 4, 3, 3),
    Show::new(60_000, 6, 3, 3),
    Show::new(60_000, 20, 48, 3),
    Show::new(60_000, 20, 48, 6),
    Show::new(1_000_000, 42, 24, 24),
    Show::new(1_000_000, 42, 48, 48),
    Show::new(1_000_000, 42, 96, 96),
];

fn main() -> anyhow::Result<()> {
    let costs = Costs::measured()?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "a batch costs Redis {:.0} µs, and each vote of it {:.1} µs more: from what was measured on {}\n",
        costs.batch_us, costs.vote_us, costs.date
    )?;
    writeln!(
        out,
        "| votes a second | processes | shards | masters | lanes | votes a batch | batches a second and master | of a master's core | p50 | p99 |"
    )?;
    writeln!(out, "|{}", " ---: |".repeat(10))?;
    for show in SHOWS {
        let Seen {
            votes_per_batch,
            batches_per_second,
            busy,
            p50,
            p99,
        } = show.simulate(&costs);
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {votes_per_batch:.1} | {batches_per_second:.0} | {:.0} % | {:.1} ms | {:.1} ms |",
            show.votes_per_second,
            show.processes,
            show.shards,
            show.masters,
            show.processes * show.shards,
            busy * 100.0,
            p50 * 1e3,
            p99 * 1e3,
        )?;
        out.flush()?;
    }
    Ok(())
}
