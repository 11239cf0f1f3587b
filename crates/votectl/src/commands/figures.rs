//! A poll's figures, read and shown: what `poll show`, `poll seal` and `export` share.

use crate::failure::Failure;
use crate::table::{rendered, table};
use jiff::Timestamp;
use serde::Serialize;
use vote_domain::{
    CandidateStanding, Fate, MinuteSeries, Poll, PollId, PollState, Quarantine, RecordedVotes,
    SealedPoll, Standing, Tally, standing,
};
use vote_store::{Counted, PollOperator};

/// The figures of all shards of a poll in one.
#[derive(Debug, Clone)]
pub struct Figures {
    /// What they make.
    pub standing: Standing,
    /// Votes that came too late, per channel and candidate.
    pub late: Tally,
    /// What was set aside as suspect; `None` where nothing was.
    pub set_aside: Option<SetAside>,
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
        let mut quarantine = Quarantine::default();
        let mut revision = poll.revision;
        let shards = operator.figures_that_count(poll).await?;
        let counted = Counted::of(poll, &shards)?;
        for shard in shards {
            late.merge(&shard.late).map_err(anyhow::Error::from)?;
            let aside = &shard.quarantine;
            quarantine.merge(aside).map_err(anyhow::Error::from)?;
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
            set_aside: SetAside::of([&quarantine]),
            sealed,
        })
    }
}

/// How many votes were set aside as suspect, by what was decided of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// Nobody has decided: they are in no figure.
    pub undecided: u128,
    /// They are in all figures.
    pub released: u128,
    /// They are in no figure, for good.
    pub annulled: u128,
}

impl SetAside {
    /// Of all shards; `None` where nothing was ever set aside.
    #[must_use]
    pub fn of<'q>(shards: impl IntoIterator<Item = &'q Quarantine>) -> Option<Self> {
        let mut sum = Self {
            undecided: 0,
            released: 0,
            annulled: 0,
        };
        for shard in shards {
            sum.undecided += shard.total(Fate::Undecided);
            sum.released += shard.total(Fate::Released);
            sum.annulled += shard.total(Fate::Annulled);
        }
        (sum.undecided + sum.released + sum.annulled > 0).then_some(sum)
    }

    /// A line that says so.
    #[must_use]
    pub fn line(&self) -> String {
        let (undecided, released, annulled) = (self.undecided, self.released, self.annulled);
        format!(
            "set aside as suspect: {undecided} undecided, {released} released, {annulled} annulled; only those that were released \
             are in the figures"
        )
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

/// The same of a poll in whatever state: a void one has none.
///
/// # Errors
/// As [`sealed_result`].
pub async fn sealed_result_of(
    operator: &PollOperator,
    poll: &Poll,
) -> Result<Option<SealedPoll>, Failure> {
    proven(poll.definition.id(), operator.sealed_of(poll).await?)
}

/// The sealed result that there is, in whatever state its poll is, once it has proven to be as it was sealed.
///
/// # Errors
/// [`Failure::Refused`] when it has been changed since.
pub async fn sealed_result(
    operator: &PollOperator,
    id: &PollId,
) -> Result<Option<SealedPoll>, Failure> {
    proven(id, operator.sealed(id).await?)
}

fn proven(id: &PollId, sealed: Option<SealedPoll>) -> Result<Option<SealedPoll>, Failure> {
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
    let beside = standing.recorded.as_ref();
    let beside = beside.map(|recorded| Beside {
        recorded,
        channel: None,
    });
    let mut text = format!(
        "{total} votes, {}\n\n{}",
        standing.status,
        candidates_text(&standing.candidates, beside)
    );
    if let Some(recorded) = &standing.recorded {
        let (all, annulled) = (recorded.total_votes, recorded.annulled);
        text.push_str(&format!(
            "\n\nwithout {annulled} annulled votes of {all} that were recorded"
        ));
    }
    if let [_, _, ..] = standing.channels.as_slice() {
        for (place, channel) in standing.channels.iter().enumerate() {
            let total = channel.total_votes.unwrap_or(0);
            text.push_str(&format!(
                "\n\nchannel {} (weight {}, {total} votes)\n\n",
                channel.id, channel.weight
            ));
            let beside = beside.map(|beside| Beside {
                channel: Some(place),
                ..beside
            });
            text.push_str(&candidates_text(&channel.candidates, beside));
        }
    }
    text
}

/// What was recorded beside what counts: through one channel, or through all.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'r> {
    /// Of the whole poll.
    pub recorded: &'r RecordedVotes,
    /// The place of the channel; `None` for all of them.
    pub channel: Option<usize>,
}

impl Beside<'_> {
    /// All votes for the candidate of this place, and those of them that are annulled.
    #[must_use]
    pub fn of(&self, candidate: usize) -> (u128, u128) {
        let channels = self.recorded.channels.iter().enumerate();
        let channels = channels.filter(|(place, _)| self.channel.is_none_or(|only| only == *place));
        let here = channels.filter_map(|(_, channel)| channel.candidates.get(candidate));
        here.fold((0, 0), |(votes, annulled), one| {
            (
                votes + u128::from(one.votes),
                annulled + u128::from(one.annulled),
            )
        })
    }
}

fn candidates_text(candidates: &[CandidateStanding], beside: Option<Beside<'_>>) -> String {
    let mut headings = vec!["RANK", "CANDIDATE", "NAME", "VOTES", "PERCENT"];
    if beside.is_some() {
        headings.extend(["RECORDED", "ANNULLED"]);
    }
    let columns = headings.len();
    let mut table = table(headings);
    let mut ranked: Vec<(usize, &CandidateStanding)> = candidates.iter().enumerate().collect();
    ranked.sort_by_key(|(_, candidate)| candidate.rank.unwrap_or(u32::MAX));
    for (place, candidate) in ranked {
        let percent = candidate.percent.map(|percent| percent.to_string());
        let mut row = vec![
            candidate
                .rank
                .map(|rank| rank.to_string())
                .unwrap_or_default(),
            candidate.id.to_string(),
            candidate.name.clone(),
            candidate.votes.unwrap_or(0).to_string(),
            percent.unwrap_or_else(|| "withdrawn".to_owned()),
        ];
        if let Some((recorded, annulled)) = beside.map(|beside| beside.of(place)) {
            row.extend([recorded.to_string(), annulled.to_string()]);
        }
        table.add_row(row);
    }
    rendered(table, 3..columns)
}
