//! One call of `commit.lua`: a batch, or a question, as the script reads it.

use std::borrow::Cow;
use std::time::Duration;

use redis::Cmd;
use vote_domain::{VoterDigest, WriterId};

use super::batch::{Batch, CheckedVote, Origin};
use super::remembered;
use super::target::Target;
use crate::fields;
use crate::keys::VOTER_BUCKETS;
use crate::script::{COMMIT, COMMIT_ENTRY, Script};

/// Stands for a voter that a vote does not have.
const NO_VOTER: &[u8] = &[0; 16];

/// Stands for a voter's limit where the candidate is out of the poll.
const WITHDRAWN: i64 = -1;

/// How the script is to take a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode<'a> {
    /// Votes on their way in: the fence decides.
    Live,
    /// A batch that had been acknowledged and that Redis has forgotten since; to these earlier writers first.
    Replay(&'a [Origin]),
    /// No votes: is the sequence the last one that Redis has, and how many votes has it of the writer?
    Check,
    /// As `Check`, and an error where the server would refuse a batch: it writes what is there already.
    Try,
    /// As `Check`, of a writer whose poll is closed: marks it as drained for that closing time.
    Drain,
    /// As `Check`, of a writer that will never send again: its entry leaves the ledger for that of the ended ones.
    End,
    /// No votes: uses the sequence, so that a batch sent under it can't apply any more.
    Burn,
}

impl Mode<'_> {
    fn argument(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Live => "live",
            Self::Replay([]) => "replay",
            Self::Replay(origins) => {
                let mut text = "replay".to_owned();
                for (writer, sequence) in origins {
                    text.push_str(&format!(" {writer}/{sequence}"));
                }
                return Cow::Owned(text);
            }
            Self::Check => "check",
            Self::Try => "try",
            Self::Drain => "drain",
            Self::End => "end",
            Self::Burn => "burn",
        })
    }
}

/// A call of the script under a writer's name.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) writer: WriterId,
    pub(super) sequence: u64,
    pub(super) mode: Mode<'a>,
    pub(super) batch: &'a Batch,
    /// The time since the batch was made.
    pub(super) age: Duration,
    /// Of a question: the votes that the lane has counted as lost, if any, under the name that it began with.
    pub(super) lost: Option<(WriterId, u64)>,
}

impl<'a> Call<'a> {
    /// A question, or a batch of now.
    pub(super) const fn new(
        writer: WriterId,
        sequence: u64,
        mode: Mode<'a>,
        batch: &'a Batch,
    ) -> Self {
        Self {
            writer,
            sequence,
            mode,
            batch,
            age: Duration::ZERO,
            lost: None,
        }
    }

    /// Of a question, what the lane has lost.
    fn noted(&self) -> String {
        match (self.mode, self.lost) {
            (Mode::Live | Mode::Replay(_) | Mode::Burn, _) | (_, None) => String::new(),
            (_, Some((writer, votes))) => format!("{} {votes}", fields::lost(&writer)),
        }
    }

    /// The script that it calls. Votes are refused on a full server; what says that there are no more of them is not.
    pub(super) fn script(&self) -> &'static Script {
        match self.mode {
            Mode::Drain | Mode::End | Mode::Burn => &COMMIT_ENTRY,
            Mode::Check if self.lost.is_some() => &COMMIT_ENTRY,
            Mode::Live | Mode::Replay(_) | Mode::Check | Mode::Try => &COMMIT,
        }
    }

    /// The command, as the script's header has it.
    pub(super) fn command(&self, target: &Target) -> Cmd {
        let (batch, keys) = (self.batch, &target.keys);
        // Remembered from now on, not from when the batch was new.
        let age_ms = i64::try_from(self.age.as_millis()).unwrap_or(0);
        let checked = Packed::new(&batch.checked, target);
        let mut command = self.script().command(8 + checked.bucket_keys.len());
        command
            .arg(keys.state())
            .arg(keys.tally())
            .arg(keys.minutes(batch.minute))
            .arg(keys.writers())
            .arg(keys.replies())
            .arg(keys.late())
            .arg(keys.seen())
            .arg(keys.ended())
            .arg(checked.bucket_keys)
            .arg(self.writer.to_string())
            .arg(self.sequence)
            .arg(self.mode.argument().as_ref())
            .arg(batch.earliest_ms)
            .arg(batch.latest_ms)
            .arg(self.noted())
            .arg(target.remembered.lifetime_ms())
            .arg(checked.digests)
            .arg(checked.codes)
            .arg(checked.voters)
            .arg(checked.buckets)
            .arg(&target.remembered.stamp(batch.latest_ms + age_ms));
        for Pair {
            channel,
            candidate,
            votes,
            is_withdrawn,
        } in pairs(batch)
        {
            let limit = if is_withdrawn {
                WITHDRAWN
            } else {
                i64::from(target.limit(channel))
            };
            command
                .arg(target.field(channel, candidate))
                .arg(&[channel, candidate])
                .arg(votes)
                .arg(limit);
        }
        command
    }
}

/// The checked votes of a batch, packed as the script takes them apart.
struct Packed {
    digests: Vec<u8>,
    codes: Vec<u8>,
    voters: Vec<u8>,
    /// For each vote the index of its voter's bucket in `bucket_keys`, big-endian.
    buckets: Vec<u8>,
    bucket_keys: Vec<String>,
}

impl Packed {
    fn new(votes: &[CheckedVote], target: &Target) -> Self {
        let mut packed = Self {
            digests: Vec::with_capacity(votes.len() * remembered::NO_KEY.len()),
            codes: Vec::with_capacity(votes.len() * 2),
            voters: Vec::new(),
            buckets: Vec::new(),
            bucket_keys: Vec::new(),
        };
        for vote in votes {
            target
                .remembered
                .add(vote.key.as_ref(), &mut packed.digests);
            packed
                .codes
                .extend_from_slice(&[vote.channel, vote.candidate]);
        }
        if votes.iter().any(|vote| vote.voter.is_some()) {
            packed.add_voters(votes, target);
        }
        packed
    }

    fn add_voters(&mut self, votes: &[CheckedVote], target: &Target) {
        let mut known: Vec<(u8, u32)> = Vec::new();
        for vote in votes {
            let voter = vote.voter.as_ref();
            let digest = voter.map_or(NO_VOTER, |voter| &voter.as_bytes()[..]);
            self.voters.extend_from_slice(digest);
            let index = voter.map_or(0, |voter| {
                let bucket = (vote.channel, bucket_of(voter));
                let index = known.iter().position(|known| *known == bucket);
                index.unwrap_or_else(|| {
                    known.push(bucket);
                    let channel = target.channel(vote.channel);
                    self.bucket_keys.push(target.keys.voters(channel, bucket.1));
                    known.len() - 1
                })
            });
            // At most `max_checked_per_batch` buckets, which the settings bound to 16 bits.
            let index = u16::try_from(index).unwrap_or(0);
            self.buckets.extend_from_slice(&index.to_be_bytes());
        }
    }
}

/// A channel and a candidate that votes of the batch are for.
#[derive(Debug, PartialEq, Eq)]
struct Pair {
    channel: u8,
    candidate: u8,
    /// Votes that need no look-up.
    votes: u64,
    /// Whether those that do are looked up, and no more.
    is_withdrawn: bool,
}

/// Every channel and candidate of the batch.
fn pairs(batch: &Batch) -> Vec<Pair> {
    let plain = batch.plain.iter();
    let mut pairs: Vec<Pair> = plain
        .map(|&(channel, candidate, votes)| Pair {
            channel,
            candidate,
            votes,
            is_withdrawn: false,
        })
        .collect();
    for vote in &batch.checked {
        let known = pairs
            .iter_mut()
            .find(|pair| (pair.channel, pair.candidate) == (vote.channel, vote.candidate));
        match known {
            Some(pair) => pair.is_withdrawn |= vote.is_withdrawn,
            None => pairs.push(Pair {
                channel: vote.channel,
                candidate: vote.candidate,
                votes: 0,
                is_withdrawn: vote.is_withdrawn,
            }),
        }
    }
    pairs
}

/// The bucket of a voter; from other bytes of the digest than the shard, so that the voters of one
/// shard spread over all its buckets.
fn bucket_of(voter: &VoterDigest) -> u32 {
    let bytes = voter.as_bytes();
    u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]) % VOTER_BUCKETS
}

#[cfg(test)]
mod tests {
    use vote_domain::{PollDefinition, PollId};

    use super::*;

    fn target() -> Target {
        let json = serde_json::json!({
            "id": "p1", "title": "P1", "direction": "eliminate", "kind": "live",
            "opens_at": "2025-11-24T00:00:00Z", "closes_at": "2025-11-26T00:00:00Z",
            "timezone": "America/Sao_Paulo", "visibility": "public",
            "candidates": [{ "id": "ana", "name": "Ana" }, { "id": "bia", "name": "Bia" }],
            "channels": [{ "id": "unico", "weight": 1, "eligibility": "voter", "votes_per_voter": 2 }],
        });
        let poll =
            PollDefinition::parse_json(json.to_string().as_bytes()).expect("a valid definition");
        Target::new(&poll, 0, 60_000)
    }

    fn vote(voter: Option<&str>) -> CheckedVote {
        let poll = PollId::parse("p1").expect("a poll's id");
        CheckedVote {
            channel: 0,
            candidate: 1,
            key: None,
            voter: voter.map(|name| VoterDigest::new(&[7; 32], &poll, name)),
            is_withdrawn: false,
        }
    }

    #[test]
    fn votes_without_voters_name_no_buckets() {
        let packed = Packed::new(&[vote(None), vote(None)], &target());
        assert_eq!(packed.digests, [0; 30]);
        assert_eq!(packed.codes, [0, 1, 0, 1]);
        assert!(packed.voters.is_empty() && packed.bucket_keys.is_empty());
    }

    #[test]
    fn each_bucket_is_one_key_and_each_vote_names_its_voters() {
        let votes = [vote(Some("maria")), vote(Some("joao")), vote(Some("maria"))];
        let packed = Packed::new(&votes, &target());
        assert_eq!(packed.bucket_keys.len(), 2);
        assert_eq!(packed.buckets, [0, 0, 0, 1, 0, 0]);
        assert_eq!(packed.voters.len(), 48);
    }

    #[test]
    fn a_candidate_that_has_checked_votes_alone_is_named_without_plain_ones() {
        let mut batch = Batch::starting(0);
        batch.add_plain(0, 0, 5);
        batch.checked = vec![vote(None), vote(None)];
        let pair = |candidate, votes, is_withdrawn| Pair {
            channel: 0,
            candidate,
            votes,
            is_withdrawn,
        };
        assert_eq!(pairs(&batch), [pair(0, 5, false), pair(1, 0, false)]);
        batch.checked[1].is_withdrawn = true;
        assert_eq!(pairs(&batch), [pair(0, 5, false), pair(1, 0, true)]);
    }

    #[test]
    fn a_batch_that_is_sent_again_is_remembered_from_now_on() {
        let batch = Batch::starting(60_000);
        let writer = WriterId::from_bytes([1; 8]);
        let mut call = Call::new(writer, 1, Mode::Live, &batch);
        let has = |call: &Call<'_>, stamp: [u8; 2]| {
            let packed = call.command(&target()).get_packed_command();
            let argument = [b"\r\n$2\r\n", &stamp[..], b"\r\n"].concat();
            packed.windows(argument.len()).any(|part| part == argument)
        };
        assert!(has(&call, [0, 16]) && !has(&call, [0, 48]));
        call.age = Duration::from_secs(120);
        assert!(has(&call, [0, 48]) && !has(&call, [0, 16]));
    }
}
