//! Votes over HTTP/1.1, plain or by TLS: where to, what, when, how often again, what the answers say, and whether the tally agrees.
//!
//! `votectl load` and `votectl smoke`, the fault suite and the benchmarks send their votes by this. A general HTTP
//! client spends more on a request than the service that it measures, on the same cores: this one sends requests that
//! are rendered beforehand, on connections without a pool.
#![forbid(unsafe_code)]

pub mod answer;
pub mod backoff;
pub mod connection;
pub mod endpoint;
pub mod engine;
pub mod keys;
pub mod latency;
pub mod pacer;
pub mod plan;
pub mod proxy;
pub mod reconcile;
pub mod route;
pub mod stats;
pub mod stop;
pub mod target;
pub mod tls;

mod get;
mod head;
mod host;
mod stream;
mod vote;

#[cfg(test)]
mod tests;

pub use get::get;
