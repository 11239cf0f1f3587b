//! The store against a real `redis-server`.
#![expect(clippy::expect_used, reason = "a test has nobody to hand an error to")]

mod acl;
mod annulling;
mod backup;
mod backup_checks;
mod backup_replays;
mod clocks;
mod commit;
mod decisions;
mod deleting;
mod durability;
mod ended_writers;
mod faults;
mod fence;
mod forbidden;
mod forgetting;
mod forgotten_figures;
mod full;
mod idle;
mod late_minutes;
mod long_ledgers;
mod long_polls;
mod many_lanes;
mod operator;
mod outage;
mod outlived_keys;
mod planned;
mod quarantine;
mod schedules;
mod sealing;
mod servers;
mod snapshots;
mod spill;
mod support;
mod topologies;
mod voters;
