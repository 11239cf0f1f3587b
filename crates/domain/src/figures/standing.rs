//! The published result: per candidate votes, percentage and rank, per channel the same.

use std::borrow::Cow;
use std::num::NonZeroU64;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definition::choices::{Direction, Kind};
use crate::definition::poll_definition::PollDefinition;
use crate::definition::slug::{CandidateId, ChannelId, PollId};
use crate::figures::percent::Percent;
use crate::figures::recorded::RecordedVotes;
use crate::figures::shares::{Shares, plain_shares, weighted_shares};
use crate::figures::tally::Tally;
use crate::poll::Poll;
use crate::poll::phase::Status;
use crate::poll::state::PollState;
use crate::wire_time;

/// The published result of a poll at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(examples(crate::openapi::standing_example))
)]
pub struct Standing {
    /// Which poll.
    pub poll: PollId,
    /// Its title.
    pub title: String,
    /// Whether it counts.
    pub kind: Kind,
    /// What a vote means.
    pub direction: Direction,
    /// Its state at `as_of`: `closed` once its end has come, whether or not an operator closed it.
    pub state: PollState,
    /// How far the figures can be relied on.
    pub status: Status,
    /// When the figures were read.
    #[serde(with = "wire_time")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub as_of: Timestamp,
    /// Grows with every batch of votes, and every change of the poll. Absent where only percentages are public: it
    /// would tell about how many votes there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false))]
    pub revision: Option<u64>,
    /// All votes, through all channels. Absent where only percentages are public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false))]
    pub total_votes: Option<u128>,
    /// Votes that were accepted, are in no figure, and can't be recorded again, as far as their writers have noted them: for
    /// production and broadcast alone. Absent where none are noted, which does not say that there are none: it is never 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false, minimum = 1))]
    pub lost: Option<NonZeroU64>,
    /// What was recorded, and what of it was annulled: all other figures are without it. For production and broadcast, and in
    /// the final result; absent where nothing is annulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = RecordedVotes, required = false))]
    pub recorded: Option<RecordedVotes>,
    /// The candidates in the poll's order: all channels together, `percent` by the channels' weights.
    pub candidates: Vec<CandidateStanding>,
    /// The channels in the poll's order.
    pub channels: Vec<ChannelStanding>,
}

/// How a candidate stands, in all channels or in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CandidateStanding {
    /// Which candidate.
    pub id: CandidateId,
    /// Its name.
    pub name: String,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false, format = "uri"))]
    pub image_url: Option<String>,
    /// Its colour, `#rrggbb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false, pattern = "^#[0-9a-fA-F]{6}$"))]
    pub color: Option<String>,
    /// Its votes, plainly added up. Absent where only percentages are public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false))]
    pub votes: Option<u128>,
    /// Its share. All candidates' add up to 100.00, or are all 0 where there are no votes. Absent where it is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Percent, required = false))]
    pub percent: Option<Percent>,
    /// Its rank by the exact share, most votes first, from 1; equals share one (1, 1, 3). Absent where it is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, required = false, minimum = 1))]
    pub rank: Option<u32>,
    /// Since when it is out of the poll: it keeps its votes, and is in no percentage and no rank.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "wire_time::optional"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false, format = DateTime))]
    pub withdrawn_at: Option<Timestamp>,
}

/// How the candidates stand in one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChannelStanding {
    /// Which channel.
    pub id: ChannelId,
    /// Its weight in the result, in proportion to the other channels'.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000_000))]
    pub weight: u32,
    /// All votes through it. Absent where only percentages are public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false))]
    pub total_votes: Option<u128>,
    /// The candidates in the poll's order.
    pub candidates: Vec<CandidateStanding>,
}

impl Standing {
    /// The same without any count of votes: what the public sees where `visibility` is `percentages`.
    #[must_use]
    pub fn without_counts(&self) -> Self {
        let mut public = self.clone();
        public.total_votes = None;
        public.revision = None;
        public.lost = None;
        public.recorded = None;
        for channel in &mut public.channels {
            channel.total_votes = None;
        }
        let per_channel = public
            .channels
            .iter_mut()
            .map(|channel| &mut channel.candidates);
        for candidate in per_channel
            .chain(std::iter::once(&mut public.candidates))
            .flatten()
        {
            candidate.votes = None;
        }
        public
    }
}

/// The standing that a tally makes.
///
/// `as_of` is when the tally was read, and decides what `state` says. Without any votes every percentage
/// is 0.00 and every rank 1. Withdrawn candidates keep their votes, which the totals have too; shares and ranks are those
/// of the others alone.
#[must_use]
pub fn standing(
    poll: &Poll,
    tally: &Tally,
    as_of: Timestamp,
    revision: u64,
    status: Status,
) -> Standing {
    let definition = &poll.definition;
    let as_of = wire_time::floor(as_of);
    let tally = of_poll(tally, definition);
    let remaining = of_remaining(&tally, poll);
    let weights: Vec<u32> = definition.channels().iter().map(|c| c.weight).collect();
    let channels = definition
        .channels()
        .iter()
        .zip(tally.rows().zip(remaining.rows()))
        .enumerate()
        .map(|(index, (channel, (row, remaining)))| ChannelStanding {
            id: channel.id.clone(),
            weight: channel.weight,
            total_votes: Some(tally.channel_total(index)),
            candidates: candidates(poll, plain_shares(remaining), |c| u128::from(row[c])),
        });
    Standing {
        poll: definition.id().clone(),
        title: definition.title().to_owned(),
        kind: definition.kind(),
        direction: definition.direction(),
        state: poll.effective_state(as_of),
        status,
        as_of,
        revision: Some(revision),
        total_votes: Some(tally.total()),
        lost: None,
        recorded: None,
        candidates: candidates(poll, weighted_shares(&remaining, &weights), |c| {
            tally.candidate_total(c)
        }),
        channels: channels.collect(),
    }
}

/// How the candidates stand where every vote counts alike, through whichever channel it came: what the channels' weights
/// are compared with. In the poll's order; shares and ranks as in [`standing`].
#[must_use]
pub fn unweighted(poll: &Poll, tally: &Tally) -> Vec<CandidateStanding> {
    let tally = of_poll(tally, &poll.definition);
    let remaining: Vec<u128> = poll
        .remaining_candidates()
        .map(|(index, _)| tally.candidate_total(index))
        .collect();
    candidates(poll, plain_shares(&remaining), |index| {
        tally.candidate_total(index)
    })
}

/// The tally with a place for each channel and candidate of the poll: without votes where it had none.
fn of_poll<'t>(tally: &'t Tally, definition: &PollDefinition) -> Cow<'t, Tally> {
    let (channels, candidates) = (definition.channels().len(), definition.candidates().len());
    if tally.channels() == channels && tally.candidates() == candidates {
        return Cow::Borrowed(tally);
    }
    let rows: Vec<Vec<u64>> = (0..channels)
        .map(|channel| (0..candidates).map(|c| tally.get(channel, c)).collect())
        .collect();
    Cow::Owned(Tally::from_rows(&rows).unwrap_or_else(|| Tally::new(channels, candidates)))
}

/// The poll's tally without the candidates that are withdrawn.
fn of_remaining<'t>(tally: &'t Tally, poll: &Poll) -> Cow<'t, Tally> {
    if poll.withdrawn.is_empty() {
        return Cow::Borrowed(tally);
    }
    let remaining: Vec<usize> = poll
        .remaining_candidates()
        .map(|(index, _)| index)
        .collect();
    let rows: Vec<Vec<u64>> = tally
        .rows()
        .map(|row| remaining.iter().map(|&index| row[index]).collect())
        .collect();
    let empty = || Tally::new(tally.channels(), remaining.len());
    Cow::Owned(Tally::from_rows(&rows).unwrap_or_else(empty))
}

/// The poll's candidates; `shares` are of those alone that are not withdrawn.
fn candidates(
    poll: &Poll,
    shares: Shares,
    votes: impl Fn(usize) -> u128,
) -> Vec<CandidateStanding> {
    let mut figures = shares.percents.into_iter().zip(shares.ranks);
    let candidates = poll.definition.candidates().iter().enumerate();
    candidates
        .map(|(index, candidate)| {
            let withdrawn_at = poll.withdrawn_at(&candidate.id);
            let figures = match withdrawn_at {
                None => figures.next(),
                Some(_) => None,
            };
            CandidateStanding {
                id: candidate.id.clone(),
                name: candidate.name.clone(),
                image_url: candidate.image_url.clone(),
                color: candidate.color.clone(),
                votes: Some(votes(index)),
                percent: figures.map(|(percent, _)| percent),
                rank: figures.map(|(_, rank)| rank),
                withdrawn_at,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
