//! The rules of a poll file. Every rule is checked, so that one reading shows all that is wrong.

use std::ops::RangeInclusive;

use jiff::tz::TimeZone;
use url::Url;

use crate::definition::choices::{Eligibility, Kind, Language, LimitPeriod, Visibility};
use crate::definition::duration;
use crate::definition::fields::{Check, Fields};
use crate::definition::node::Node;
use crate::definition::poll_definition::{Candidate, Channel, PollDefinition};
use crate::definition::slug::{CandidateId, ChannelId, PollId};
use crate::definition::violation::{FILE, Violations};

/// The id of the one channel of a poll whose file names none; it is open to all.
const DEFAULT_CHANNEL: &str = "geral";

const TITLE_CHARS: usize = 200;
const NAME_CHARS: usize = 100;
const URL_CHARS: usize = 2048;
const CANDIDATES: RangeInclusive<usize> = 2..=64;
const CHANNELS: RangeInclusive<usize> = 1..=8;
const WEIGHT: RangeInclusive<u32> = 1..=1_000_000;
const PROOF_COST: RangeInclusive<u32> = 1_000..=100_000;
const SHARDS: RangeInclusive<u16> = 1..=PollDefinition::MOST_SHARDS;

const POLL_FIELDS: &[&str] = &[
    "id",
    "title",
    "direction",
    "kind",
    "opens_at",
    "closes_at",
    "timezone",
    "visibility",
    "release",
    "language",
    "shards",
    "candidates",
    "channels",
];
const CANDIDATE_FIELDS: &[&str] = &["id", "name", "image_url", "color"];
const CHANNEL_FIELDS: &[&str] = &[
    "id",
    "weight",
    "eligibility",
    "votes_per_voter",
    "per",
    "proof_cost",
];

/// The definition that a tree holds, or all rules that it breaks.
pub(super) fn definition(node: &Node) -> Result<PollDefinition, Violations> {
    let mut check = Check(Vec::new());
    let definition = check.poll(node);
    Violations::check(check.0)?;
    // A field is only missing from the result with a violation that says why.
    definition.ok_or_else(|| Violations::one(FILE, "isn't a poll"))
}

impl Check {
    fn poll(&mut self, node: &Node) -> Option<PollDefinition> {
        let poll = self.map(String::new(), node, POLL_FIELDS)?;
        let id = self.id(&poll, PollId::parse);
        let title = self.line(&poll, "title", TITLE_CHARS);
        let direction = self
            .required(&poll, "direction")
            .and_then(|node| self.name(&poll, "direction", node));
        let kind = self.optional_name(&poll, "kind", Kind::Live);
        let timezone = self.timezone(&poll, kind);
        let zone = timezone.as_ref().and_then(|(_, zone)| zone.as_ref());
        let opens_at = self.instant(&poll, "opens_at", zone);
        let closes_at = self.instant(&poll, "closes_at", zone);
        if let (Some(opens_at), Some(closes_at)) = (opens_at, closes_at) {
            self.0.extend(duration::check(opens_at, closes_at));
        }
        let visibility = self.optional_name(&poll, "visibility", Visibility::Public);
        let rule = kind.unwrap_or(Kind::Live).release_rule();
        let release = self.optional_name(&poll, "release", rule);
        let language = self.optional_name(&poll, "language", Language::DEFAULT);
        let shards = self.optional(&poll, "shards").and_then(|node| match node {
            None => Some(*SHARDS.start()),
            Some(node) => self.number(&poll, "shards", node, &SHARDS),
        });
        let candidates = self
            .required(&poll, "candidates")
            .and_then(|node| self.list("candidates", node, &CANDIDATES, Self::candidate));
        let channels = self.channels(&poll);
        let (timezone, zone) = timezone?;
        Some(PollDefinition {
            id: id?,
            title: title?,
            direction: direction?,
            kind: kind?,
            opens_at: opens_at?,
            closes_at: closes_at?,
            timezone,
            zone: zone.unwrap_or(TimeZone::UTC),
            visibility: visibility?,
            release: Some(release?).filter(|release| *release != rule),
            language: Some(language?).filter(|language| *language != Language::DEFAULT),
            shards: shards?,
            candidates: candidates?,
            channels: channels?,
        })
    }

    fn candidate(&mut self, path: String, node: &Node) -> Option<Candidate> {
        let candidate = self.map(path, node, CANDIDATE_FIELDS)?;
        let id = self.id(&candidate, CandidateId::parse);
        let name = self.line(&candidate, "name", NAME_CHARS);
        let image_url = self.optional_text(&candidate, "image_url", http_url);
        let color = self.optional_text(&candidate, "color", |text| {
            let digits = text.strip_prefix('#').unwrap_or_default();
            let legal = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            legal
                .then_some(())
                .ok_or_else(|| "must be `#rrggbb` in hexadecimal".to_owned())
        });
        Some(Candidate {
            id: id?,
            name: name?,
            image_url: image_url?,
            color: color?,
        })
    }

    fn channels(&mut self, poll: &Fields<'_>) -> Option<Vec<Channel>> {
        match self.optional(poll, "channels")? {
            Some(node) => self.list("channels", node, &CHANNELS, Self::channel),
            None => Some(vec![Channel {
                id: ChannelId::parse(DEFAULT_CHANNEL).ok()?,
                weight: 1,
                eligibility: Eligibility::Open,
                votes_per_voter: None,
                per: None,
                proof_cost: None,
            }]),
        }
    }

    fn channel(&mut self, path: String, node: &Node) -> Option<Channel> {
        let channel = self.map(path, node, CHANNEL_FIELDS)?;
        let id = self.id(&channel, ChannelId::parse);
        let weight = self
            .required(&channel, "weight")
            .and_then(|node| self.number(&channel, "weight", node, &WEIGHT));
        let eligibility = self
            .required(&channel, "eligibility")
            .and_then(|node| self.eligibility(&channel, node));
        let votes_per_voter = self.votes_per_voter(&channel, eligibility);
        let per = self.per(&channel, votes_per_voter);
        let proof_cost = self.proof_cost(&channel);
        Some(Channel {
            id: id?,
            weight: weight?,
            eligibility: eligibility?,
            votes_per_voter: votes_per_voter?,
            per: per?,
            proof_cost: proof_cost?,
        })
    }

    /// One word, or a list of what is asked for together.
    fn eligibility(&mut self, channel: &Fields<'_>, node: &Node) -> Option<Eligibility> {
        const NAME: &str = "eligibility";
        let Node::List(list) = node else {
            return self.name(channel, NAME, node);
        };
        let words: Vec<_> = list
            .iter()
            .map(|node| self.name(channel, NAME, node))
            .collect();
        let words: Vec<Eligibility> = words.into_iter().collect::<Option<_>>()?;
        Eligibility::all_of(&words).or_else(|| {
            let rule = "must be one word, or the list [voter, proof_of_work]";
            self.refuse(channel.field(NAME), rule)
        })
    }

    fn proof_cost(&mut self, channel: &Fields<'_>) -> Option<Option<u32>> {
        const NAME: &str = "proof_cost";
        match self.optional(channel, NAME)? {
            None => Some(None),
            Some(node) => self.number(channel, NAME, node, &PROOF_COST).map(Some),
        }
    }

    fn votes_per_voter(
        &mut self,
        channel: &Fields<'_>,
        eligibility: Option<Eligibility>,
    ) -> Option<Option<u32>> {
        const NAME: &str = "votes_per_voter";
        let Some(node) = self.optional(channel, NAME)? else {
            return Some(None);
        };
        if eligibility.is_some_and(|eligibility| !eligibility.knows_voters()) {
            let rule = "is only possible with eligibility voter or gateway";
            self.refuse::<()>(channel.field(NAME), rule);
        }
        self.number(channel, NAME, node, &(1..=u32::MAX)).map(Some)
    }

    /// Only where it is not the whole poll, so that documents from before there were periods stay what they are.
    fn per(
        &mut self,
        channel: &Fields<'_>,
        votes_per_voter: Option<Option<u32>>,
    ) -> Option<Option<LimitPeriod>> {
        const NAME: &str = "per";
        let Some(node) = self.optional(channel, NAME)? else {
            return Some(None);
        };
        if votes_per_voter == Some(None) {
            self.refuse::<()>(channel.field(NAME), "is only possible with votes_per_voter");
        }
        let period: LimitPeriod = self.name(channel, NAME, node)?;
        Some(Some(period).filter(|period| *period != LimitPeriod::Poll))
    }
}

/// Checks the form of an absolute web address, without resolving it.
fn http_url(text: &str) -> Result<(), String> {
    let chars = text.chars().count();
    if chars > URL_CHARS {
        return Err(format!(
            "must have at most {URL_CHARS} characters, has {chars}"
        ));
    }
    // RFC 3986, section 2: what isn't in it has to be percent-encoded. The parser mends it silently.
    let legal = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b);
    if !text.bytes().all(legal) {
        return Err("must hold only the characters of a URL, others percent-encoded".to_owned());
    }
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| text.starts_with(scheme));
    let Some(scheme) = scheme else {
        return Err("must be an http or https URL".to_owned());
    };
    // The parser takes any number of slashes for two.
    let has_authority = !text[scheme.len()..].starts_with('/');
    match Url::parse(text) {
        Ok(url)
            if has_authority
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none() =>
        {
            Ok(())
        }
        _ => Err("must be a URL with a host, and no user or password".to_owned()),
    }
}

#[cfg(test)]
mod tests;
