//! What votes of the main table carry; what the record minute takes for an error; and whether docs/capacity.md is worked out from today's
//! rules and costs.
#![expect(clippy::expect_used, reason = "a test has nobody to hand an error to")]

#[path = "../../benches/bench/minute/books.rs"]
mod books;
mod capacity;
#[path = "../../benches/bench/carried.rs"]
mod carried;
#[path = "../../benches/capacity/costs.rs"]
mod costs;
mod minute;
#[path = "../../benches/common/poll_text.rs"]
mod poll_text;
#[path = "../../benches/capacity/show.rs"]
mod show;
#[path = "../../benches/capacity/shows.rs"]
mod shows;
mod what_is_carried;
