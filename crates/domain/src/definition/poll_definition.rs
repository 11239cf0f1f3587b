//! What a poll is: its definition, which can't break a rule.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::definition::choices::{
    Direction, Eligibility, Kind, Language, LimitPeriod, ReleaseRule, Visibility,
};
use crate::definition::duration;
use crate::definition::node::Node;
use crate::definition::slug::{CandidateId, ChannelId, PollId};
use crate::definition::violation::Violations;
use crate::wire_time;

/// One of those who are voted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(examples(json!({ "id": "ana", "name": "Ana", "color": "#e4572e" }))))]
pub struct Candidate {
    /// Names it in votes and payloads; fixed once the poll has opened.
    pub id: CandidateId,
    /// Its name as shown, 1 to 100 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 100))]
    pub name: String,
    /// Its picture: an `http` or `https` URL of at most 2048 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false, format = "uri", max_length = 2048))]
    pub image_url: Option<String>,
    /// Its colour in graphics, `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false, pattern = "^#[0-9a-fA-F]{6}$"))]
    pub color: Option<String>,
}

/// One way to vote, with its weight in the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(examples(json!({ "id": "unico", "weight": 70, "eligibility": "voter", "votes_per_voter": 1 }))))]
pub struct Channel {
    /// Names it in votes and payloads; fixed once the poll has opened.
    pub id: ChannelId,
    /// Its weight in the result, 1 to 1 000 000, in proportion to the other channels'.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000_000))]
    pub weight: u32,
    /// What a voter has to show.
    pub eligibility: Eligibility,
    /// How many votes each voter has; absent: as many as they like.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, required = false, minimum = 1))]
    pub votes_per_voter: Option<u32>,
    /// For how long these votes are: an hour or a day of the poll's time zone; absent: the whole poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = LimitPeriod, required = false))]
    pub per: Option<LimitPeriod>,
    /// How much work a proof takes, in iterations for each of some 256 tries; absent: 5,000. While many proofs are wrong, more
    /// is asked for. It counts once the channel asks for proofs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, required = false, minimum = 1_000, maximum = 100_000))]
    pub proof_cost: Option<u32>,
}

impl Channel {
    /// For how long a voter's votes are counted.
    #[must_use]
    pub fn period(&self) -> LimitPeriod {
        self.per.unwrap_or(LimitPeriod::Poll)
    }

    /// The cost of a proof where the poll's file names none.
    pub const DEFAULT_PROOF_COST: u32 = 5_000;

    /// What a proof costs at least.
    #[must_use]
    pub fn least_proof_cost(&self) -> u32 {
        self.proof_cost.unwrap_or(Self::DEFAULT_PROOF_COST)
    }
}

/// A poll's definition. It can't hold one that breaks a rule: it is only made by reading and checking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Node")]
pub struct PollDefinition {
    pub(super) id: PollId,
    pub(super) title: String,
    pub(super) direction: Direction,
    pub(super) kind: Kind,
    #[serde(with = "wire_time")]
    pub(super) opens_at: Timestamp,
    #[serde(with = "wire_time")]
    pub(super) closes_at: Timestamp,
    pub(super) timezone: String,
    #[serde(skip)]
    pub(super) zone: TimeZone,
    pub(super) visibility: Visibility,
    /// Only where it is not the kind's own: documents and sealed results from before there were rules stay what they are,
    /// to the byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) release: Option<ReleaseRule>,
    /// Only where it is not the default, for the same reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) language: Option<Language>,
    pub(super) shards: u16,
    pub(super) candidates: Vec<Candidate>,
    pub(super) channels: Vec<Channel>,
}

impl PollDefinition {
    /// Over how many shards the votes of a poll can be spread.
    pub const MOST_SHARDS: u16 = 256;

    /// Names the poll.
    #[must_use]
    pub const fn id(&self) -> &PollId {
        &self.id
    }

    /// Its title, 1 to 200 characters.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What a vote means.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Whether it counts.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// From when on it takes votes, once it is open.
    #[must_use]
    pub const fn opens_at(&self) -> Timestamp {
        self.opens_at
    }

    /// From when on it takes none any more, unless it is closed earlier ([`crate::Poll::closes_at`]).
    #[must_use]
    pub const fn closes_at(&self) -> Timestamp {
        self.closes_at
    }

    /// The IANA name of the zone whose hours its series shows.
    #[must_use]
    pub fn timezone(&self) -> &str {
        &self.timezone
    }

    /// The zone that [`Self::timezone`] names.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// What the public sees of it.
    #[must_use]
    pub const fn visibility(&self) -> Visibility {
        self.visibility
    }

    /// Who decides that its figures may go on air.
    #[must_use]
    pub fn release_rule(&self) -> ReleaseRule {
        self.release.unwrap_or(self.kind.release_rule())
    }

    /// The language that graphics write its figures in.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language.unwrap_or(Language::DEFAULT)
    }

    /// Over how many shards its votes are spread, 1 to 256.
    #[must_use]
    pub const fn shards(&self) -> u16 {
        self.shards
    }

    /// Its candidates, 2 to 64, in the order that ties are broken by.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Its channels, 1 to 8; a vote that names none uses the first.
    #[must_use]
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// The index of a candidate.
    #[must_use]
    pub fn candidate_index(&self, id: &str) -> Option<usize> {
        self.candidates
            .iter()
            .position(|candidate| candidate.id.as_str() == id)
    }

    /// The index of a channel.
    #[must_use]
    pub fn channel_index(&self, id: &str) -> Option<usize> {
        self.channels
            .iter()
            .position(|channel| channel.id.as_str() == id)
    }

    /// The same with another beginning or end, rounded down to the millisecond.
    ///
    /// # Errors
    /// Where it does not end after it begins, or is too long.
    pub(crate) fn with_times(
        &self,
        opens_at: Option<Timestamp>,
        closes_at: Option<Timestamp>,
    ) -> Result<Self, Violations> {
        let mut changed = self.clone();
        changed.opens_at = opens_at.map_or(self.opens_at, wire_time::floor);
        changed.closes_at = closes_at.map_or(self.closes_at, wire_time::floor);
        let broken = duration::check(changed.opens_at, changed.closes_at);
        Violations::check(broken.into_iter().collect())?;
        Ok(changed)
    }

    /// The same poll with another visibility.
    pub(crate) fn with_visibility(&self, visibility: Visibility) -> Self {
        let mut changed = self.clone();
        changed.visibility = visibility;
        changed
    }

    /// An instant as production says it: in the poll's zone, with UTC beside it ([`wire_time::shown`]).
    #[must_use]
    pub fn shown(&self, at: Timestamp) -> String {
        wire_time::shown(at, &self.zone)
    }

    /// The first channel that asks for nothing.
    #[must_use]
    pub fn open_channel(&self) -> Option<&Channel> {
        let mut channels = self.channels.iter();
        channels.find(|channel| channel.eligibility == Eligibility::Open)
    }
}

#[cfg(test)]
mod tests {
    use crate::fixtures::{at, paredao};

    #[test]
    fn another_end_is_checked_like_the_first() {
        let poll = paredao();
        let later = poll
            .with_times(None, Some(at("2026-11-26T03:00:00Z")))
            .expect("later");
        assert_eq!(later.closes_at(), at("2026-11-26T03:00:00Z"));
        assert_eq!(
            poll.with_times(None, Some(poll.opens_at()))
                .expect_err("not after")
                .to_string(),
            "closes_at: must be after opens_at (2026-11-24T00:00:00.000Z), is 2026-11-24T00:00:00.000Z"
        );
        assert!(
            poll.with_times(None, Some(at("2027-11-25T00:00:00Z")))
                .is_ok()
        );
        assert_eq!(
            poll.with_times(None, Some(at("2027-11-25T00:00:01Z")))
                .expect_err("too long")
                .to_string(),
            "closes_at: must be at most 366 days after opens_at (2026-11-24T00:00:00.000Z), is 2027-11-25T00:00:01.000Z"
        );
    }
}
