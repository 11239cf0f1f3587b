//! What a poll is: the poll file, validated.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::names::{Direction, Eligibility, Kind, Visibility};
use crate::node::Node;
use crate::slug::{CandidateId, ChannelId, PollId};
use crate::violation::{DefinitionError, FILE, Violations};
use crate::wire_time;
use crate::{opening, validate};

/// The longest poll file, in bytes: 64 candidates with the longest names and addresses fit.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// The id of the one channel of a poll whose file names none; it is open to all.
pub const DEFAULT_CHANNEL: &str = "geral";

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
}

/// A poll's definition. It can't hold one that breaks a rule: it is only made by reading and checking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Node")]
pub struct PollDefinition {
    pub(crate) id: PollId,
    pub(crate) title: String,
    pub(crate) direction: Direction,
    pub(crate) kind: Kind,
    #[serde(with = "wire_time")]
    pub(crate) opens_at: Timestamp,
    #[serde(with = "wire_time")]
    pub(crate) closes_at: Timestamp,
    pub(crate) timezone: String,
    #[serde(skip)]
    pub(crate) zone: TimeZone,
    pub(crate) visibility: Visibility,
    pub(crate) shards: u16,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) channels: Vec<Channel>,
}

impl TryFrom<Node> for PollDefinition {
    type Error = Violations;

    fn try_from(node: Node) -> Result<Self, Violations> {
        validate::definition(&node)
    }
}

impl PollDefinition {
    /// Reads a poll file in YAML.
    ///
    /// # Errors
    /// Where it isn't YAML, or breaks rules: the error lists all that it breaks, each with its field.
    pub fn parse_yaml(text: &str) -> Result<Self, DefinitionError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        check_size(text.as_bytes())?;
        let node: Node =
            serde_path_to_error::deserialize(serde_yaml_ng::Deserializer::from_str(text))
                .map_err(|error| syntax("YAML", &error))?;
        Ok(validate::definition(&node)?)
    }

    /// Reads a poll file in JSON.
    ///
    /// # Errors
    /// Where it isn't UTF-8 or JSON, or breaks rules: the error lists all that it breaks, each with its
    /// field.
    pub fn parse_json(bytes: &[u8]) -> Result<Self, DefinitionError> {
        check_size(bytes)?;
        let text = std::str::from_utf8(bytes).map_err(|error| DefinitionError::NotUtf8 {
            valid_up_to: error.valid_up_to(),
        })?;
        let mut json = serde_json::Deserializer::from_str(text);
        let node: Node =
            serde_path_to_error::deserialize(&mut json).map_err(|error| syntax("JSON", &error))?;
        json.end().map_err(|error| DefinitionError::Syntax {
            field: FILE.to_owned(),
            format: "JSON",
            message: error.to_string(),
        })?;
        Ok(validate::definition(&node)?)
    }

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

    /// The same with another end, rounded down to the millisecond.
    ///
    /// # Errors
    /// Where it isn't after `opens_at`.
    pub fn with_closes_at(&self, closes_at: Timestamp) -> Result<Self, Violations> {
        let closes_at = wire_time::floor(closes_at);
        Violations::check(
            opening::order(self.opens_at, closes_at)
                .into_iter()
                .collect(),
        )?;
        let mut changed = self.clone();
        changed.closes_at = closes_at;
        Ok(changed)
    }

    /// All that differs in another definition, field by field; empty where they are equal.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Differences(Vec::new());
        found.compare("id", &self.id, &other.id);
        found.compare("title", &self.title, &other.title);
        found.compare("direction", &self.direction, &other.direction);
        found.compare("kind", &self.kind, &other.kind);
        let time = |at| wire_time::format(at);
        found.compare("opens_at", &time(self.opens_at), &time(other.opens_at));
        found.compare("closes_at", &time(self.closes_at), &time(other.closes_at));
        found.compare("timezone", &self.timezone, &other.timezone);
        found.compare("visibility", &self.visibility, &other.visibility);
        found.compare("shards", &self.shards, &other.shards);
        found.candidates(self, other);
        found.channels(self, other);
        found.0
    }

    /// The first change in a newer definition that isn't allowed once the poll has opened: any but to its
    /// title, its visibility, and its candidates' names, pictures and colours. (`closes_at` is changed by
    /// extending or closing the poll, which leaves a trail.)
    #[must_use]
    pub fn frozen_difference(&self, newer: &Self) -> Option<Difference> {
        self.differences(newer).into_iter().find(|difference| {
            let field = difference.field.as_str();
            !(matches!(field, "title" | "visibility") || field.starts_with("candidates["))
        })
    }
}

/// One field in which two definitions differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which field, for example `candidates[1].name`; the index is that in the newer definition.
    pub field: String,
    /// What it was; `-` where it was absent.
    pub from: String,
    /// What it is to be; `-` where it is absent.
    pub to: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {} to {}", self.field, self.from, self.to)
    }
}

/// How an absent value is shown.
const ABSENT: &str = "-";

struct Differences(Vec<Difference>);

impl Differences {
    fn compare(
        &mut self,
        field: impl Into<String>,
        from: &dyn fmt::Display,
        to: &dyn fmt::Display,
    ) {
        let (from, to) = (from.to_string(), to.to_string());
        if from != to {
            let field = field.into();
            self.0.push(Difference { field, from, to });
        }
    }

    fn candidates(&mut self, from: &PollDefinition, to: &PollDefinition) {
        let ids = |list: &[Candidate]| join(list.iter().map(|candidate| candidate.id.as_str()));
        self.compare("candidates", &ids(&from.candidates), &ids(&to.candidates));
        for (i, new) in to.candidates.iter().enumerate() {
            let Some(old) = from.candidate_index(new.id.as_str()) else {
                continue;
            };
            let old = &from.candidates[old];
            let field = |name| format!("candidates[{i}].{name}");
            self.compare(field("name"), &old.name, &new.name);
            let or_absent = |text: &Option<String>| text.clone().unwrap_or_else(|| ABSENT.into());
            self.compare(
                field("image_url"),
                &or_absent(&old.image_url),
                &or_absent(&new.image_url),
            );
            self.compare(
                field("color"),
                &or_absent(&old.color),
                &or_absent(&new.color),
            );
        }
    }

    fn channels(&mut self, from: &PollDefinition, to: &PollDefinition) {
        let ids = |list: &[Channel]| join(list.iter().map(|channel| channel.id.as_str()));
        self.compare("channels", &ids(&from.channels), &ids(&to.channels));
        for (i, new) in to.channels.iter().enumerate() {
            let Some(old) = from.channel_index(new.id.as_str()) else {
                continue;
            };
            let old = &from.channels[old];
            let field = |name| format!("channels[{i}].{name}");
            self.compare(field("weight"), &old.weight, &new.weight);
            self.compare(field("eligibility"), &old.eligibility, &new.eligibility);
            let or_absent =
                |limit: Option<u32>| limit.map_or_else(|| ABSENT.into(), |limit| limit.to_string());
            self.compare(
                field("votes_per_voter"),
                &or_absent(old.votes_per_voter),
                &or_absent(new.votes_per_voter),
            );
        }
    }
}

fn join<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    ids.collect::<Vec<_>>().join(", ")
}

fn check_size(bytes: &[u8]) -> Result<(), DefinitionError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(DefinitionError::TooLarge { bytes: bytes.len() });
    }
    if bytes.trim_ascii().is_empty() {
        return Err(DefinitionError::Empty);
    }
    Ok(())
}

fn syntax<E: fmt::Display>(
    format: &'static str,
    error: &serde_path_to_error::Error<E>,
) -> DefinitionError {
    // The reader shows a place between two fields as `?`, and one outside of all as `.`.
    let path = error.path().to_string();
    let path = path.trim_end_matches(['.', '?']);
    DefinitionError::Syntax {
        field: if path.is_empty() { FILE } else { path }.to_owned(),
        format,
        message: error.inner().to_string(),
    }
}
