//! The kinds of field of a poll file: each is read, or what is wrong with it is noted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::definition::choices::Kind;
use crate::definition::node::Node;
use crate::definition::slug::SlugError;
use crate::definition::violation::{FILE, Violation};
use crate::instant::InstantError;
use crate::line::{belongs_into_a_line, is_visible};
use crate::names::UnknownName;
use crate::shown::shown;
use crate::{instant, wire_time, zone};

/// The fields of one mapping, and where it stands in the file.
pub(super) struct Fields<'n> {
    path: String,
    fields: &'n [(String, Node)],
}

impl Fields<'_> {
    pub(super) fn field(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }
}

/// Collects violations. A method that gives `None` for a field that is there has noted why.
pub(super) struct Check(pub(super) Vec<Violation>);

impl Check {
    /// Notes a violation; always `None`, for whoever has nothing to give then.
    pub(super) fn refuse<T>(
        &mut self,
        field: impl Into<String>,
        rule: impl Into<String>,
    ) -> Option<T> {
        self.0.push(Violation {
            field: field.into(),
            rule: rule.into(),
        });
        None
    }

    pub(super) fn map<'n>(
        &mut self,
        path: String,
        node: &'n Node,
        known: &[&str],
    ) -> Option<Fields<'n>> {
        let takes = known.join(", ");
        let Node::Map(fields) = node else {
            let field = if path.is_empty() { FILE } else { path.as_str() };
            let rule = format!("must be a mapping of {takes}, is {}", node.kind());
            return self.refuse(field, rule);
        };
        let map = Fields { path, fields };
        let mut seen = BTreeSet::new();
        for (name, _) in fields {
            let rule = if !seen.insert(name) {
                "must not be given twice".to_owned()
            } else if !known.contains(&name.as_str()) {
                format!("is unknown; takes {takes}")
            } else {
                continue;
            };
            self.refuse::<()>(map.field(&shown_name(name)), rule);
        }
        Some(map)
    }

    /// The field, or that it isn't there.
    pub(super) fn optional<'n>(
        &mut self,
        map: &Fields<'n>,
        name: &str,
    ) -> Option<Option<&'n Node>> {
        match map.fields.iter().find(|(given, _)| given == name) {
            None => Some(None),
            Some((_, Node::Null)) => self.refuse(map.field(name), "must not be null"),
            Some((_, node)) => Some(Some(node)),
        }
    }

    pub(super) fn required<'n>(&mut self, map: &Fields<'n>, name: &str) -> Option<&'n Node> {
        match self.optional(map, name)? {
            None => self.refuse(map.field(name), "is missing"),
            node => node,
        }
    }

    fn text<'n>(&mut self, map: &Fields<'_>, name: &str, node: &'n Node) -> Option<&'n str> {
        if let Node::Text(text) = node {
            return Some(text);
        }
        let rule = format!("must be a text (in quotes), is {}", node.kind());
        self.refuse(map.field(name), rule)
    }

    pub(super) fn id<T>(
        &mut self,
        map: &Fields<'_>,
        parse: impl Fn(&str) -> Result<T, SlugError>,
    ) -> Option<T> {
        let node = self.required(map, "id")?;
        match parse(self.text(map, "id", node)?) {
            Ok(id) => Some(id),
            Err(error) => self.refuse(map.field("id"), error.to_string()),
        }
    }

    /// One line of text that shows something, without the blanks around it.
    pub(super) fn line(&mut self, map: &Fields<'_>, name: &str, max: usize) -> Option<String> {
        let node = self.required(map, name)?;
        let text = self.text(map, name, node)?.trim();
        let chars = text.chars().count();
        if text.is_empty() || chars > max {
            let rule = format!("must have 1 to {max} characters, not all blank; has {chars}");
            return self.refuse(map.field(name), rule);
        }
        if text.chars().any(char::is_control) {
            let rule = format!("must not hold control characters, is `{}`", shown(text));
            return self.refuse(map.field(name), rule);
        }
        if let Some(found) = text.chars().find(|c| !belongs_into_a_line(*c)) {
            let code = u32::from(found);
            let rule =
                format!("must be one line, without marks of text direction; has U+{code:04X}");
            return self.refuse(map.field(name), rule);
        }
        if !is_visible(text) {
            let rule = "must have a character that can be seen; has only invisible ones";
            return self.refuse(map.field(name), rule);
        }
        Some(text.to_owned())
    }

    pub(super) fn optional_text(
        &mut self,
        map: &Fields<'_>,
        name: &str,
        rule: impl Fn(&str) -> Result<(), String>,
    ) -> Option<Option<String>> {
        let Some(node) = self.optional(map, name)? else {
            return Some(None);
        };
        let text = self.text(map, name, node)?;
        match rule(text) {
            Ok(()) => Some(Some(text.to_owned())),
            Err(rule) => self.refuse(map.field(name), format!("{rule}, is `{}`", shown(text))),
        }
    }

    pub(super) fn name<T: FromStr<Err = UnknownName>>(
        &mut self,
        map: &Fields<'_>,
        name: &str,
        node: &Node,
    ) -> Option<T> {
        match self.text(map, name, node)?.parse() {
            Ok(value) => Some(value),
            Err(UnknownName { allowed, given, .. }) => {
                let rule = format!("must be one of {}; is `{given}`", allowed.join(", "));
                self.refuse(map.field(name), rule)
            }
        }
    }

    pub(super) fn optional_name<T: FromStr<Err = UnknownName>>(
        &mut self,
        map: &Fields<'_>,
        name: &str,
        default: T,
    ) -> Option<T> {
        match self.optional(map, name)? {
            None => Some(default),
            Some(node) => self.name(map, name, node),
        }
    }

    pub(super) fn number<T: TryFrom<i128> + PartialOrd + Display>(
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
        value.filter(|value| range.contains(value)).or_else(|| {
            let (start, end, is) = (range.start(), range.end(), node.kind());
            let rule = format!("must be a whole number from {start} to {end}, is {is}");
            self.refuse(map.field(name), rule)
        })
    }

    pub(super) fn instant(
        &mut self,
        map: &Fields<'_>,
        name: &str,
        zone: Option<&TimeZone>,
    ) -> Option<Timestamp> {
        let node = self.required(map, name)?;
        let text = self.text(map, name, node)?;
        let read = match zone {
            Some(zone) => instant::parse_in(text, zone),
            None => instant::parse(text),
        };
        let rule = match read {
            Ok(at) if at >= Timestamp::UNIX_EPOCH && wire_time::floor(at) == at => return Some(at),
            Ok(_) | Err(InstantError::Shape | InstantError::LocalShape { .. }) => {
                "must be an RFC 3339 instant since 1970, of at most milliseconds, such as 2026-11-24T00:00:00Z, \
                 or a local time of the poll's timezone, such as 2026-11-23T21:00"
                    .to_owned()
            }
            Err(error) => error.to_string(),
        };
        self.refuse(map.field(name), format!("{rule}; is `{}`", shown(text)))
    }

    /// The name of the poll's zone, and the zone itself where the file names one: times without an offset are local to
    /// it. Who says "until 23:00" of a live poll means the zone of the programme, so that has to name it.
    pub(super) fn timezone(
        &mut self,
        poll: &Fields<'_>,
        kind: Option<Kind>,
    ) -> Option<(String, Option<TimeZone>)> {
        const EXAMPLE: &str = "the IANA name of a time zone, such as America/Sao_Paulo";
        let Some(node) = self.optional(poll, "timezone")? else {
            if kind == Some(Kind::Live) {
                let rule = format!("is missing: a live poll names the programme's, {EXAMPLE}");
                return self.refuse("timezone", rule);
            }
            return Some(("UTC".to_owned(), None));
        };
        let text = self.text(poll, "timezone", node)?;
        match zone::named(text) {
            Some((name, zone)) => Some((name, Some(zone))),
            None => self.refuse(
                "timezone",
                format!("must be {EXAMPLE}; is `{}`", shown(text)),
            ),
        }
    }

    /// A list whose entries have ids of their own.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        node: &Node,
        range: &RangeInclusive<usize>,
        entry: impl Fn(&mut Self, String, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Node::List(list) = node else {
            return self.refuse(name, format!("must be a list, is {}", node.kind()));
        };
        if !range.contains(&list.len()) {
            let (start, end, has) = (range.start(), range.end(), list.len());
            self.refuse::<()>(
                name,
                format!("must have {start} to {end} entries, has {has}"),
            );
        }
        // What is beyond the limit is refused as a whole, not entry by entry.
        let list = &list[..list.len().min(*range.end())];
        let entries = list.iter().enumerate();
        let read: Vec<_> = entries
            .map(|(i, node)| entry(self, format!("{name}[{i}]"), node))
            .collect();
        self.unique(name, list);
        read.into_iter().collect()
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
                let id = shown(id);
                let rule = format!("must be unique, `{id}` is that of {list_name}[{earlier}]");
                self.refuse::<()>(format!("{list_name}[{i}].id"), rule);
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
