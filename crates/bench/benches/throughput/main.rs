//! `make bench`: accepted votes per second of the ingest service, as ratios from one run.
//!
//! Three servers, each a process of its own on the same web server with the same parsing, take turns
//! under `wrk` with 64, 256 and 1,024 connections:
//!
//! - `lane`: the ingest service as it is;
//! - `no-redis`: the same, but each vote is answered at once and recorded nowhere: the ceiling;
//! - `per-vote`: what one would write first: each vote increments tally, minutes and ledger in one
//!   pipeline through a pooled connection.
//!
//! And two more of the service with votes that carry keys, one with its replay window, one without.
//!
//! The rounds are interleaved and the ratios are medians of rounds, so that a machine whose speed
//! drifts still gives the same answer. Needs `wrk` and `redis-server`.

mod load;
mod report;
mod servers;
mod turns;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // `cargo bench` passes flags of its own; a server is started by its name.
    match std::env::args().nth(1).as_deref() {
        Some("serve-lane") => vote_http::main_from::<vote_ingest::Ingest>(servers::arguments()),
        Some("serve-no-redis") => vote_http::main_from::<servers::NoRedis>(servers::arguments()),
        Some("serve-per-vote") => vote_http::main_from::<servers::PerVote>(servers::arguments()),
        _ => load::run(),
    }
    .into()
}
