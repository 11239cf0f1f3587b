//! The one place that spells a Redis key.
//!
//! The braces are the cluster's hash tag: everything that one batch touches hashes to one slot, so
//! `commit.lua` can run on any node that holds the shard. A poll's document and its sealed result
//! are read and written alone and need no tag.

use vote_domain::PollId;

/// The set of all polls' ids.
pub(crate) const POLLS: &str = "vote:polls";

/// The key with which receipts are signed, where the settings name none.
pub(crate) const RECEIPT_KEY: &str = "vote:receipts:key";

/// The key of the digests that stand for a poll's voters. Not below `vote:poll:`, which who reads figures may read.
pub(crate) fn voter_key(poll: &PollId) -> String {
    format!("vote:voters:{poll}")
}

/// A poll's document.
pub(crate) fn poll(poll: &PollId) -> String {
    format!("vote:poll:{poll}")
}

/// A poll's sealed result.
pub(crate) fn sealed(poll: &PollId) -> String {
    format!("vote:poll:{poll}:final")
}

/// There while a backup of the poll is being restored: the backup's digest.
pub(crate) fn restoring(poll: &PollId) -> String {
    format!("vote:poll:{poll}:import")
}

/// There for a day after a draft was deleted: when that draft was made. Who knew the draft learns from it that Redis has
/// not forgotten it.
pub(crate) fn deleted(poll: &PollId) -> String {
    format!("vote:poll:{poll}:deleted")
}

/// Under which name a change of this key is remembered: all shards of a poll are one thing.
pub(crate) fn changed_name(key: &str) -> &str {
    let tag = key.strip_prefix("vote:{");
    let poll = tag.and_then(|tag| tag.split_once('/'));
    poll.map_or(key, |(poll, _)| poll)
}

/// The keys of one shard of a poll.
#[derive(Debug, Clone)]
pub(crate) struct ShardKeys {
    prefix: String,
}

impl ShardKeys {
    pub(crate) fn new(poll: &PollId, shard: u16) -> Self {
        Self {
            prefix: format!("vote:{{{poll}/{shard}}}"),
        }
    }

    /// The fence that `commit.lua` checks.
    pub(crate) fn state(&self) -> String {
        format!("{}:state", self.prefix)
    }

    /// Votes by channel and candidate.
    pub(crate) fn tally(&self) -> String {
        format!("{}:tally", self.prefix)
    }

    /// Votes of one minute (minutes since the Unix epoch), by channel and candidate.
    pub(crate) fn minutes(&self, minute: i64) -> String {
        format!("{}:minutes:{minute}", self.prefix)
    }

    /// The ledger: last sequence and votes of each writer that has not ended, and the sums of those that have.
    pub(crate) fn writers(&self) -> String {
        format!("{}:writers", self.prefix)
    }

    /// What the ledger had of each writer that has ended. It is not read with the figures.
    pub(crate) fn ended(&self) -> String {
        format!("{}:ended", self.prefix)
    }

    /// The reply to each writer's last batch; apart from the ledger, which readers fetch four
    /// times per second, because a reply can be as long as its batch has keyed votes.
    pub(crate) fn replies(&self) -> String {
        format!("{}:replies", self.prefix)
    }

    /// Votes that came after the poll had closed.
    pub(crate) fn late(&self) -> String {
        format!("{}:late", self.prefix)
    }

    /// Votes that were set aside as suspect, by fate, reason, channel and candidate.
    pub(crate) fn quarantine(&self) -> String {
        format!("{}:quarantine", self.prefix)
    }

    /// Those of one minute.
    pub(crate) fn quarantine_minute(&self, minute: i64) -> String {
        format!("{}:quarantine:{minute}", self.prefix)
    }

    /// There while a backup is written to the shard, until it has its fence: the backup's digest.
    pub(crate) fn restoring(&self) -> String {
        format!("{}:import", self.prefix)
    }

    /// Digests of the idempotency keys that are remembered.
    pub(crate) fn seen(&self) -> String {
        format!("{}:seen", self.prefix)
    }

    /// Votes used by the voters of one bucket of a channel.
    pub(crate) fn voters(&self, channel: &str, bucket: u32) -> String {
        format!("{}:voters:{channel}:{bucket}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts, dashboards and backups outside this repository rely on these strings.
    #[test]
    fn keys_are_spelled_as_designed() {
        let id = PollId::parse("paredao-01").expect("a valid id");
        let shard = ShardKeys::new(&id, 7);
        assert_eq!(poll(&id), "vote:poll:paredao-01");
        assert_eq!(sealed(&id), "vote:poll:paredao-01:final");
        assert_eq!(restoring(&id), "vote:poll:paredao-01:import");
        assert_eq!(deleted(&id), "vote:poll:paredao-01:deleted");
        assert_eq!(voter_key(&id), "vote:voters:paredao-01");
        assert_eq!(shard.restoring(), "vote:{paredao-01/7}:import");
        assert_eq!(shard.state(), "vote:{paredao-01/7}:state");
        assert_eq!(shard.tally(), "vote:{paredao-01/7}:tally");
        assert_eq!(
            shard.minutes(29_580_000),
            "vote:{paredao-01/7}:minutes:29580000"
        );
        assert_eq!(shard.writers(), "vote:{paredao-01/7}:writers");
        assert_eq!(shard.ended(), "vote:{paredao-01/7}:ended");
        assert_eq!(shard.replies(), "vote:{paredao-01/7}:replies");
        assert_eq!(shard.late(), "vote:{paredao-01/7}:late");
        assert_eq!(shard.seen(), "vote:{paredao-01/7}:seen");
        assert_eq!(shard.quarantine(), "vote:{paredao-01/7}:quarantine");
        assert_eq!(
            shard.quarantine_minute(29_580_000),
            "vote:{paredao-01/7}:quarantine:29580000"
        );
        assert_eq!(
            shard.voters("unico", 16_383),
            "vote:{paredao-01/7}:voters:unico:16383"
        );
    }

    #[test]
    fn all_keys_of_a_shard_share_one_hash_tag() {
        let id = PollId::parse("p").expect("a valid id");
        let shard = ShardKeys::new(&id, 0);
        let tag = "{p/0}";
        for key in [
            shard.state(),
            shard.tally(),
            shard.minutes(1),
            shard.writers(),
            shard.ended(),
            shard.replies(),
            shard.late(),
            shard.restoring(),
            shard.seen(),
            shard.quarantine(),
            shard.quarantine_minute(1),
            shard.voters("c", 1),
        ] {
            assert!(key.contains(tag), "{key} lacks {tag}");
            assert_eq!(key.matches('{').count(), 1);
        }
    }
}
