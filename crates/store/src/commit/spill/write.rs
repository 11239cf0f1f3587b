//! Writing a spill.

use std::io::{self, Write};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use vote_domain::{WriterId, wire_time};

use super::document::{BatchLine, EndLine, FORMAT, HeadLine, LaneLine, Line, VERSION};
use super::lane::{Spill, SpilledBatch, SpilledLane};

/// Writes lines, and knows the digest of all of them.
struct Lines<W> {
    out: W,
    digest: Sha256,
}

impl<W: Write> Lines<W> {
    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.digest.update(&bytes);
        self.out.write_all(&bytes)
    }
}

impl Spill {
    /// Writes all of it, batch by batch. It holds digests of keys and of voters, and nothing else of anybody.
    ///
    /// # Errors
    /// Where `out` takes no more.
    pub fn write(&self, out: impl Write, at: Timestamp, software: &str) -> io::Result<()> {
        let mut lines = Lines {
            out,
            digest: Sha256::new(),
        };
        lines.write(&HeadLine {
            format: FORMAT.to_owned(),
            version: VERSION,
            software: software.to_owned(),
            written_at: wire_time::floor(at),
            key_window_ms: self.key_window_ms,
        })?;
        for lane in &self.lanes {
            lines.write(&Line::Lane(lane.line()))?;
            for batch in &lane.batches {
                lines.write(&Line::Batch(batch.line(lane)))?;
            }
        }
        let sha256 = HEXLOWER.encode(&lines.digest.clone().finalize());
        lines.write(&Line::End(EndLine {
            lanes: self.lanes.len(),
            batches: self.lanes.iter().map(|lane| lane.batches.len()).sum(),
            votes: self.votes(),
            sha256,
        }))?;
        lines.out.flush()
    }

    /// The first writer in it, for the name of its file.
    #[must_use]
    pub fn first_writer(&self) -> Option<WriterId> {
        self.lanes.first().map(|lane| lane.writer)
    }
}

impl SpilledLane {
    fn line(&self) -> LaneLine {
        LaneLine {
            poll: self.poll.clone(),
            shard: self.shard,
            writer: self.writer,
            last_sequence: self.last_sequence,
            redis_last: self.redis_last,
            votes: self.votes(),
            predecessors: self.predecessors.clone(),
            fields: self.fields.clone(),
        }
    }

    fn place(&self, channel: u8, candidate: u8) -> usize {
        usize::from(channel) * self.candidates + usize::from(candidate)
    }
}

impl SpilledBatch {
    fn line(&self, lane: &SpilledLane) -> BatchLine {
        let batch = &self.batch;
        let plain = batch.plain.iter();
        let checked = batch.checked.iter();
        BatchLine {
            sequence: self.sequence,
            earliest_ms: batch.earliest_ms,
            latest_ms: batch.latest_ms,
            counted: self.counted,
            before: self.origins.clone(),
            plain: plain
                .map(|&(channel, candidate, votes)| (lane.place(channel, candidate), votes))
                .collect(),
            checked: checked
                .map(|vote| {
                    let place = lane.place(vote.channel, vote.candidate);
                    let key = vote.key.map(|key| HEXLOWER.encode(key.as_bytes()));
                    let voter = vote.voter.map(|voter| HEXLOWER.encode(voter.as_bytes()));
                    (place, key, voter)
                })
                .collect(),
            quarantined: (0..)
                .zip(&batch.checked)
                .filter_map(|(place, vote)| Some((place, vote.quarantine?)))
                .collect(),
        }
    }
}
