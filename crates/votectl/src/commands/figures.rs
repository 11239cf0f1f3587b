//! A poll's figures, read and shown: what `poll show`, `poll seal` and `export` share.

use crate::failure::Failure;
use crate::table::{rendered, table};
use jiff::Timestamp;
use vote_domain::{CandidateStanding, MinuteSeries, Poll, SealedPoll, Standing, Tally, standing};
use vote_store::PollOperator;

/// The figures of all shards of a poll in one.
#[derive(Debug, Clone)]
pub struct Figures {
    /// What they make.
    pub standing: Standing,
    /// Votes that came too late, per channel and candidate.
    pub late: Tally,
    /// When the votes came.
    pub minutes: MinuteSeries,
    /// The final result, once there is one.
    pub sealed: Option<SealedPoll>,
}

impl Figures {
    /// Reads them, straight from where they are counted. A sealed poll's standing is the sealed one.
    ///
    /// # Errors
    /// When Redis can't be read, or the figures don't add up in 64 bits.
    pub async fn read(
        operator: &PollOperator,
        poll: &Poll,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let (channels, candidates) = (
            poll.definition.channels().len(),
            poll.definition.candidates().len(),
        );
        let (mut tally, mut late) = (
            Tally::new(channels, candidates),
            Tally::new(channels, candidates),
        );
        let mut minutes = MinuteSeries::new(channels, candidates);
        let mut revision = poll.revision;
        for shard in operator.figures(poll).await? {
            tally.merge(&shard.tally).map_err(anyhow::Error::from)?;
            late.merge(&shard.late).map_err(anyhow::Error::from)?;
            minutes.merge(&shard.minutes).map_err(anyhow::Error::from)?;
            revision += shard
                .writers
                .values()
                .map(|writer| writer.last_sequence)
                .sum::<u64>();
        }
        let sealed = operator.sealed(poll.definition.id()).await?;
        let standing = match &sealed {
            Some(sealed) => sealed.standing.clone(),
            None => standing(poll, &tally, now, revision, poll.phase(now).status()),
        };
        Ok(Self {
            standing,
            late,
            minutes,
            sealed,
        })
    }
}

/// A standing as tables: the weighted result, then each channel's, when there are several.
#[must_use]
pub fn standing_text(standing: &Standing) -> String {
    let total = standing.total_votes.unwrap_or(0);
    let mut text = format!(
        "{total} votes, {}\n\n{}",
        standing.status,
        candidates_text(&standing.candidates)
    );
    if let [_, _, ..] = standing.channels.as_slice() {
        for channel in &standing.channels {
            let total = channel.total_votes.unwrap_or(0);
            text.push_str(&format!(
                "\n\nchannel {} (weight {}, {total} votes)\n\n",
                channel.id, channel.weight
            ));
            text.push_str(&candidates_text(&channel.candidates));
        }
    }
    text
}

fn candidates_text(candidates: &[CandidateStanding]) -> String {
    let mut table = table(["RANK", "CANDIDATE", "NAME", "VOTES", "PERCENT"]);
    let mut ranked: Vec<&CandidateStanding> = candidates.iter().collect();
    ranked.sort_by_key(|candidate| candidate.rank);
    for candidate in ranked {
        table.add_row([
            candidate.rank.to_string(),
            candidate.id.to_string(),
            candidate.name.clone(),
            candidate.votes.unwrap_or(0).to_string(),
            candidate.percent.to_string(),
        ]);
    }
    rendered(table, 3..5)
}
