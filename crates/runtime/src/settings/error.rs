//! What is wrong with the settings, said so that the one who starts the service can put it right.

use std::fmt;
use std::path::PathBuf;

use super::reference::env_name;

/// Why settings could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The settings file can't be used at all.
    #[error("settings file {}: {reason}", path.display())]
    File {
        /// The file named by `--config` or `VOTE__CONFIG_FILE`.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Single settings are wrong; all that were found are listed.
    #[error("{}", list(.0))]
    Invalid(Vec<Violation>),
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, derive_more::Display)]
pub enum Origin {
    /// The embedded defaults.
    #[display("by default")]
    Default,
    /// The settings file.
    #[display("in the settings file")]
    File,
    /// An environment variable.
    #[display("in the environment")]
    Environment,
}

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Dotted name, such as `commit.accept_timeout_ms`.
    pub setting: String,
    /// The value given, in quotes where it is a text, and never a secret's.
    pub given: Option<String>,
    /// Where it was given.
    pub origin: Origin,
    /// What is wrong, or what the setting takes.
    pub reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.setting, env_name(&self.setting))?;
        if let Some(given) = &self.given {
            write!(f, " is {given} {}", self.origin)?;
        }
        write!(f, ": {}", self.reason)
    }
}

fn list(violations: &[Violation]) -> String {
    let mut text = match violations.len() {
        1 => "a setting is wrong:".to_owned(),
        count => format!("{count} settings are wrong:"),
    };
    for violation in violations {
        text.push_str("\n  ");
        text.push_str(&violation.to_string());
    }
    text
}
