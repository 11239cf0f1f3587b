//! The read-only service: publishes polls, standings, series, and what receipts prove.
//!
//! A task reads snapshots from Redis at a fixed cadence, another makes pages of them: serialised and
//! compressed once a revision. A request takes bytes from the newest pages; it never reaches Redis.
#![forbid(unsafe_code)]

mod access;
mod board;
mod body;
mod metrics;
mod negotiate;
mod openapi;
mod render;
mod respond;
mod routes;
#[cfg(test)]
mod samples;
mod series;
mod series_cache;
mod service;
mod view;

pub use self::service::Results;
