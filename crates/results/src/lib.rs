//! The read-only service: publishes polls, standings, series, and what receipts prove.
//!
//! A task reads snapshots from Redis at a fixed cadence, another makes pages of them: serialised and
//! compressed once per revision. A request takes bytes from the newest pages; it never reaches Redis.
#![forbid(unsafe_code)]

mod api;
mod documents;
mod formats;
mod metrics;
mod overlay;
mod pages;
mod problems;
mod rendering;
mod routes;
#[cfg(test)]
mod samples;
mod serve;
mod service;
mod site;
mod stream;

pub use self::rendering::Rendering;
pub use self::service::Results;
