//! The rules of a poll file. Every rule is checked, so that one reading shows all that is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use url::Url;

use crate::definition::{Candidate, Channel, DEFAULT_CHANNEL, PollDefinition};
use crate::names::{Eligibility, Kind, UnknownName, Visibility};
use crate::node::Node;
use crate::opening::order;
use crate::slug::{CandidateId, ChannelId, PollId, SlugError};
use crate::violation::{FILE, Violation, Violations, shown};
use crate::wire_time;

const TITLE_CHARS: usize = 200;
const NAME_CHARS: usize = 100;
const URL_CHARS: usize = 2048;
const CANDIDATES: RangeInclusive<usize> = 2..=64;
const CHANNELS: RangeInclusive<usize> = 1..=8;
const WEIGHT: RangeInclusive<u32> = 1..=1_000_000;
const SHARDS: RangeInclusive<u16> = 1..=256;

const POLL_FIELDS: &[&str] = &[
    "id",
    "title",
    "direction",
    "kind",
    "opens_at",
    "closes_at",
    "timezone",
    "visibility",
    "shards",
    "candidates",
    "channels",
];
const CANDIDATE_FIELDS: &[&str] = &["id", "name", "image_url", "color"];
const CHANNEL_FIELDS: &[&str] = &["id", "weight", "eligibility", "votes_per_voter"];

/// The definition that a tree holds, or all rules that it breaks.
pub(crate) fn definition(node: &Node) -> Result<PollDefinition, Violations> {
    let mut check = Check(Vec::new());
    let definition = check.poll(node);
    Violations::check(check.0)?;
    // A field is only missing from the result with a violation that says why.
    definition.ok_or_else(|| Violations::one(FILE, "isn't a poll"))
}

/// The fields of one mapping, and where it stands in the file.
struct Fields<'n> {
    path: String,
    fields: &'n [(String, Node)],
}

impl Fields<'_> {
    fn field(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }
}

/// Collects violations. A method that gives `None` for a field that is there has noted why.
struct Check(Vec<Violation>);

impl Check {
    fn refuse(&mut self, field: impl Into<String>, rule: impl Into<String>) {
        self.0.push(Violation {
            field: field.into(),
            rule: rule.into(),
        });
    }

    fn poll(&mut self, node: &Node) -> Option<PollDefinition> {
        let poll = self.map(String::new(), node, POLL_FIELDS)?;
        let id = self.id(&poll, PollId::parse);
        let title = self.line(&poll, "title", TITLE_CHARS);
        let direction = self
            .required(&poll, "direction")
            .and_then(|node| self.name(&poll, "direction", node));
        let kind = self.optional_name(&poll, "kind", Kind::Live);
        let opens_at = self.instant(&poll, "opens_at");
        let closes_at = self.instant(&poll, "closes_at");
        if let (Some(opens_at), Some(closes_at)) = (opens_at, closes_at) {
            self.0.extend(order(opens_at, closes_at));
        }
        let timezone = self.timezone(&poll);
        let visibility = self.optional_name(&poll, "visibility", Visibility::Public);
        let shards = match self.optional(&poll, "shards") {
            Ok(None) => Some(*SHARDS.start()),
            Ok(Some(node)) => self.number(&poll, "shards", node, &SHARDS),
            Err(Refused) => None,
        };
        let candidates = self.candidates(&poll);
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
            zone,
            visibility: visibility?,
            shards: shards?,
            candidates: candidates?,
            channels: channels?,
        })
    }

    fn candidates(&mut self, poll: &Fields<'_>) -> Option<Vec<Candidate>> {
        let node = self.required(poll, "candidates")?;
        let list = self.list("candidates", node, &CANDIDATES)?;
        let read: Vec<_> = list
            .iter()
            .enumerate()
            .map(|(i, node)| self.candidate(format!("candidates[{i}]"), node))
            .collect();
        self.unique("candidates", list);
        read.into_iter().collect()
    }

    fn candidate(&mut self, path: String, node: &Node) -> Option<Candidate> {
        let candidate = self.map(path, node, CANDIDATE_FIELDS)?;
        let id = self.id(&candidate, CandidateId::parse);
        let name = self.line(&candidate, "name", NAME_CHARS);
        let image_url = self.optional_text(&candidate, "image_url", |text| {
            http_url(text).map_err(|rule| format!("{rule}, is `{}`", shown(text)))
        });
        let color = self.optional_text(&candidate, "color", |text| {
            let digits = text.strip_prefix('#').unwrap_or_default();
            if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                Ok(())
            } else {
                Err(format!(
                    "must be `#rrggbb` in hexadecimal, is `{}`",
                    shown(text)
                ))
            }
        });
        Some(Candidate {
            id: id?,
            name: name?,
            image_url: image_url?,
            color: color?,
        })
    }

    fn channels(&mut self, poll: &Fields<'_>) -> Option<Vec<Channel>> {
        let Some(node) = self.optional(poll, "channels").ok()? else {
            return Some(vec![Channel {
                id: ChannelId::parse(DEFAULT_CHANNEL).ok()?,
                weight: 1,
                eligibility: Eligibility::Open,
                votes_per_voter: None,
            }]);
        };
        let list = self.list("channels", node, &CHANNELS)?;
        let read: Vec<_> = list
            .iter()
            .enumerate()
            .map(|(i, node)| self.channel(format!("channels[{i}]"), node))
            .collect();
        self.unique("channels", list);
        read.into_iter().collect()
    }

    fn channel(&mut self, path: String, node: &Node) -> Option<Channel> {
        let channel = self.map(path, node, CHANNEL_FIELDS)?;
        let id = self.id(&channel, ChannelId::parse);
        let weight = self
            .required(&channel, "weight")
            .and_then(|node| self.number(&channel, "weight", node, &WEIGHT));
        let eligibility = self
            .required(&channel, "eligibility")
            .and_then(|node| self.name(&channel, "eligibility", node));
        let votes_per_voter = match self.optional(&channel, "votes_per_voter") {
            Ok(None) => Some(None),
            Ok(Some(node)) => {
                if eligibility.is_some_and(|eligibility| eligibility != Eligibility::Voter) {
                    let field = channel.field("votes_per_voter");
                    self.refuse(field, "is only possible with eligibility voter");
                }
                self.number(&channel, "votes_per_voter", node, &(1..=u32::MAX))
                    .map(Some)
            }
            Err(Refused) => None,
        };
        Some(Channel {
            id: id?,
            weight: weight?,
            eligibility: eligibility?,
            votes_per_voter: votes_per_voter?,
        })
    }
}

/// An optional field that is there, but can't be used; the violation is noted.
struct Refused;

/// The kinds of field.
impl Check {
    fn map<'n>(&mut self, path: String, node: &'n Node, known: &[&str]) -> Option<Fields<'n>> {
        let Node::Map(fields) = node else {
            let field = if path.is_empty() {
                FILE.to_owned()
            } else {
                path
            };
            let takes = known.join(", ");
            self.refuse(
                field,
                format!("must be a mapping of {takes}, is {}", node.kind()),
            );
            return None;
        };
        let map = Fields { path, fields };
        let mut seen = BTreeSet::new();
        for (name, _) in fields {
            if !seen.insert(name) {
                self.refuse(map.field(&shown_name(name)), "must not be given twice");
            } else if !known.contains(&name.as_str()) {
                let takes = known.join(", ");
                self.refuse(
                    map.field(&shown_name(name)),
                    format!("is unknown; takes {takes}"),
                );
            }
        }
        Some(map)
    }

    fn optional<'n>(&mut self, map: &Fields<'n>, name: &str) -> Result<Option<&'n Node>, Refused> {
        match map.fields.iter().find(|(given, _)| given == name) {
            None => Ok(None),
            Some((_, Node::Null)) => {
                self.refuse(map.field(name), "must not be null");
                Err(Refused)
            }
            Some((_, node)) => Ok(Some(node)),
        }
    }

    fn required<'n>(&mut self, map: &Fields<'n>, name: &str) -> Option<&'n Node> {
        let node = self.optional(map, name).ok()?;
        if node.is_none() {
            self.refuse(map.field(name), "is missing");
        }
        node
    }

    fn text<'n>(&mut self, map: &Fields<'_>, name: &str, node: &'n Node) -> Option<&'n str> {
        if let Node::Text(text) = node {
            return Some(text);
        }
        let rule = format!("must be a text (in quotes), is {}", node.kind());
        self.refuse(map.field(name), rule);
        None
    }

    fn id<T>(
        &mut self,
        map: &Fields<'_>,
        parse: impl Fn(&str) -> Result<T, SlugError>,
    ) -> Option<T> {
        let node = self.required(map, "id")?;
        let text = self.text(map, "id", node)?;
        parse(text)
            .map_err(|error| self.refuse(map.field("id"), error.to_string()))
            .ok()
    }

    /// One line of text that isn't blank.
    fn line(&mut self, map: &Fields<'_>, name: &str, max_chars: usize) -> Option<String> {
        let node = self.required(map, name)?;
        let text = self.text(map, name, node)?;
        let chars = text.chars().count();
        if text.trim().is_empty() || chars > max_chars {
            let rule = format!("must have 1 to {max_chars} characters, not all blank; has {chars}");
            self.refuse(map.field(name), rule);
            None
        } else if text.chars().any(char::is_control) {
            let rule = format!("must not hold control characters, is `{}`", shown(text));
            self.refuse(map.field(name), rule);
            None
        } else {
            Some(text.to_owned())
        }
    }

    fn optional_text(
        &mut self,
        map: &Fields<'_>,
        name: &str,
        rule: impl Fn(&str) -> Result<(), String>,
    ) -> Option<Option<String>> {
        let Some(node) = self.optional(map, name).ok()? else {
            return Some(None);
        };
        let text = self.text(map, name, node)?;
        rule(text)
            .map_err(|rule| self.refuse(map.field(name), rule))
            .ok()?;
        Some(Some(text.to_owned()))
    }

    fn name<T: FromStr<Err = UnknownName>>(
        &mut self,
        map: &Fields<'_>,
        name: &str,
        node: &Node,
    ) -> Option<T> {
        self.text(map, name, node)?
            .parse()
            .map_err(|error: UnknownName| {
                let allowed = error.allowed.join(", ");
                let rule = format!("must be one of {allowed}; is `{}`", error.given);
                self.refuse(map.field(name), rule);
            })
            .ok()
    }

    fn optional_name<T: FromStr<Err = UnknownName>>(
        &mut self,
        map: &Fields<'_>,
        name: &str,
        default: T,
    ) -> Option<T> {
        match self.optional(map, name).ok()? {
            None => Some(default),
            Some(node) => self.name(map, name, node),
        }
    }

    fn number<T: TryFrom<i128> + PartialOrd + Display>(
        &mut self,
        map: &Fields<'_>,
        name: &str,
        node: &Node,
        range: &RangeInclusive<T>,
    ) -> Option<T> {
        let value = match node {
            Node::Integer(value) => T::try_from(*value).ok(),
            _ => None,
        };
        let value = value.filter(|value| range.contains(value));
        if value.is_none() {
            let (start, end) = (range.start(), range.end());
            let rule = format!(
                "must be a whole number from {start} to {end}, is {}",
                node.kind()
            );
            self.refuse(map.field(name), rule);
        }
        value
    }

    fn instant(&mut self, map: &Fields<'_>, name: &str) -> Option<Timestamp> {
        let node = self.required(map, name)?;
        let text = self.text(map, name, node)?;
        let instant = text
            .parse::<Timestamp>()
            .ok()
            .filter(|at| *at >= Timestamp::UNIX_EPOCH && wire_time::floor(*at) == *at);
        if instant.is_none() {
            let rule = format!(
                "must be an RFC 3339 instant since 1970, of at most milliseconds, such as \
                 2026-11-24T00:00:00Z; is `{}`",
                shown(text)
            );
            self.refuse(map.field(name), rule);
        }
        instant
    }

    fn timezone(&mut self, poll: &Fields<'_>) -> Option<(String, TimeZone)> {
        let Some(node) = self.optional(poll, "timezone").ok()? else {
            return Some(("UTC".to_owned(), TimeZone::UTC));
        };
        let text = self.text(poll, "timezone", node)?;
        let zone = TimeZone::get(text).ok().filter(|zone| !zone.is_unknown());
        let named = zone.and_then(|zone| Some((zone.iana_name()?.to_owned(), zone)));
        if named.is_none() {
            let rule = format!(
                "must be the IANA name of a time zone, such as America/Sao_Paulo; is `{}`",
                shown(text)
            );
            self.refuse("timezone", rule);
        }
        named
    }

    fn list<'n>(
        &mut self,
        field: &str,
        node: &'n Node,
        range: &RangeInclusive<usize>,
    ) -> Option<&'n [Node]> {
        let Node::List(list) = node else {
            self.refuse(field, format!("must be a list, is {}", node.kind()));
            return None;
        };
        if !range.contains(&list.len()) {
            let (start, end, has) = (range.start(), range.end(), list.len());
            self.refuse(
                field,
                format!("must have {start} to {end} entries, has {has}"),
            );
        }
        // What is beyond the limit is refused as a whole, not entry by entry.
        Some(&list[..list.len().min(*range.end())])
    }

    fn unique(&mut self, list_name: &str, list: &[Node]) {
        let mut first = BTreeMap::new();
        for (i, node) in list.iter().enumerate() {
            let Node::Map(fields) = node else { continue };
            let Some((_, Node::Text(id))) = fields.iter().find(|(name, _)| name == "id") else {
                continue;
            };
            let earlier = *first.entry(id.as_str()).or_insert(i);
            if earlier != i {
                self.refuse(
                    format!("{list_name}[{i}].id"),
                    format!(
                        "must be unique, `{}` is that of {list_name}[{earlier}]",
                        shown(id)
                    ),
                );
            }
        }
    }
}

/// A field's name from outside, in quotes where it is no plain word.
fn shown_name(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(plain) {
        shown(name)
    } else {
        format!("\"{}\"", shown(name))
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
