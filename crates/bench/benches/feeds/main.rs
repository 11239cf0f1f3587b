//! `make bench-feeds`: what feeds cost their readers' server, and what a revision costs.
//!
//! Two turns, each with processes of its own on one machine:
//!
//! - `/results.rows.json` and `/results.csv` under `wrk`, against the same web server with constant bodies of the same
//!   bytes. Rounds are interleaved, and the ratios are medians of rounds, so that a machine whose speed drifts gives
//!   the same answer. Beside them, what Redis was asked a second while there were readers, and while there were none.
//! - The processor time of one revision of a poll of four candidates: every format of the standing, the series and the
//!   feeds, with their codings. It is what the results service takes while votes come, less what it takes while none do.
//!
//! `BENCH_ONLY=reads` or `BENCH_ONLY=revisions` runs one of them alone. Needs `wrk` (for reads) and `redis-server`.

mod floor;
#[path = "../common/poll.rs"]
mod poll;
#[path = "../common/poll_text.rs"]
mod poll_text;
mod reads;
mod revisions;
#[path = "../common/service.rs"]
mod service;
#[path = "../common/votes.rs"]
mod votes;

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use tokio::task::LocalSet;
use vote_ingest::Ingest;
use vote_results::Results;

use crate::floor::Floor;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // `cargo bench` passes flags of its own; a server is started by its name.
    match std::env::args().nth(1).as_deref() {
        Some("serve-ingest") => return vote_http::main_from::<Ingest>(["bench".into()]).into(),
        Some("serve-results") => return vote_http::main_from::<Results>(["bench".into()]).into(),
        Some("serve-floor") => return vote_http::main_from::<Floor>(["bench".into()]).into(),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime");
    match runtime.and_then(|runtime| LocalSet::new().block_on(&runtime, measure())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("the benchmark failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> anyhow::Result<()> {
    let only = knob("BENCH_ONLY").unwrap_or_default();
    ensure!(
        ["", "reads", "revisions"].contains(&only.as_str()),
        "BENCH_ONLY is `{only}`: it may be `reads` or `revisions`, or be missing for both"
    );
    if only != "revisions" {
        reads::measure().await?;
    }
    if only != "reads" {
        revisions::measure().await?;
    }
    Ok(())
}

/// A number among the knobs.
fn number(name: &str, default: u32) -> u32 {
    knob(name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// A knob of the benchmark, from its environment.
fn knob(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a benchmark's knobs are no settings of a service"
    )]
    let value = std::env::var(name);
    value.ok()
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn say(text: &str) {
    println!("{text}");
}
