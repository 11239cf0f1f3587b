//! The names of those counters that others than a metrics server read. As registered: the exposition adds `_total`.

/// Batches whose reply was lost and whose outcome was found out by repeating them.
pub const BATCH_REPLAYS: &str = "vote_batch_replays";
/// Attempts to send a batch that failed.
pub const COMMIT_RETRIES: &str = "vote_commit_retries";
/// Failovers for which lanes held votes back, by how they ended.
pub const FAILOVER_HOLDS: &str = "vote_failover_holds";
/// Times that Redis was found to have forgotten acknowledged batches.
pub const GAPS: &str = "vote_gaps";
/// Acknowledged votes that Redis had forgotten and that were recorded again.
pub const REPAIRED_VOTES: &str = "vote_repaired_votes";
/// Accepted votes that Redis has forgotten and that are to be sent again: a gauge by poll and shard.
pub const MISSING_VOTES: &str = "vote_missing_votes";
/// Accepted votes that Redis may not have, left behind by a process that has ended.
pub const SPILLED_VOTES: &str = "vote_spilled_votes";
/// Acknowledged votes that Redis has forgotten and that can't be recorded again.
pub const UNRECOVERABLE_VOTES: &str = "vote_unrecoverable_votes";
