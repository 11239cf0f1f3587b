//! Reads a poll file, in YAML or JSON.

use std::fmt;

use crate::definition::node::Node;
use crate::definition::poll_definition::PollDefinition;
use crate::definition::validate::definition;
use crate::definition::violation::{FILE, Violations};

/// The longest poll file, in bytes: 64 candidates with the longest names and addresses fit.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

impl TryFrom<Node> for PollDefinition {
    type Error = Violations;

    fn try_from(node: Node) -> Result<Self, Violations> {
        definition(&node)
    }
}

impl PollDefinition {
    /// Reads a poll file in YAML.
    ///
    /// # Errors
    /// Where it isn't YAML, or breaks rules: all that it breaks, each with its field.
    pub fn parse_yaml(text: &str) -> Result<Self, Violations> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        check_size(text.as_bytes())?;
        let yaml = serde_yaml_ng::Deserializer::from_str(text);
        let node: Node =
            serde_path_to_error::deserialize(yaml).map_err(|error| syntax("YAML", &error))?;
        definition(&node)
    }

    /// Reads a poll file in JSON.
    ///
    /// # Errors
    /// Where it isn't UTF-8 or JSON, or breaks rules: all that it breaks, each with its field.
    pub fn parse_json(bytes: &[u8]) -> Result<Self, Violations> {
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
        definition(&node)
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
