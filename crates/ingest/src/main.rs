//! `vote-ingest`: takes votes.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vote_http::main::<vote_ingest::Ingest>()
}
