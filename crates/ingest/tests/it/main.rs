//! The ingest service against a real `redis-server`, by HTTP.
#![expect(clippy::expect_used, reason = "a test has nobody to hand an error to")]

mod app;
mod bad_input;
mod clocks;
mod cors;
mod draining;
mod files;
mod forgotten;
mod forms;
mod gateways;
mod limits;
mod outage;
mod proofs;
mod servers;
mod tracing_export;
mod voters;
mod votes;
mod withdrawal;
