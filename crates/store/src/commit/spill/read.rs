//! Reading a spill, which may be anything: nothing of it is used before all of it is proven.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use vote_domain::{KeyDigest, QuarantineReason, VoterDigest};

use super::document::{
    BatchLine, EndLine, FORMAT, HeadLine, Header, LaneLine, Line, MAX_SPILL_BYTES, VERSION,
};
use super::error::SpillError;
use super::lane::{Spill, SpilledBatch, SpilledLane};
use crate::commit::batch::{Batch, CheckedVote, minute_of};

/// The largest figure and sequence: what the script counts exactly.
const MAX_FIGURE: u64 = 1 << 53;
/// Channels and candidates are told apart by a byte each.
const MAX_PLACES: usize = 256;

/// When and with what a spill was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpillHead {
    /// When, to the millisecond.
    pub at: Timestamp,
    /// The program and its version.
    pub software: String,
}

/// A spill that was read from its file, proven to be whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSpill {
    /// When and with what it was written.
    pub head: SpillHead,
    /// What it holds.
    pub spill: Spill,
    /// SHA-256 in lower-case hexadecimal over all of its lines but the last.
    pub sha256: String,
}

impl WrittenSpill {
    /// Whether keys of votes that it holds may be forgotten by now: a repeat of one of them may have been recorded, and
    /// is not found any more.
    #[must_use]
    pub fn outlives_keys(&self, now: Timestamp) -> bool {
        let age_ms = now
            .as_millisecond()
            .saturating_sub(self.head.at.as_millisecond());
        age_ms > self.spill.key_window_ms
    }
}

/// What has been read so far.
struct Reader {
    spill: Spill,
    batches: usize,
    /// The votes that the lane which is being read has said.
    said: u64,
}

impl WrittenSpill {
    /// Reads a spill.
    ///
    /// # Errors
    /// What is wrong with it, and in which line.
    pub fn parse(bytes: &[u8]) -> Result<Self, SpillError> {
        if bytes.len() > MAX_SPILL_BYTES {
            return Err(SpillError::TooLarge);
        }
        if bytes.trim_ascii().is_empty() {
            return Err(SpillError::Empty);
        }
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let head = head(first)?;
        let mut reader = Reader {
            spill: Spill {
                lanes: Vec::new(),
                key_window_ms: head.key_window_ms,
            },
            batches: 0,
            said: 0,
        };
        let mut read = first.len();
        for (number, text) in (2..).zip(lines) {
            let begin = read;
            read += text.len();
            let line = match json::<Line>(number, text) {
                // The last thing that was written of a file that was cut off.
                Err(_) if read == bytes.len() && !text.ends_with(b"\n") => {
                    return Err(SpillError::CutOff);
                }
                line => line?,
            };
            match line {
                Line::Lane(lane) => reader.lane(lane).map_err(|why| at(number, &why))?,
                Line::Batch(batch) => reader.batch(batch).map_err(|why| at(number, &why))?,
                Line::End(end) => {
                    reader.end(number, &end, &bytes[..begin])?;
                    if read != bytes.len() {
                        let why = "the spill had ended in the line before: is it two files in one?";
                        return Err(at(number + 1, why));
                    }
                    return Ok(Self {
                        head: SpillHead {
                            at: head.written_at,
                            software: head.software,
                        },
                        spill: reader.spill,
                        sha256: end.sha256,
                    });
                }
            }
        }
        Err(SpillError::CutOff)
    }
}

fn at(line: usize, reason: &str) -> SpillError {
    SpillError::line(line, reason)
}

fn json<T: DeserializeOwned>(line: usize, text: &[u8]) -> Result<T, SpillError> {
    serde_json::from_slice(text).map_err(|error| {
        // It names a line of the text that it was given, which is one line.
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or_default();
        SpillError::line(line, format!("column {}: {reason}", error.column()))
    })
}

fn head(line: &[u8]) -> Result<HeadLine, SpillError> {
    let header: Header = json(1, line)?;
    if header.format != FORMAT {
        return Err(SpillError::Format(header.format));
    }
    if header.version != u64::from(VERSION) {
        return Err(SpillError::Version(header.version));
    }
    let head: HeadLine = json(1, line)?;
    // As the setting takes it, in milliseconds.
    if !(1..=86_400_000).contains(&head.key_window_ms) {
        return Err(at(1, "key_window_ms: must be 1..=86400000"));
    }
    Ok(head)
}

impl Reader {
    fn lane(&mut self, line: LaneLine) -> Result<(), String> {
        self.check_votes()?;
        let known = self.spill.lanes.iter();
        if known
            .filter(|lane| lane.poll == line.poll && lane.shard == line.shard)
            .any(|lane| lane.writer == line.writer)
        {
            let (writer, shard) = (line.writer, line.shard);
            return Err(format!("writer {writer} of shard {shard} is there twice"));
        }
        let candidates = candidates(&line.fields)?;
        figure("last_sequence", line.last_sequence)?;
        figure("votes", line.votes)?;
        self.spill.lanes.push(SpilledLane {
            poll: line.poll,
            shard: line.shard,
            writer: line.writer,
            last_sequence: line.last_sequence,
            redis_last: line.redis_last,
            predecessors: line.predecessors,
            fields: line.fields,
            candidates,
            batches: Vec::new(),
        });
        self.said = line.votes;
        Ok(())
    }

    /// Whether the lane that was read last has the votes that it had said.
    fn check_votes(&self) -> Result<(), String> {
        let found = self.spill.lanes.last().map_or(0, SpilledLane::votes);
        if found == self.said {
            return Ok(());
        }
        let said = self.said;
        Err(format!(
            "the lane before says {said} votes, and has {found}"
        ))
    }

    fn batch(&mut self, line: BatchLine) -> Result<(), String> {
        let Some(lane) = self.spill.lanes.last_mut() else {
            return Err("a batch of no lane".to_owned());
        };
        let after = lane
            .batches
            .last()
            .map_or(line.sequence, |last| last.sequence + 1);
        if line.sequence == 0 || line.sequence != after || line.sequence > lane.last_sequence {
            let (sequence, last) = (line.sequence, lane.last_sequence);
            return Err(format!(
                "sequence: is {sequence}, after {} of at most {last}",
                after.saturating_sub(1)
            ));
        }
        let minute = minute_of(line.earliest_ms);
        if line.latest_ms < line.earliest_ms || minute_of(line.latest_ms) != minute || minute < 0 {
            return Err("earliest_ms, latest_ms: are not of one minute".to_owned());
        }
        let mut batch = Batch::starting(line.earliest_ms);
        batch.latest_ms = line.latest_ms;
        for (place, votes) in line.plain {
            figure("plain", votes)?;
            let (channel, candidate) = lane.pair(place)?;
            batch.plain.push((channel, candidate, votes));
        }
        for (place, key, voter) in line.checked {
            let (channel, candidate) = lane.pair(place)?;
            batch.checked.push(CheckedVote {
                channel,
                candidate,
                key: digest(key)?.map(KeyDigest::from_bytes),
                voter: digest(voter)?.map(VoterDigest::from_bytes),
                is_withdrawn: false,
                quarantine: None,
            });
        }
        set_aside(&mut batch, line.quarantined)?;
        let plain: u128 = batch
            .plain
            .iter()
            .map(|(_, _, votes)| u128::from(*votes))
            .sum();
        let votes = plain + batch.checked.len() as u128;
        if votes > u128::from(MAX_FIGURE) || u128::from(line.counted) > votes {
            let counted = line.counted;
            return Err(format!("counted: is {counted} of {votes} votes"));
        }
        lane.batches.push(SpilledBatch {
            sequence: line.sequence,
            batch,
            counted: line.counted,
            origins: line.before,
        });
        self.batches += 1;
        Ok(())
    }

    fn end(&self, number: usize, end: &EndLine, before: &[u8]) -> Result<(), SpillError> {
        self.check_votes().map_err(|why| at(number, &why))?;
        let actual = HEXLOWER.encode(&Sha256::digest(before));
        if actual != end.sha256 {
            return Err(SpillError::Digest {
                line: number,
                actual,
                recorded: end.sha256.chars().take(64).collect(),
            });
        }
        let found = (self.spill.lanes.len(), self.batches, self.spill.votes());
        if found != (end.lanes, end.batches, end.votes) {
            let (lanes, batches, votes) = found;
            return Err(SpillError::line(
                number,
                format!(
                    "it says {} lanes, {} batches, {} votes; there are {lanes}, {batches}, {votes}",
                    end.lanes, end.batches, end.votes
                ),
            ));
        }
        Ok(())
    }
}

impl SpilledLane {
    fn pair(&self, place: usize) -> Result<(u8, u8), String> {
        let known = self.fields.len();
        if place >= known {
            return Err(format!("place {place}: the lane has {known} fields"));
        }
        let byte = |n| u8::try_from(n).map_err(|_| format!("place {place}: is too large"));
        Ok((
            byte(place / self.candidates)?,
            byte(place % self.candidates)?,
        ))
    }
}

/// Sets votes of a batch aside again.
fn set_aside(batch: &mut Batch, votes: Vec<(usize, QuarantineReason)>) -> Result<(), String> {
    for (place, reason) in votes {
        let known = batch.checked.get_mut(place);
        let vote = known.filter(|vote| vote.quarantine.is_none());
        let vote =
            vote.ok_or_else(|| format!("quarantined: there is no vote {place}, or twice"))?;
        vote.quarantine = Some(reason);
    }
    Ok(())
}

/// How many candidates each channel has, of which all have the same.
fn candidates(fields: &[String]) -> Result<usize, String> {
    let mut pairs = Vec::with_capacity(fields.len());
    for field in fields {
        let pair = field.split_once('/').filter(|(channel, candidate)| {
            !channel.is_empty() && !candidate.is_empty() && !candidate.contains('/')
        });
        pairs.push(pair.ok_or("fields: one is not `<channel>/<candidate>`")?);
    }
    let channel = pairs.first().map(|(channel, _)| *channel);
    let count = pairs
        .iter()
        .take_while(|pair| Some(pair.0) == channel)
        .count();
    let Some(first) = pairs.get(..count).filter(|first| !first.is_empty()) else {
        return Err("fields: there are none".to_owned());
    };
    let is_whole = pairs.chunks(count).all(|chunk| {
        chunk.len() == count
            && chunk.iter().all(|pair| pair.0 == chunk[0].0)
            && chunk
                .iter()
                .zip(first)
                .all(|(pair, first)| pair.1 == first.1)
    });
    let mut names = fields.to_vec();
    names.sort_unstable();
    names.dedup();
    if !is_whole || names.len() != fields.len() {
        return Err("fields: each channel must have the same candidates, once".to_owned());
    }
    if count > MAX_PLACES || pairs.len() / count > MAX_PLACES {
        return Err(format!(
            "fields: more than {MAX_PLACES} channels or candidates"
        ));
    }
    Ok(count)
}

fn figure(name: &str, value: u64) -> Result<(), String> {
    if value <= MAX_FIGURE {
        return Ok(());
    }
    Err(format!("{name}: {value} is more than {MAX_FIGURE}"))
}

fn digest(hex: Option<String>) -> Result<Option<[u8; 16]>, String> {
    let Some(hex) = hex else { return Ok(None) };
    let bytes = HEXLOWER.decode(hex.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    let bytes = bytes.ok_or("checked: a digest must be 32 lower-case hexadecimal digits")?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
