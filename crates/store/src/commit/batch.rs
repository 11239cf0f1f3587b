//! A batch of votes: what one run of `commit.lua` carries.

use std::{borrow::Cow, time::Duration};

use redis::Cmd;
use vote_domain::{KeyDigest, PollDefinition, VoterDigest, WriterId};

use crate::{
    keys::{ShardKeys, VOTER_BUCKETS},
    script::COMMIT,
};

/// Stands for a key or a voter that a vote does not have.
const NO_DIGEST: &[u8] = &[0; 16];

/// How the script is to take a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode<'a> {
    /// Votes on their way in: the fence decides.
    Live,
    /// A batch that had been acknowledged and that Redis has forgotten since; to these earlier writers first.
    Replay(&'a [Origin]),
    /// No votes: is the sequence the last one that Redis has, and how many votes has it of the writer?
    Check,
    /// As `Check`, of a writer whose poll is closed: marks it as drained for that closing time.
    Drain,
    /// As `Check`, of a writer that will never send again: marks it as ended.
    End,
    /// No votes: uses the sequence, so that a batch sent under it can't apply any more.
    Burn,
}

/// The writer that a batch had been acknowledged to, and the sequence that it had.
pub(crate) type Origin = (WriterId, u64);

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
            Self::Drain => "drain",
            Self::End => "end",
            Self::Burn => "burn",
        })
    }
}

/// A vote that the script has to look up: by its key, by its voter, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckedVote {
    pub(crate) channel: u8,
    pub(crate) candidate: u8,
    pub(crate) key: Option<KeyDigest>,
    pub(crate) voter: Option<VoterDigest>,
}

/// The votes of one batch, all received in one minute, summed as far as they can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Minutes since the Unix epoch.
    pub(crate) minute: i64,
    pub(crate) earliest_ms: i64,
    pub(crate) latest_ms: i64,
    /// Votes that need no look-up, by channel and candidate.
    pub(crate) plain: Vec<(u8, u8, u64)>,
    pub(crate) checked: Vec<CheckedVote>,
}

impl Batch {
    /// A batch without votes, for a [`Mode::Check`].
    pub(crate) fn empty() -> Self {
        Self {
            minute: 0,
            earliest_ms: 0,
            latest_ms: 0,
            plain: Vec::new(),
            checked: Vec::new(),
        }
    }

    /// An empty batch for votes received in the minute of `received_at_ms`.
    pub(crate) fn starting(received_at_ms: i64) -> Self {
        Self {
            minute: minute_of(received_at_ms),
            earliest_ms: received_at_ms,
            latest_ms: received_at_ms,
            ..Self::empty()
        }
    }

    /// Adds votes that need no look-up.
    pub(crate) fn add_plain(&mut self, channel: u8, candidate: u8, votes: u64) {
        match self
            .plain
            .iter_mut()
            .find(|(ch, ca, _)| (*ch, *ca) == (channel, candidate))
        {
            Some((_, _, sum)) => *sum += votes,
            None => self.plain.push((channel, candidate, votes)),
        }
    }

    /// Widens the span of receive times.
    pub(crate) fn span(&mut self, received_at_ms: i64) {
        self.earliest_ms = self.earliest_ms.min(received_at_ms);
        self.latest_ms = self.latest_ms.max(received_at_ms);
    }

    /// All votes of the batch.
    pub(crate) fn votes(&self) -> u64 {
        self.plain.iter().map(|(_, _, votes)| votes).sum::<u64>() + self.checked.len() as u64
    }

    /// The memory that the batch takes beside itself, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.plain.capacity() * size_of::<(u8, u8, u64)>()
            + self.checked.capacity() * size_of::<CheckedVote>()
    }

    /// Lets go of memory that it has to spare.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.plain.shrink_to_fit();
        self.checked.shrink_to_fit();
    }

    /// The call of `commit.lua` for this batch, which was made `age` ago.
    pub(crate) fn command(
        &self,
        target: &Target,
        writer: &WriterId,
        sequence: u64,
        mode: Mode<'_>,
        age: Duration,
    ) -> Cmd {
        let keys = &target.keys;
        // Recorded where a repeat of today looks for it, not one of when the batch was new.
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(0);
        let window = (self.latest_ms + age_ms).div_euclid(target.idempotency_window_ms);

        let mut digests = Vec::with_capacity(self.checked.len() * 16);
        let mut codes = Vec::with_capacity(self.checked.len() * 2);
        let mut voters = Vec::new();
        let mut bucket_numbers = Vec::new();
        let mut bucket_keys: Vec<String> = Vec::new();
        let has_voters = self.checked.iter().any(|vote| vote.voter.is_some());
        let mut known_buckets: Vec<(u8, u32)> = Vec::new();
        for vote in &self.checked {
            digests.extend_from_slice(
                vote.key
                    .as_ref()
                    .map_or(NO_DIGEST, |key| &key.as_bytes()[..]),
            );
            codes.extend_from_slice(&[vote.channel, vote.candidate]);
            if !has_voters {
                continue;
            }
            voters.extend_from_slice(
                vote.voter
                    .as_ref()
                    .map_or(NO_DIGEST, |voter| &voter.as_bytes()[..]),
            );
            let number = match &vote.voter {
                None => 0,
                Some(voter) => {
                    let bucket = (vote.channel, bucket_of(voter));
                    known_buckets
                        .iter()
                        .position(|known| *known == bucket)
                        .unwrap_or_else(|| {
                            known_buckets.push(bucket);
                            bucket_keys.push(keys.voters(target.channel(vote.channel), bucket.1));
                            known_buckets.len() - 1
                        })
                }
            };
            // At most `max_checked_per_batch` buckets, which the settings bound to 16 bits.
            bucket_numbers.extend_from_slice(&u16::try_from(number).unwrap_or(0).to_be_bytes());
        }

        let mut pairs: Vec<(u8, u8, u64)> = self.plain.clone();
        for vote in &self.checked {
            let pair = (vote.channel, vote.candidate);
            if !pairs.iter().any(|(ch, ca, _)| (*ch, *ca) == pair) {
                pairs.push((pair.0, pair.1, 0));
            }
        }

        let mut command = COMMIT.command(9 + bucket_keys.len());
        command
            .arg(keys.state())
            .arg(keys.tally())
            .arg(keys.minutes(self.minute.div_euclid(60)))
            .arg(keys.writers())
            .arg(keys.replies())
            .arg(keys.late())
            .arg(keys.seen(window - 1))
            .arg(keys.seen(window))
            .arg(keys.seen(window + 1))
            .arg(bucket_keys)
            .arg(writer.to_string())
            .arg(sequence)
            .arg(mode.argument().as_ref())
            .arg(self.earliest_ms)
            .arg(self.latest_ms)
            .arg(self.minute.rem_euclid(60))
            // A digest written at the end of a window is asked for until the end of the next one,
            // and by a process whose clock is behind a window longer.
            .arg(3 * target.idempotency_window_ms)
            .arg(digests)
            .arg(codes)
            .arg(voters)
            .arg(bucket_numbers);
        for (channel, candidate, votes) in pairs {
            command
                .arg(target.field(channel, candidate))
                .arg(&[channel, candidate])
                .arg(votes)
                .arg(target.limit(channel));
        }
        command
    }
}

/// The minute that a vote counts in, since the Unix epoch.
pub(crate) const fn minute_of(received_at_ms: i64) -> i64 {
    received_at_ms.div_euclid(60_000)
}

/// The bucket of a voter; from other bytes of the digest than the shard, so that the voters of one
/// shard spread over all its buckets.
fn bucket_of(voter: &VoterDigest) -> u32 {
    let bytes = voter.as_bytes();
    u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]) % VOTER_BUCKETS
}

/// What a lane's batches are written to: the shard's keys and the poll's fields.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) keys: ShardKeys,
    pub(crate) idempotency_window_ms: i64,
    channels: Vec<(String, u32)>,
    fields: Vec<String>,
    candidates: usize,
}

impl Target {
    pub(crate) fn new(poll: &PollDefinition, shard: u16, idempotency_window_ms: i64) -> Self {
        let fields = poll
            .channels()
            .iter()
            .flat_map(|channel| {
                poll.candidates()
                    .iter()
                    .map(move |candidate| crate::fields::pair(&channel.id, &candidate.id))
            })
            .collect();
        Self {
            keys: ShardKeys::new(poll.id(), shard),
            idempotency_window_ms,
            channels: poll
                .channels()
                .iter()
                .map(|channel| (channel.id.to_string(), channel.votes_per_voter.unwrap_or(0)))
                .collect(),
            fields,
            candidates: poll.candidates().len(),
        }
    }

    fn field(&self, channel: u8, candidate: u8) -> &str {
        &self.fields[usize::from(channel) * self.candidates + usize::from(candidate)]
    }

    fn channel(&self, channel: u8) -> &str {
        &self.channels[usize::from(channel)].0
    }

    fn limit(&self, channel: u8) -> u32 {
        self.channels[usize::from(channel)].1
    }
}
