//! One call of `commit.lua`: a batch, or a question, as the script reads it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use redis::Cmd;
use vote_domain::{Fate, QuarantineReason, WriterId};

use super::batch::{Batch, CheckedVote, Origin};
use super::target::Target;
use super::voter_places::HELD;
use crate::fields;
use crate::script::{COMMIT, COMMIT_ENTRY, Script};

/// Stands for a voter that a vote does not have.
const NO_VOTER: [u8; HELD] = [0; HELD];

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
        let stamp = target.remembered.stamp(batch.latest_ms + age_ms);
        let checked = Packed::new(&batch.checked, target, stamp);
        let pairs = pairs(batch);
        let aside = Aside::new(batch, &pairs, target);
        let key_count = 8 + checked.bucket_keys.len() + aside.keys.len();
        let mut command = self.script().command(key_count);
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
            .arg(aside.keys)
            .arg(self.writer.to_string())
            .arg(self.sequence)
            .arg(self.mode.argument().as_ref())
            .arg(batch.earliest_ms)
            .arg(batch.latest_ms)
            // A question has no votes.
            .arg(aside.votes.unwrap_or_else(|| self.noted().into_bytes()))
            .arg(target.remembered.lifetime_ms())
            .arg(&stamp)
            .arg(checked.voters)
            .arg(checked.buckets)
            .arg(checked.shared)
            .arg(pairs.len())
            .arg(checked.fields.len());
        for pair in &pairs {
            command.arg(pair.field(target).as_ref());
        }
        for pair in &pairs {
            command.arg(&[pair.channel, pair.candidate]);
        }
        for pair in &pairs {
            command.arg(pair.votes);
        }
        for pair in &pairs {
            command.arg(pair.limit(target));
        }
        for field in &checked.fields {
            command.arg(field.as_ref().map_or(&[][..], <[u8; 3]>::as_slice));
        }
        for record in &checked.records {
            command.arg(record.as_slice());
        }
        command
    }
}

/// The checked votes of a batch, as the script takes them.
struct Packed {
    /// The fields of `seen` that their keys are in; none where none has a key.
    fields: Vec<Option<[u8; 3]>>,
    /// Where those are that share their field with another, big-endian.
    shared: Vec<u8>,
    records: Vec<Record>,
    voters: Vec<u8>,
    /// For each vote the index of its voter's bucket in `bucket_keys`, big-endian.
    buckets: Vec<u8>,
    bucket_keys: Vec<String>,
}

/// What `seen` will hold of a vote; without a key, what there is to say of it.
struct Record([u8; 16], usize);

impl Record {
    fn new(stamp: [u8; 2], vote: &CheckedVote, held: Option<[u8; 12]>) -> Self {
        let mut bytes = [0; 16];
        let (head, tail) = bytes.split_at_mut(4);
        head.copy_from_slice(&[stamp[0], stamp[1], vote.channel, vote.candidate]);
        tail.copy_from_slice(&held.unwrap_or_default());
        Self(bytes, if held.is_some() { 16 } else { 4 })
    }

    fn as_slice(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

impl Packed {
    fn new(votes: &[CheckedVote], target: &Target, stamp: [u8; 2]) -> Self {
        let mut packed = Self {
            fields: Vec::with_capacity(votes.len()),
            shared: Vec::new(),
            records: Vec::with_capacity(votes.len()),
            voters: Vec::new(),
            buckets: Vec::new(),
            bucket_keys: Vec::new(),
        };
        for vote in votes {
            let (field, held) = vote.key.map(|key| target.remembered.place(&key)).unzip();
            packed.fields.push(field);
            packed.records.push(Record::new(stamp, vote, held));
        }
        if packed.fields.iter().all(Option::is_none) {
            packed.fields.clear();
        }
        packed.shared = shared(&packed.fields);
        if votes.iter().any(|vote| vote.voter.is_some()) {
            packed.add_voters(votes, target);
        }
        packed
    }

    fn add_voters(&mut self, votes: &[CheckedVote], target: &Target) {
        let mut known: HashMap<(u8, u32), usize> = HashMap::new();
        for vote in votes {
            let voter = vote.voter.as_ref();
            let place = voter.map(|voter| target.voter_places.place(voter));
            let (bucket, held) = place.unzip();
            self.voters.extend_from_slice(&held.unwrap_or(NO_VOTER));
            let index = bucket.map_or(0, |bucket| {
                *known.entry((vote.channel, bucket)).or_insert_with(|| {
                    let channel = target.channel(vote.channel);
                    self.bucket_keys.push(target.keys.voters(channel, bucket));
                    self.bucket_keys.len() - 1
                })
            });
            // At most `max_checked_per_batch` buckets, which the settings bound to 16 bits.
            let index = u16::try_from(index).unwrap_or(0);
            self.buckets.extend_from_slice(&index.to_be_bytes());
        }
    }
}

/// Where the fields are that are there more than once, big-endian.
fn shared(fields: &[Option<[u8; 3]>]) -> Vec<u8> {
    // At most `max_checked_per_batch` of them, which the settings bound to 16 bits.
    let places = fields.iter().zip(0..=u16::MAX);
    let mut sorted: Vec<_> = places
        .filter_map(|(field, place)| field.map(|field| (field, place)))
        .collect();
    sorted.sort_unstable();
    let mut shared: Vec<u16> = sorted
        .chunk_by(|one, other| one.0 == other.0)
        .filter(|chunk| chunk.len() > 1)
        .flatten()
        .map(|(_, place)| *place)
        .collect();
    shared.sort_unstable();
    shared.into_iter().flat_map(u16::to_be_bytes).collect()
}

/// A channel and a candidate that votes of the batch are for.
#[derive(Debug, PartialEq, Eq)]
struct Pair {
    channel: u8,
    candidate: u8,
    votes: u64,
    /// Whether those that are looked up are looked up, and no more.
    is_withdrawn: bool,
    /// Why they are set aside, if they are.
    quarantine: Option<QuarantineReason>,
}

impl Pair {
    /// The field that the votes are counted in.
    fn field<'t>(&self, target: &'t Target) -> Cow<'t, str> {
        let pair = target.field(self.channel, self.candidate);
        match self.quarantine {
            None => Cow::Borrowed(pair),
            Some(reason) => Cow::Owned(fields::set_aside(Fate::Undecided, reason, pair)),
        }
    }

    /// The votes that a voter has, as the script takes it.
    fn limit(&self, target: &Target) -> i64 {
        if self.is_withdrawn {
            WITHDRAWN
        } else {
            i64::from(target.limit(self.channel))
        }
    }
}

/// Every channel and candidate of the batch; after all others those of votes that are set aside, by reason.
fn pairs(batch: &Batch) -> Vec<Pair> {
    let plain = batch.plain.iter();
    let mut pairs: Vec<Pair> = plain
        .map(|&(channel, candidate, votes)| Pair {
            channel,
            candidate,
            votes,
            is_withdrawn: false,
            quarantine: None,
        })
        .collect();
    let mut has_aside = false;
    for vote in &batch.checked {
        match vote.quarantine {
            None => add(&mut pairs, vote),
            Some(_) => has_aside = true,
        }
    }
    if has_aside {
        for vote in batch
            .checked
            .iter()
            .filter(|vote| vote.quarantine.is_some())
        {
            add(&mut pairs, vote);
        }
        // The script knows limits by channel and candidate alone.
        for vote in batch.checked.iter().filter(|vote| vote.is_withdrawn) {
            let same =
                |pair: &&mut Pair| (pair.channel, pair.candidate) == (vote.channel, vote.candidate);
            pairs
                .iter_mut()
                .filter(same)
                .for_each(|pair| pair.is_withdrawn = true);
        }
    }
    pairs
}

fn add(pairs: &mut Vec<Pair>, vote: &CheckedVote) {
    let of = (vote.channel, vote.candidate, vote.quarantine);
    let known = pairs
        .iter_mut()
        .find(|pair| (pair.channel, pair.candidate, pair.quarantine) == of);
    match known {
        Some(pair) => {
            pair.votes += 1;
            pair.is_withdrawn |= vote.is_withdrawn;
        }
        None => pairs.push(Pair {
            channel: vote.channel,
            candidate: vote.candidate,
            votes: 1,
            is_withdrawn: vote.is_withdrawn,
            quarantine: vote.quarantine,
        }),
    }
}

/// What the script has to know of votes that are set aside: nothing where there are none.
struct Aside {
    keys: Vec<String>,
    votes: Option<Vec<u8>>,
}

impl Aside {
    fn new(batch: &Batch, pairs: &[Pair], target: &Target) -> Self {
        let (keys, minute) = (&target.keys, batch.minute);
        match aside(batch, pairs) {
            None => Self {
                keys: Vec::new(),
                votes: None,
            },
            votes => Self {
                keys: vec![keys.quarantine(), keys.quarantine_minute(minute)],
                votes,
            },
        }
    }
}

/// Which checked votes are set aside, and which of `pairs` they count for.
fn aside(batch: &Batch, pairs: &[Pair]) -> Option<Vec<u8>> {
    let count = pairs
        .iter()
        .rev()
        .take_while(|pair| pair.quarantine.is_some())
        .count();
    if count == 0 {
        return None;
    }
    // At most `max_checked_per_batch` of them, which the settings bound to 16 bits.
    let number = |place: usize| u16::try_from(place).unwrap_or(0).to_be_bytes();
    let mut aside = number(count).to_vec();
    for (place, vote) in batch.checked.iter().enumerate() {
        let of = (vote.channel, vote.candidate, vote.quarantine);
        let pair = pairs
            .iter()
            .position(|pair| (pair.channel, pair.candidate, pair.quarantine) == of);
        if let (Some(_), Some(pair)) = (vote.quarantine, pair) {
            aside.extend(number(place).into_iter().chain(number(pair)));
        }
    }
    Some(aside)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use vote_domain::{KeyDigest, Poll, PollDefinition, PollId, VoterDigest};

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
        let draft = Poll::draft(poll, Timestamp::UNIX_EPOCH, "test");
        Target::new(&draft, 0, 60_000)
    }

    fn vote(voter: Option<&str>) -> CheckedVote {
        let poll = PollId::parse("p1").expect("a poll's id");
        CheckedVote {
            channel: 0,
            candidate: 1,
            key: None,
            voter: voter.map(|name| VoterDigest::new(&[7; 32], &poll, name)),
            is_withdrawn: false,
            quarantine: None,
        }
    }

    fn packed(votes: &[CheckedVote]) -> Packed {
        Packed::new(votes, &target(), [8, 9])
    }

    #[test]
    fn votes_without_keys_and_voters_are_their_codes_alone() {
        let packed = packed(&[vote(None), vote(None)]);
        assert!(packed.fields.is_empty() && packed.shared.is_empty());
        assert!(packed.voters.is_empty() && packed.bucket_keys.is_empty());
        let records: Vec<_> = packed.records.iter().map(Record::as_slice).collect();
        assert_eq!(records, [[8, 9, 0, 1]; 2]);
    }

    #[test]
    fn a_key_is_a_field_and_a_record_and_those_that_share_a_field_are_named() {
        let key = |number| KeyDigest::from_bytes([number; 16]);
        let keyed = |number| CheckedVote {
            key: Some(key(number)),
            ..vote(None)
        };
        let votes = [keyed(1), vote(None), keyed(2), keyed(1)];
        let packed = packed(&votes);
        let field = |number| Some(target().remembered.place(&key(number)).0);
        assert_ne!(field(1), field(2));
        assert_eq!(packed.fields, [field(1), None, field(2), field(1)]);
        assert_eq!(packed.shared, [0, 0, 0, 3]);
        let record = [&[8, 9, 0, 1][..], &[2; 12]].concat();
        assert_eq!(packed.records[2].as_slice(), record);
        assert_eq!(packed.records[1].as_slice(), [8, 9, 0, 1]);
    }

    #[test]
    fn each_bucket_is_one_key_and_each_vote_names_its_voters() {
        let votes = [vote(Some("maria")), vote(Some("joao")), vote(Some("maria"))];
        let packed = packed(&votes);
        assert_eq!(packed.bucket_keys.len(), 2);
        assert_eq!(packed.buckets, [0, 0, 0, 1, 0, 0]);
        assert_eq!(packed.voters.len(), 3 * HELD);
    }

    #[test]
    fn a_candidate_has_its_plain_and_its_checked_votes() {
        let mut batch = Batch::starting(0);
        batch.add_plain(0, 0, 5);
        batch.checked = vec![vote(None), vote(None)];
        let pair = |candidate, votes, is_withdrawn| Pair {
            channel: 0,
            candidate,
            votes,
            is_withdrawn,
            quarantine: None,
        };
        assert_eq!(pairs(&batch), [pair(0, 5, false), pair(1, 2, false)]);
        batch.checked[1].is_withdrawn = true;
        batch.checked[0].candidate = 0;
        assert_eq!(pairs(&batch), [pair(0, 6, false), pair(1, 1, true)]);
    }

    #[test]
    fn votes_that_are_set_aside_come_last_and_are_named_with_what_they_count_for() {
        let suspect = |candidate, reason| CheckedVote {
            candidate,
            quarantine: Some(reason),
            ..vote(None)
        };
        let (deny, fast) = (QuarantineReason::DenyList, QuarantineReason::FastProof);
        let mut batch = Batch::starting(0);
        batch.checked = vec![
            suspect(1, fast),
            vote(None),
            suspect(0, deny),
            suspect(1, fast),
        ];
        let found = pairs(&batch);
        let of: Vec<_> = found
            .iter()
            .map(|pair| (pair.candidate, pair.votes, pair.quarantine))
            .collect();
        assert_eq!(of, [(1, 1, None), (1, 2, Some(fast)), (0, 1, Some(deny))]);
        let places = [0, 2, 0, 0, 0, 1, 0, 2, 0, 2, 0, 3, 0, 1];
        assert_eq!(aside(&batch, &found).as_deref(), Some(&places[..]));
        assert_eq!(found[1].field(&target()), "undecided/fast_proof/unico/bia");
        batch.checked[1].is_withdrawn = true;
        let withdrawn: Vec<_> = pairs(&batch).iter().map(|pair| pair.is_withdrawn).collect();
        assert_eq!(withdrawn, [true, true, false]);
        batch.checked.retain(|vote| vote.quarantine.is_none());
        assert_eq!(aside(&batch, &pairs(&batch)), None);
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
