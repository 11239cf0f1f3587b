//! All layers of the settings merged, and where each value came from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use config::{Config, Value, ValueKind};
use vote_domain::Secret;

use super::error::{Origin, Violation};
use super::reference::{self, SettingDoc};
use super::values;
use crate::secret_file;

/// All layers merged, and where each value came from.
pub(super) struct Layers {
    pub(super) merged: Config,
    pub(super) origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Where the value of that setting came from.
    fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).copied().unwrap_or(Origin::Default)
    }

    /// The value of that setting for a message; a secret's is not shown.
    fn given(&self, name: &str) -> Option<String> {
        let value = self.merged.get::<Value>(name).ok()?;
        if reference::find(name).is_none_or(SettingDoc::is_secret) {
            return Some("[secret]".to_owned());
        }
        Some(values::show(&value.kind))
    }

    /// A violation of that setting, with its value and origin filled in.
    pub(super) fn violation(&self, name: &str, reason: impl Into<String>) -> Violation {
        let reason = reason.into();
        // What came from a file is mended there.
        let file = format!("{name}_file");
        let (name, reason) = if self.is_set(&file) && !self.is_given(name) {
            (
                file.as_str(),
                format!("what the file holds is refused: {name} {reason}"),
            )
        } else {
            (name, reason)
        };
        Violation {
            setting: name.to_owned(),
            given: self.given(name),
            origin: self.origin(name),
            reason,
        }
    }

    /// Whether there is such a setting, with another text than an empty one, which means: not set.
    fn is_set(&self, name: &str) -> bool {
        let value = self.merged.get::<Value>(name);
        value.is_ok_and(|value| value.kind != ValueKind::from(""))
    }

    /// Whether somebody has set it: what is there by default is no value beside a file.
    fn is_given(&self, name: &str) -> bool {
        self.is_set(name) && self.origin(name) != Origin::Default
    }

    /// Reads the value of that setting from its file, where there is one.
    pub(super) fn read_file(
        &self,
        name: &str,
        file: Option<&PathBuf>,
    ) -> Result<Option<Secret>, Violation> {
        let Some(path) = file else { return Ok(None) };
        let file_setting = format!("{name}_file");
        if self.is_given(name) {
            let reason = format!("{name} is set too: set one of both");
            return Err(self.violation(&file_setting, reason));
        }
        let held = secret_file::read(path);
        held.map(Some)
            .map_err(|error| self.violation(&file_setting, error.to_string()))
    }

    /// The same into the setting that it stands for.
    pub(super) fn read_secret(
        &self,
        name: &str,
        value: &mut Option<Secret>,
        file: &Option<PathBuf>,
    ) -> Result<(), Violation> {
        if let Some(held) = self.read_file(name, file.as_ref())? {
            *value = Some(held);
        }
        Ok(())
    }
}
