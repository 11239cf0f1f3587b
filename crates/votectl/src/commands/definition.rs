//! A poll's file, written from the poll as it is kept.

use crate::failure::Failure;
use vote_domain::PollDefinition;

/// The poll's file in YAML, with all of its fields, whether the file that it was made from named them or not.
///
/// # Errors
/// When it can't be written as text.
pub(super) fn yaml(definition: &PollDefinition) -> Result<String, Failure> {
    Ok(definition.to_yaml().map_err(anyhow::Error::msg)?)
}
