//! The read-only service's binary: everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use vote_results::Results;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vote_http::main::<Results>()
}
