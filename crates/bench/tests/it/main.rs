//! How often a vote's way takes memory, which is a count and the same on a busy machine; what votes of the main table carry; what the record
//! minute takes for an error; and whether docs/capacity.md is worked out from today's rules and costs.
#![expect(clippy::expect_used, reason = "a test has nobody to hand an error to")]

mod allocations;
#[path = "../../benches/bench/minute/books.rs"]
mod books;
mod capacity;
#[path = "../../benches/bench/carried.rs"]
mod carried;
#[path = "../../benches/capacity/costs.rs"]
mod costs;
mod minute;
#[path = "../../benches/bench/floors/no_redis.rs"]
mod no_redis;
#[path = "../../benches/common/poll.rs"]
mod poll;
#[path = "../../benches/common/poll_text.rs"]
mod poll_text;
#[path = "../../benches/capacity/show.rs"]
mod show;
#[path = "../../benches/capacity/shows.rs"]
mod shows;
mod what_is_carried;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
