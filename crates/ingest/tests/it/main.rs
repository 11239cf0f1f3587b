//! The ingest service against a real `redis-server`, by HTTP.
#![expect(clippy::expect_used, reason = "a test has nobody to hand an error to")]

mod app;
mod bad_input;
mod both;
mod challenges;
mod clocks;
mod cors;
mod draining;
mod files;
mod forgotten;
mod forms;
mod gateways;
mod hostile;
mod judge;
mod judge_stub;
mod limits;
mod limits_sustained;
mod nobody_named;
mod outage;
mod periods;
mod process;
mod proof_costs;
mod proofs;
mod servers;
mod suspicion;
mod tracing_export;
mod two_processes;
mod voter_keys;
mod voter_limits;
mod voters;
mod votes;
mod withdrawal;
