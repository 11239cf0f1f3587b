//! The table of docs/capacity.md.

use vote_store::fields_of_a_shard;

use crate::costs::Costs;
use crate::show::{Seen, Show, count};

/// Sizes that matter: what is checked here with real servers, the record, and ten times as much and more.
pub(crate) const SHOWS: [Show; 11] = [
    Show::new(4_000, 1, 1, 1),
    Show::new(1_000, 1, 48, 3),
    Show::new(4_000, 1, 48, 3),
    Show::new(10_000, 1, 48, 3),
    Show::new(60_000, 4, 3, 3),
    Show::new(60_000, 6, 3, 3),
    Show::new(60_000, 20, 48, 3),
    Show::new(60_000, 20, 48, 6),
    Show::new(1_000_000, 42, 24, 24),
    Show::new(1_000_000, 42, 48, 48),
    Show::new(1_000_000, 42, 96, 96),
];

/// For how long Redis has a key, in seconds: a quarter longer than `commit.idempotency_window_s`.
const KEPT_SECONDS: f64 = 150.0;
/// Of a key.
const RECORD_BYTES: f64 = 16.0;
const MIB: f64 = 1024.0 * 1024.0;

/// What stands above the rows.
pub(crate) fn head(costs: &Costs) -> String {
    let mut head = format!(
        "A batch costs Redis {:.0} µs, and each vote of it {:.1} µs more; ingest {:.0} and {:.1}; on the way to Redis and back it has {:.0} bytes and {:.0} more a vote, \
         in the file and on the way to a replica {:.0} and {:.0}, and {RECORD_BYTES:.0} more a vote for each record that its key's field has, and a key takes {:.1} bytes: from what was measured on {}. \
         These are the lines that are nearest to the measured cases: a vote takes {} of Redis' time that was seen in one of them by these, and {} of ingest's.\n\n",
        costs.redis_us.batch,
        costs.redis_us.vote,
        costs.ingest_us.batch,
        costs.ingest_us.vote,
        costs.network_bytes.batch,
        costs.network_bytes.vote,
        costs.file_bytes.batch,
        costs.file_bytes.vote,
        costs.key_bytes,
        costs.date,
        range(costs.redis_to_seen),
        range(costs.ingest_to_seen),
    );
    head += "| votes a second | processes | shards | masters | lanes | votes a batch | batches a second and master | of a master's core | p50 | p99 \
             | ingest's cores in all | keys in a master, MiB | a master's network, Mbit/s \
             | to its file and to each replica, Mbit/s |\n";
    head += "|";
    head += &" ---: |".repeat(14);
    head
}

fn range((least, most): (f64, f64)) -> String {
    format!("{least:.2} to {most:.2}")
}

/// Simulates a show, and says how it went.
pub(crate) fn row(show: Show, costs: &Costs) -> String {
    let Seen {
        votes_per_batch,
        batches_per_second,
        busy,
        p50,
        p99,
    } = show.simulate(costs);
    let rate = count(show.votes_per_second);
    let of_a_master = rate / count(show.masters);
    let cores = rate * costs.ingest_us.a_vote(votes_per_batch) * 1e-6;
    let keys = of_a_master * KEPT_SECONDS * costs.key_bytes / MIB;
    let mbit = |bytes_a_vote: f64| of_a_master * bytes_a_vote * 8.0 * 1e-6;
    let network = mbit(costs.network_bytes.a_vote(votes_per_batch));
    // A field of the keys is written whole.
    let fields = fields_of_a_shard(u16::try_from(show.shards).unwrap_or(u16::MAX));
    let records = rate * KEPT_SECONDS / count(show.shards) / f64::from(fields);
    let file = mbit(records.mul_add(RECORD_BYTES, costs.file_bytes.a_vote(votes_per_batch)));
    let (busy, p50, p99) = (busy * 100.0, p50 * 1e3, p99 * 1e3);
    format!(
        "| {} | {} | {} | {} | {} | {votes_per_batch:.1} | {batches_per_second:.0} | {busy:.0} % | {p50:.1} ms | {p99:.1} ms \
         | {cores:.1} | {keys:.0} | {network:.1} | {file:.0} |",
        show.votes_per_second,
        show.processes,
        show.shards,
        show.masters,
        show.processes * show.shards,
    )
}
