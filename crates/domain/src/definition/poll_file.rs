//! Reads a poll file, in YAML or JSON.

use std::fmt;

use crate::definition::node::Node;
use crate::definition::poll_definition::PollDefinition;
use crate::definition::slug::PollId;
use crate::definition::validate::definition;
use crate::definition::violation::{FILE, Violations};

/// The longest poll file, in bytes: 64 candidates with the longest names and addresses fit.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// What some editors begin a UTF-8 file with. RFC 8259 (section 8.1) and YAML let a reader ignore it.
const BYTE_ORDER_MARK: &str = "\u{feff}";

impl TryFrom<Node> for PollDefinition {
    type Error = Violations;

    fn try_from(node: Node) -> Result<Self, Violations> {
        definition(&node)
    }
}

/// A poll's file as it was given: what it defines, and what it names.
#[derive(Debug, Clone, PartialEq)]
pub struct PollFile {
    pub(super) node: Node,
    pub(super) definition: PollDefinition,
}

impl PollFile {
    /// Reads a poll file in YAML. A byte-order mark in front is ignored.
    ///
    /// # Errors
    /// Where it isn't YAML, or breaks rules: all that it breaks, each with its field.
    pub fn parse_yaml(text: &str) -> Result<Self, Violations> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        check_size(text.as_bytes())?;
        let yaml = serde_yaml_ng::Deserializer::from_str(text);
        let node: Node =
            serde_path_to_error::deserialize(yaml).map_err(|error| syntax("YAML", &error))?;
        Self::of(node)
    }

    /// Reads a poll file in JSON. A byte-order mark in front is ignored.
    ///
    /// # Errors
    /// Where it isn't UTF-8 or JSON, or breaks rules: all that it breaks, each with its field.
    pub fn parse_json(bytes: &[u8]) -> Result<Self, Violations> {
        let mark = BYTE_ORDER_MARK.as_bytes();
        let bytes = bytes.strip_prefix(mark).unwrap_or(bytes);
        check_size(bytes)?;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let valid = error.valid_up_to();
            Violations::one(
                FILE,
                format!("must be UTF-8 text, isn't from byte {valid} on"),
            )
        })?;
        let mut json = serde_json::Deserializer::from_str(text);
        let node: Node =
            serde_path_to_error::deserialize(&mut json).map_err(|error| syntax("JSON", &error))?;
        json.end()
            .map_err(|error| Violations::one(FILE, format!("must be JSON: {error}")))?;
        Self::of(node)
    }

    fn of(node: Node) -> Result<Self, Violations> {
        let definition = definition(&node)?;
        // Only of files: a poll that is there already goes on.
        if definition.id().as_str() == PollId::CURRENT {
            let rule = "must not be `current`: by that name the results service finds the poll that is on now";
            return Err(Violations::one("id", rule));
        }
        Ok(Self { node, definition })
    }

    /// What it defines, with the defaults of all that it leaves out.
    #[must_use]
    pub const fn definition(&self) -> &PollDefinition {
        &self.definition
    }

    /// Whether it names that field of the poll, rather than leaving it to its default.
    #[must_use]
    pub fn names(&self, field: &str) -> bool {
        let Node::Map(fields) = &self.node else {
            return false;
        };
        fields.iter().any(|(name, _)| name == field)
    }
}

impl PollDefinition {
    /// The poll's file in YAML, with every field: [`Self::parse_yaml`] gives the same definition again.
    ///
    /// # Errors
    /// The writer's own, as text; no definition is known that it can't write.
    pub fn to_yaml(&self) -> Result<String, String> {
        let mut whole = self.clone();
        whole.release = Some(self.release_rule());
        whole.language = Some(self.language());
        serde_yaml_ng::to_string(&whole).map_err(|error| error.to_string())
    }

    /// Reads a poll file in YAML, as [`PollFile::parse_yaml`].
    ///
    /// # Errors
    /// As there.
    pub fn parse_yaml(text: &str) -> Result<Self, Violations> {
        PollFile::parse_yaml(text).map(|file| file.definition)
    }

    /// Reads a poll file in JSON, as [`PollFile::parse_json`].
    ///
    /// # Errors
    /// As there.
    pub fn parse_json(bytes: &[u8]) -> Result<Self, Violations> {
        PollFile::parse_json(bytes).map(|file| file.definition)
    }
}

fn check_size(bytes: &[u8]) -> Result<(), Violations> {
    let has = bytes.len();
    if has > MAX_FILE_BYTES {
        let rule = format!("must have at most {MAX_FILE_BYTES} bytes, has {has}");
        return Err(Violations::one(FILE, rule));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(Violations::one(FILE, "must not be empty"));
    }
    Ok(())
}

fn syntax<E: fmt::Display>(
    format: &'static str,
    error: &serde_path_to_error::Error<E>,
) -> Violations {
    // The reader shows a place between two fields as `?`, and one outside of all as `.`.
    let path = error.path().to_string();
    let path = path.trim_end_matches(['.', '?']);
    let field = if path.is_empty() { FILE } else { path };
    Violations::one(field, format!("must be {format}: {}", error.inner()))
}

#[cfg(test)]
mod tests;
