//! A poll's figures, read and shown: what `poll show`, `poll seal` and `export` share.

use crate::failure::Failure;
use crate::table::{rendered, table};
use jiff::Timestamp;
use vote_domain::{
    CandidateStanding, MinuteSeries, Poll, PollId, PollState, SealedPoll, Standing, Tally, standing,
};
use vote_store::{Counted, PollOperator};

/// The figures of all shards of a poll in one.
#[derive(Debug, Clone)]
pub struct Figures {
    /// What they make.
    pub standing: Standing,
    /// Votes that came too late, per channel and candidate.
    pub late: Tally,
    /// The final result of a poll that is sealed.
    pub sealed: Option<SealedPoll>,
}

impl Figures {
    /// Reads them, straight from where they are counted. A sealed poll's standing is the sealed one.
    ///
    /// # Errors
    /// When Redis can't be read, or the figures don't add up in 64 bits; [`Failure::Refused`] as [`final_result`].
    pub async fn read(
        operator: &PollOperator,
        poll: &Poll,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let mut late = Tally::empty(&poll.definition);
        let mut revision = poll.revision;
        let shards = operator.figures_that_count(poll).await?;
        let counted = Counted::of(poll, &shards)?;
        for shard in shards {
            late.merge(&shard.late).map_err(anyhow::Error::from)?;
            revision += shard.sequences();
        }
        let sealed = match poll.state {
            PollState::Sealed => Some(final_result(operator, poll.definition.id()).await?),
            // What an attempt to seal it has left half-way is not final.
            _ => None,
        };
        let standing = match &sealed {
            Some(sealed) => sealed.standing.clone(),
            None => Standing {
                recorded: counted.beside(poll),
                ..standing(poll, &counted.net, now, revision, poll.phase(now).status())
            },
        };
        Ok(Self {
            standing,
            late,
            sealed,
        })
    }
}

/// When the votes of a poll came that count: all of its minutes, which take a while of a poll that has been open for long.
///
/// # Errors
/// When Redis can't be read, or the figures don't add up in 64 bits; [`Failure::Refused`] as [`final_result`].
pub async fn minutes(operator: &PollOperator, poll: &Poll) -> Result<MinuteSeries, Failure> {
    if poll.state == PollState::Sealed {
        final_result(operator, poll.definition.id()).await?;
    }
    let mut minutes = MinuteSeries::empty(&poll.definition);
    for shard in operator.figures(poll).await? {
        minutes.merge(&shard.minutes).map_err(anyhow::Error::from)?;
    }
    Ok(poll.net_minutes(&minutes))
}

/// The result of a poll that is sealed, once it has proven to be as it was sealed.
///
/// # Errors
/// [`Failure::Refused`] when it is missing, or has been changed since: then no figure of it is to be shown as final.
pub async fn final_result(operator: &PollOperator, id: &PollId) -> Result<SealedPoll, Failure> {
    sealed_result(operator, id).await?.ok_or_else(|| {
        Failure::refused(format!(
            "poll `{id}` is sealed, but its sealed result is missing: look at `votectl audit {id}`"
        ))
    })
}

/// The sealed result that there is, in whatever state its poll is, once it has proven to be as it was sealed.
///
/// # Errors
/// [`Failure::Refused`] when it has been changed since.
pub async fn sealed_result(
    operator: &PollOperator,
    id: &PollId,
) -> Result<Option<SealedPoll>, Failure> {
    let sealed = operator.sealed(id).await?;
    if let Some(Err(error)) = sealed.as_ref().map(SealedPoll::verify) {
        return Err(Failure::refused(format!(
            "poll `{id}`: its sealed result is not as it was sealed, and nothing of it is shown: {error}"
        )));
    }
    Ok(sealed)
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
    if let Some(recorded) = &standing.recorded {
        let (all, annulled) = (recorded.total_votes, recorded.annulled);
        text.push_str(&format!(
            "\n\nwithout {annulled} annulled votes of {all} that were recorded"
        ));
    }
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
    ranked.sort_by_key(|candidate| candidate.rank.unwrap_or(u32::MAX));
    for candidate in ranked {
        let percent = candidate.percent.map(|percent| percent.to_string());
        table.add_row([
            candidate
                .rank
                .map(|rank| rank.to_string())
                .unwrap_or_default(),
            candidate.id.to_string(),
            candidate.name.clone(),
            candidate.votes.unwrap_or(0).to_string(),
            percent.unwrap_or_else(|| "withdrawn".to_owned()),
        ]);
    }
    rendered(table, 3..5)
}
