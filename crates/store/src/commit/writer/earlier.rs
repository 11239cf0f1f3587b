//! Votes that were recorded before their channel counted the votes of each voter, and are sent again since.
//!
//! Until then a vote goes to the shard of its key, and from then on to that of its voter, where the key is not remembered. So for as
//! long as such keys are, the key is claimed in its own shard first: a vote that is recorded there is found, and one that is still on its
//! way there counts no more.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vote_domain::Poll;

use crate::commit::outcome::Verdict;
use crate::commit::remembered::{Remembered, window_ms};
use crate::commit::vote::VoteToCast;
use crate::error::StoreError;
use crate::keys::ShardKeys;
use crate::nodes::Nodes;
use crate::script::CLAIM_KEY;

/// Finds them.
#[derive(Clone)]
pub(super) struct EarlierVotes {
    nodes: Nodes,
    /// For how long a key is remembered.
    key_window: Duration,
}

impl EarlierVotes {
    pub(super) const fn new(nodes: Nodes, key_window: Duration) -> Self {
        Self { nodes, key_window }
    }

    /// The shard in which the vote may be recorded already, where that is not the one that it goes to.
    pub(super) fn shard(&self, poll: &Poll, vote: &VoteToCast) -> Option<u16> {
        // Nearly always so.
        if poll.limited.is_empty() {
            return None;
        }
        let (key, voter) = vote.key.as_ref().zip(vote.voter.as_ref())?;
        let definition = &poll.definition;
        let channel = definition.channels().get(usize::from(vote.channel))?;
        let since = poll.limited_since(&channel.id)?;
        let received_at = Timestamp::from_millisecond(vote.received_at_ms).ok()?;
        // Twice: a process may have learnt of the limit later, and a key is remembered for a quarter longer than is promised.
        let remembered =
            SignedDuration::try_from(self.key_window * 2).unwrap_or(SignedDuration::MAX);
        if received_at.duration_since(since) > remembered {
            return None;
        }
        let shards = definition.shards();
        let shard = key.shard(shards);
        (shard != voter.shard(shards)).then_some(shard)
    }

    /// What comes of the vote where it is recorded there; else its key is claimed.
    ///
    /// # Errors
    /// Where that shard can't be asked, or has been forgotten: whether the vote is recorded is not known then.
    pub(super) async fn find(
        &self,
        poll: &Poll,
        shard: u16,
        vote: &VoteToCast,
    ) -> Result<Option<Verdict>, Unknown> {
        let Some(key) = &vote.key else {
            return Ok(None);
        };
        let remembered = Remembered::new(poll, window_ms(self.key_window));
        let (field, held) = remembered.place(key);
        let keys = ShardKeys::new(poll.definition.id(), shard);
        let (state, seen) = (keys.state(), keys.seen());
        let mut command = CLAIM_KEY.command(2);
        command.arg(&state).arg(&seen).arg(&field).arg(&held);
        command.arg(&remembered.stamp(vote.received_at_ms));
        command.arg(remembered.lifetime_ms());
        let said: Vec<u8> = self.nodes.run(&CLAIM_KEY, &seen, &command).await?;
        match said.as_slice() {
            [] => Ok(None),
            [channel, candidate] if (*channel, *candidate) == (vote.channel, vote.candidate) => {
                Ok(Some(Verdict::Duplicate(())))
            }
            [_, _] => Ok(Some(Verdict::Mismatch)),
            _ => Err(Unknown),
        }
    }
}

/// That nothing is known of a vote.
#[derive(Debug)]
pub(super) struct Unknown;

impl From<StoreError> for Unknown {
    fn from(_error: StoreError) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use vote_domain::{KeyDigest, PollDefinition, Transition, VoterDigest, WriterId};
    use vote_testkit::RedisServer;
    use vote_testkit::fixtures::{at, demo_poll};

    use super::*;
    use crate::commit::batch::{Batch, CheckedVote};
    use crate::commit::call::{Call, Mode};
    use crate::commit::target::Target;
    use crate::config::RedisConfig;
    use crate::script::COMMIT;

    const SINCE: &str = "2026-11-24T20:00:00Z";
    const WINDOW: Duration = Duration::from_secs(120);

    /// An open poll of so many shards whose first channel has a limit since then.
    fn limited(shards: u16) -> Poll {
        let draft = demo_poll().shards(shards).draft();
        let open = draft.transition(Transition::Open, at(SINCE), "test");
        let open = open.expect("legal");
        let mut file = serde_json::to_value(&open.definition).expect("JSON");
        file["channels"][0]["eligibility"] = "voter".into();
        file["channels"][0]["votes_per_voter"] = 1.into();
        let newer = PollDefinition::parse_json(file.to_string().as_bytes()).expect("legal");
        open.redefine(newer, at(SINCE), "test").expect("tighter")
    }

    fn earlier() -> EarlierVotes {
        let config = RedisConfig::new("redis://127.0.0.1:1").expect("an address");
        EarlierVotes::new(Nodes::new(&config).expect("nothing to refuse"), WINDOW)
    }

    fn vote(key: u8, received_at: &str) -> VoteToCast {
        VoteToCast {
            channel: 0,
            candidate: 1,
            received_at_ms: at(received_at).as_millisecond(),
            key: Some(KeyDigest::from_bytes([key; 16])),
            voter: Some(VoterDigest::new(
                &[7; 32],
                demo_poll().definition().id(),
                "maria",
            )),
            is_withdrawn: false,
            quarantine: None,
            span: None,
        }
    }

    #[test]
    fn a_vote_is_looked_for_in_another_shard_alone_and_while_its_key_is_remembered() {
        let (poll, earlier) = (limited(4), earlier());
        let soon = |key| earlier.shard(&poll, &vote(key, "2026-11-24T20:00:01Z"));
        let found: Vec<_> = (0..=255).map(soon).collect();
        let elsewhere = found.iter().filter(|shard| shard.is_some()).count();
        assert!((1..256).contains(&elsewhere), "{found:?}");
        let key = (0..=255)
            .find(|key| soon(*key).is_some())
            .expect("there is one");
        let shard = vote(key, SINCE).key.expect("it has one").shard(4);
        assert_eq!(soon(key), Some(shard));

        let last = earlier.shard(&poll, &vote(key, "2026-11-24T20:04:00Z"));
        assert_eq!(last, Some(shard), "of twice the window");
        assert_eq!(
            earlier.shard(&poll, &vote(key, "2026-11-24T20:04:01Z")),
            None
        );
        let voteless = VoteToCast {
            key: None,
            ..vote(key, SINCE)
        };
        let nobodys = VoteToCast {
            voter: None,
            ..vote(key, SINCE)
        };
        let other_channel = VoteToCast {
            channel: 1,
            ..vote(key, SINCE)
        };
        for vote in [voteless, nobodys, other_channel] {
            assert_eq!(earlier.shard(&poll, &vote), None, "{vote:?}");
        }
        assert_eq!(earlier.shard(&limited(1), &vote(key, SINCE)), None);
    }

    /// An open poll's key of another shard than its vote's.
    fn elsewhere(poll: &Poll) -> (u8, u16) {
        let earlier = earlier();
        let found = |key| {
            earlier
                .shard(poll, &vote(key, SINCE))
                .map(|shard| (key, shard))
        };
        (0..=255).find_map(found).expect("there is one")
    }

    async fn say<T: redis::FromRedisValue>(redis: &RedisServer, command: &redis::Cmd) -> T {
        let mut connection = redis.connection().await;
        command
            .query_async(&mut connection)
            .await
            .expect("it is done")
    }

    #[tokio::test]
    async fn a_key_is_claimed_once_and_counts_nothing_in_its_shard_from_then_on() {
        let redis = RedisServer::start().await;
        let poll = limited(4);
        let (key, shard) = elsewhere(&poll);
        let vote = vote(key, SINCE);
        let nodes = Nodes::new(&RedisConfig::new(redis.url()).expect("an address"));
        let earlier = EarlierVotes::new(nodes.expect("nothing to refuse"), WINDOW);
        let find = async |vote: &VoteToCast| earlier.find(&poll, shard, vote).await;
        let keys = ShardKeys::new(poll.definition.id(), shard);
        // A shard that is forgotten says nothing of a vote, and gets nothing.
        assert!(find(&vote).await.is_err());
        assert!(!say::<bool>(&redis, &redis::Cmd::exists(keys.seen())).await);

        let fence = [("state", "open"), ("opens_at", "0"), ("closes_at", "9e15")];
        let () = say(&redis, &redis::Cmd::hset_multiple(keys.state(), &fence)).await;
        // Again and again: each attempt goes on to the voter's shard.
        for _ in 0..2 {
            assert_eq!(find(&vote).await.expect("it is asked"), None);
        }
        let expires_in: i64 = say(&redis, &redis::Cmd::pttl(keys.seen())).await;
        assert!(expires_in > 0, "{expires_in}");
        // The attempt from before, which was on its way all the time, and comes after the claim.
        let mut batch = Batch::starting(vote.received_at_ms);
        batch.checked.push(CheckedVote {
            channel: vote.channel,
            candidate: vote.candidate,
            key: vote.key,
            voter: None,
            is_withdrawn: false,
            quarantine: None,
        });
        let target = Target::new(&poll, shard, 120_000);
        let mut connection = redis.connection().await;
        COMMIT.load(&mut connection).await.expect("it is loaded");
        let call = Call::new(WriterId::from_bytes([1; 8]), 1, Mode::Live, &batch);
        let said: String = say(&redis, &call.command(&target)).await;
        assert_eq!(said, "Am");
        assert!(!say::<bool>(&redis, &redis::Cmd::exists(keys.tally())).await);

        // Another key, which was recorded before.
        batch.checked[0].key = Some(KeyDigest::from_bytes([key; 16].map(|byte| byte ^ 1)));
        let call = Call::new(WriterId::from_bytes([1; 8]), 2, Mode::Live, &batch);
        let said: String = say(&redis, &call.command(&target)).await;
        assert_eq!(said, "A");
        let recorded = VoteToCast {
            key: batch.checked[0].key,
            ..vote
        };
        let found = find(&recorded).await.expect("it is asked");
        assert_eq!(found, Some(Verdict::Duplicate(())));
        let other = VoteToCast {
            candidate: 0,
            ..recorded
        };
        let found = find(&other).await.expect("it is asked");
        assert_eq!(found, Some(Verdict::Mismatch));
    }
}
