//! All scenarios, in the order in which they run.

mod bots;
mod bounds;
mod cluster;
mod ingest;
mod overload;
mod replica;
mod results;
mod sentinel;
mod servers;
mod spill;
mod standalone;

pub(crate) use servers::LeftOut;

use crate::engine::findings::Findings;
use crate::engine::scene::Scene;
use std::pin::Pin;

/// A scenario under way.
pub(crate) type Running = Pin<Box<dyn Future<Output = anyhow::Result<Findings>> + Send>>;

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What happens in it.
    pub(crate) about: &'static str,
    pub(crate) run: fn(Scene) -> Running,
}

macro_rules! scenarios {
    ($($name:literal = $module:ident :: $function:ident, $about:literal;)+) => {
        /// All of them.
        pub(crate) const ALL: &[Scenario] = &[$(Scenario {
            name: $name,
            about: $about,
            run: |scene| Box::pin($module::$function(scene)),
        },)+];
    };
}

scenarios! {
    "redis-kill" = standalone::kill,
        "kill -9 of Redis with appendfsync everysec, and a restart";
    "redis-tail-cut" = standalone::tail_cut,
        "the same, and the last second of the append-only file is lost";
    "redis-oom" = standalone::oom,
        "Redis has no memory left for a while";
    "redis-read-only" = standalone::read_only,
        "Redis refuses writes: too few replicas, then demoted to a replica";
    "redis-client-pause" = standalone::client_pause,
        "CLIENT PAUSE for longer than the accept timeout";
    "redis-sigstop" = standalone::sigstop,
        "Redis frozen for longer than the accept timeout";
    "connection-cuts" = standalone::connection_cuts,
        "connections to Redis cut at random, before, within and after requests";
    "queue-full" = overload::queue_full,
        "short queues in front of a frozen Redis: many 503 at once";
    "replica-link-cut" = replica::link_cut,
        "the link between master and replica cut, durability memory";
    "replica-link-cut-durable" = replica::link_cut_durable,
        "the same with durability replicas(1, 500): votes are refused while the link is cut";
    "sentinel-failover-lagging" = sentinel::failover_lagging,
        "kill -9 of the master while its replicas lack acknowledged votes; one is promoted";
    "sentinel-failover-planned" = sentinel::failover_planned,
        "SENTINEL FAILOVER, with the master well: it goes on taking votes that its heir never sees";
    "sentinel-failover-coordinated" = sentinel::failover_coordinated,
        "Valkey 9's SENTINEL FAILOVER … COORDINATED: nothing may be forgotten";
    "cluster-failover-planned" = cluster::failover_planned,
        "CLUSTER FAILOVER of all three masters: nothing may be forgotten";
    "cluster-master-killed" = cluster::master_killed,
        "kill -9 of one of three masters; its replica is promoted";
    "cluster-reshard" = cluster::reshard,
        "slots of the poll's shards moved between masters, key by key";
    "cluster-migrate-slots" = cluster::migrate_slots,
        "the same by Valkey 9's own CLUSTER MIGRATESLOTS: nothing may be forgotten";
    "cluster-migration" = cluster::migration,
        "the same by Redis 8.4's own CLUSTER MIGRATION IMPORT: nothing may be forgotten";
    "ingest-kill" = ingest::kill,
        "kill -9 of one of two ingest processes";
    "ingest-sigterm" = ingest::sigterm,
        "SIGTERM of one ingest process, then a rolling restart of both";
    "ingest-spill" = spill::left_and_replayed,
        "SIGTERM of all ingest processes while Redis is away; it comes back without its last second, and their files are replayed, twice";
    "clock-ahead" = ingest::clock_ahead,
        "one ingest process has its clock 2 s ahead, and the poll closes under load";
    "results-redis-away" = results::redis_away,
        "what the results service shows while Redis is away";
    "bots" = bots::bots,
        "people, a server room, a script and a farm of proofs: what of each is accepted, set aside and refused";
}

/// What CI runs.
pub(crate) const QUICK: [&str; 8] = [
    "redis-kill",
    "redis-tail-cut",
    "sentinel-failover-lagging",
    "sentinel-failover-planned",
    "cluster-master-killed",
    "ingest-sigterm",
    "connection-cuts",
    "bots",
];
