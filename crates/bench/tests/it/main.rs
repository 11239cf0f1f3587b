//! How often a vote's way takes memory, which is a count and the same on a busy machine; what votes of the main table carry; and what the record
//! minute takes for an error.
#![expect(clippy::expect_used, reason = "a test has nobody to hand an error to")]

mod allocations;
#[path = "../../benches/bench/minute/books.rs"]
mod books;
#[path = "../../benches/bench/carried.rs"]
mod carried;
mod minute;
#[path = "../../benches/bench/floors/no_redis.rs"]
mod no_redis;
#[path = "../../benches/common/poll.rs"]
mod poll;
#[path = "../../benches/common/poll_text.rs"]
mod poll_text;
mod what_is_carried;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
