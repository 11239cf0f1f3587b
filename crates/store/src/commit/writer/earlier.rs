//! Votes that were recorded before their channel counted the votes of each voter, and are sent again since.
//!
//! Until then a vote goes to the shard of its key, and from then on to that of its voter, where the key is not remembered. So for as
//! long as such keys are, the shard of the key is asked first.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use redis::Cmd;
use vote_domain::{Poll, PollDefinition};

use crate::commit::outcome::Verdict;
use crate::commit::remembered::Remembered;
use crate::commit::vote::VoteToCast;
use crate::error::StoreError;
use crate::keys::ShardKeys;
use crate::nodes::Nodes;

/// What `seen` holds of a key: when, channel and candidate, and the key.
const RECORD: usize = 16;

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

    /// What comes of the vote where it is recorded there.
    pub(super) async fn find(
        &self,
        poll: &PollDefinition,
        shard: u16,
        vote: &VoteToCast,
    ) -> Result<Option<Verdict>, StoreError> {
        let Some(key) = &vote.key else {
            return Ok(None);
        };
        // The window says when a record was made, which is not asked here.
        let (field, held) = Remembered::new(poll.shards(), 1).place(key);
        let seen = ShardKeys::new(poll.id(), shard).seen();
        let command = Cmd::hget(&seen, field.as_slice());
        let records: Option<Vec<u8>> = self.nodes.query(&seen, &command).await?;
        Ok(verdict(&records.unwrap_or_default(), vote, &held))
    }
}

fn verdict(records: &[u8], vote: &VoteToCast, held: &[u8; 12]) -> Option<Verdict> {
    let mut records = records.chunks_exact(RECORD);
    let record = records.find(|record| record.ends_with(held))?;
    let is_same = record.get(2..4) == Some(&[vote.channel, vote.candidate]);
    Some(if is_same {
        Verdict::Duplicate(())
    } else {
        Verdict::Mismatch
    })
}

#[cfg(test)]
mod tests {
    use vote_domain::{KeyDigest, PollDefinition, Transition, VoterDigest};
    use vote_testkit::fixtures::{at, demo_poll};

    use super::*;
    use crate::config::RedisConfig;

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

    #[test]
    fn a_record_says_whether_it_is_the_same_vote() {
        let vote = vote(9, SINCE);
        let record = |channel, candidate, key: u8| {
            let mut record = vec![0, 1, channel, candidate];
            record.extend([key; 12]);
            record
        };
        let held = [9; 12];
        let found = |records: &[Vec<u8>]| verdict(&records.concat(), &vote, &held);
        let other = record(0, 1, 8);
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[other.clone()]), None);
        assert_eq!(
            found(&[other.clone(), record(0, 1, 9)]),
            Some(Verdict::Duplicate(()))
        );
        assert_eq!(
            found(&[record(0, 0, 9), other.clone()]),
            Some(Verdict::Mismatch)
        );
        assert_eq!(found(&[record(1, 1, 9)]), Some(Verdict::Mismatch));
        // In the midst of two records.
        let across = [vec![9, 9, 9, 9], vec![1; 12], vec![9; 8], vec![2; 8]].concat();
        assert_eq!(verdict(&across, &vote, &held), None);
    }
}
