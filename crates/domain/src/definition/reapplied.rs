//! A file that is applied to a poll that is there already: what it changes, and what it leaves alone.

use serde::Deserialize;

use crate::definition::difference::Difference;
use crate::definition::node::Node;
use crate::definition::poll_definition::PollDefinition;
use crate::definition::poll_file::PollFile;
use crate::definition::validate::definition;
use crate::definition::violation::{FILE, Violations};

/// What a file makes of a poll that is there already.
#[derive(Debug, Clone, PartialEq)]
pub struct Reapplied {
    /// The poll's definition after it.
    pub definition: PollDefinition,
    /// What stays although the file says otherwise, since a command has changed it: from what it is to what the file says.
    pub kept: Vec<Difference>,
}

/// What of a poll a file leaves as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Fields that commands have changed since: a file that is older than the command must not undo it.
    pub by_commands: Vec<&'static str>,
    /// Whether what the file does not name stays too, rather than taking its default: so once the poll is open.
    pub unnamed: bool,
}

impl PollFile {
    /// What this file makes of a poll that is defined so far as `current`.
    ///
    /// # Errors
    /// Where what stays and what the file says break a rule together: an end that is not after the beginning any more.
    pub fn onto(&self, current: &PollDefinition, held: &Held) -> Result<Reapplied, Violations> {
        let unreadable = |error: serde_json::Error| Violations::one(FILE, error.to_string());
        let there = serde_json::to_value(current).map_err(unreadable)?;
        let there = Node::deserialize(there).map_err(unreadable)?;
        let mut node = self.node.clone();
        if held.unnamed {
            fill(&mut node, &there);
        }
        let mut kept = current.differences(&self.definition);
        kept.retain(|difference| held.by_commands.contains(&difference.field.as_str()));
        for difference in &kept {
            replace(&mut node, &there, &difference.field);
        }
        kept.retain(|difference| self.names(&difference.field));
        Ok(Reapplied {
            definition: definition(&node)?,
            kept,
        })
    }
}

/// Adds what the poll has and the file does not name: in the poll, and in each candidate and channel by its id.
fn fill(file: &mut Node, there: &Node) {
    match (file, there) {
        (Node::Map(file), Node::Map(there)) => {
            for (name, value) in there {
                match file.iter_mut().find(|(named, _)| named == name) {
                    Some((_, named)) => fill(named, value),
                    None => file.push((name.clone(), value.clone())),
                }
            }
        }
        (Node::List(file), Node::List(there)) => {
            for entry in file {
                let same = there.iter().find(|other| id(other) == id(entry));
                if let (Some(_), Some(same)) = (id(entry), same) {
                    fill(entry, same);
                }
            }
        }
        _ => {}
    }
}

fn id(entry: &Node) -> Option<&Node> {
    let Node::Map(fields) = entry else {
        return None;
    };
    let id = fields.iter().find(|(name, _)| name == "id");
    id.map(|(_, id)| id)
}

fn replace(file: &mut Node, there: &Node, field: &str) {
    let (Node::Map(file), Node::Map(there)) = (file, there) else {
        return;
    };
    file.retain(|(name, _)| name != field);
    // What is not there has its default.
    let value = there.iter().find(|(name, _)| name == field);
    file.extend(value.cloned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{PAREDAO, paredao};

    fn file(changes: &[(&str, &str)]) -> PollFile {
        let text = changes.iter().fold(PAREDAO.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        PollFile::parse_yaml(&text).expect("a poll file")
    }

    fn said(current: &PollDefinition, made: &PollDefinition) -> Vec<String> {
        let differences = current.differences(made);
        differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_default_that_a_command_stands_for_is_held_too() {
        let held = Held {
            by_commands: vec!["release"],
            unnamed: true,
        };
        let auto = file(&[("shards: 1", "shards: 1\nrelease: auto")]);
        let made = auto.onto(&paredao(), &held).expect("legal");
        assert_eq!(made.definition, paredao());
        assert_eq!(made.kept.len(), 1);
        // And the other way round.
        let current = auto.definition().clone();
        let made = file(&[]).onto(&current, &held).expect("legal");
        assert_eq!(
            (made.definition, made.kept.len()),
            (current, 0),
            "it says nothing"
        );
        let manual = file(&[("shards: 1", "shards: 1\nrelease: manual")]);
        let made = manual.onto(auto.definition(), &held).expect("legal");
        assert_eq!((&made.definition, made.kept.len()), (auto.definition(), 1));
    }

    #[test]
    fn what_a_file_does_not_name_stays_where_that_is_asked_for() {
        let current = file(&[
            ("visibility: public", "visibility: embargoed"),
            ("shards: 1", "shards: 4"),
            (
                "name: Ana",
                "name: Ana, color: '#aabbcc', image_url: 'https://host/a.png'",
            ),
        ]);
        let short = file(&[
            (
                "visibility: public            # or percentages, embargoed\n",
                "",
            ),
            ("shards: 1\n", ""),
            ("kind: live                    # or rehearsal\n", ""),
            ("name: Bia", "name: Beatriz"),
        ]);
        assert!(!short.names("visibility") && short.names("title"));
        let held = Held {
            unnamed: true,
            ..Held::default()
        };
        let made = short.onto(current.definition(), &held).expect("a poll");
        assert_eq!(
            said(current.definition(), &made.definition),
            ["candidates[1].name from Bia to Beatriz"]
        );
        let made = short.onto(current.definition(), &Held::default());
        assert_eq!(made.expect("a poll").definition, *short.definition());
    }

    #[test]
    fn what_a_command_has_changed_stays_and_is_said() {
        let moved = paredao()
            .with_times(None, Some(crate::fixtures::at("2026-11-26T04:00:00Z")))
            .expect("later");
        let held = Held {
            by_commands: vec!["closes_at", "visibility"],
            unnamed: true,
        };
        let newer = file(&[("Paredão 1", "Paredão 2")]);
        let made = newer.onto(&moved, &held).expect("a poll");
        assert_eq!(
            said(&moved, &made.definition),
            ["title from Paredão 1 to Paredão 2"]
        );
        assert_eq!(
            made.kept[0].to_string(),
            "closes_at from 2026-11-26T04:00:00.000Z to 2026-11-26T02:00:00.000Z"
        );
        assert_eq!(made.kept.len(), 1);
    }

    #[test]
    fn what_stays_and_what_the_file_says_must_fit_together() {
        let held = Held {
            by_commands: vec!["closes_at"],
            unnamed: true,
        };
        let newer = file(&[
            ("opens_at: 2026-11-24", "opens_at: 2026-12-24"),
            ("closes_at: 2026-11-26", "closes_at: 2026-12-26"),
        ]);
        let error = newer
            .onto(&paredao(), &held)
            .expect_err("it would end first");
        assert!(
            error.to_string().contains("must be after opens_at"),
            "{error}"
        );
    }
}
