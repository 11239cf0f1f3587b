//! The layers of the settings: defaults, file, environment; and the checks that need no type.

use std::collections::BTreeMap;
use std::path::Path;

use config::{Config, File, FileFormat, Value, ValueKind};

use super::ServiceName;
use super::error::{Origin, SettingsError, Violation};
use super::reference::{self, DEFAULTS_TOML, Kind, SettingDoc};

/// Variables that start like settings and are none: the file's path is read before there are settings.
const NOT_SETTINGS: [&str; 1] = ["VOTE__CONFIG_FILE"];

/// A longer value is cut in messages.
const SHOWN_CHARACTERS: usize = 80;

/// All layers merged, and where each value came from.
pub(super) struct Layers {
    pub(super) merged: Config,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Where the value of that setting came from.
    pub(super) fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).copied().unwrap_or(Origin::Default)
    }

    /// The value of that setting for a message; a secret's is not shown.
    pub(super) fn given(&self, name: &str) -> Option<String> {
        let value = self.merged.get::<Value>(name).ok()?;
        if reference::find(name).is_none_or(SettingDoc::is_secret) {
            return Some("[secret]".to_owned());
        }
        Some(show(&value.kind))
    }

    /// A violation of that setting, with its value and origin filled in.
    pub(super) fn violation(&self, name: &str, reason: impl Into<String>) -> Violation {
        Violation {
            setting: name.to_owned(),
            given: self.given(name),
            origin: self.origin(name),
            reason: reason.into(),
        }
    }
}

/// Merges all layers, and checks names and kinds of all values.
pub(super) fn merge(
    service: ServiceName,
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Layers, SettingsError> {
    let mut violations = Vec::new();
    let mut origins = BTreeMap::new();
    let mut builder = Config::builder()
        .add_source(File::from_str(DEFAULTS_TOML, FileFormat::Toml))
        .add_source(own(service)?);

    if let Some(path) = file {
        let layer = read_file(path)?;
        let mut leaves = BTreeMap::new();
        flatten(&layer, String::new(), &mut leaves);
        // Value by value, so that a section without any leaves its defaults alone.
        for (name, kind) in leaves {
            if reference::find(&name).is_none() {
                violations.push(unknown(&name, Origin::File));
                continue;
            }
            builder = builder
                .set_override(&name, kind)
                .map_err(|error| internal(&name, &error))?;
            origins.insert(name, Origin::File);
        }
    }

    for (variable, text) in env {
        let Some(rest) = variable.strip_prefix("VOTE__") else {
            continue;
        };
        if NOT_SETTINGS.contains(&variable.as_str()) {
            continue;
        }
        let name = rest.replace("__", ".").to_lowercase();
        // The name must be written as documented: a variable in lower case would be taken by accident.
        match reference::find(&name).filter(|setting| setting.env == variable) {
            Some(setting) => {
                let kind = match setting.kind {
                    Kind::List => split_list(&text),
                    _ => ValueKind::String(text),
                };
                builder = builder
                    .set_override(&name, kind)
                    .map_err(|error| internal(&name, &error))?;
                origins.insert(name, Origin::Environment);
            }
            None => violations.push(unknown(&name, Origin::Environment)),
        }
    }

    let merged = builder.build().map_err(|error| internal("", &error))?;
    let layers = Layers { merged, origins };
    for setting in reference::reference() {
        match layers.merged.get::<Value>(&setting.name) {
            Ok(value) if fits(&setting.kind, &value.kind) => {}
            Ok(_) => {
                violations
                    .push(layers.violation(&setting.name, format!("takes {}", setting.takes)));
            }
            Err(error) => violations.push(layers.violation(&setting.name, error.to_string())),
        }
    }
    if violations.is_empty() {
        Ok(layers)
    } else {
        Err(SettingsError::Invalid(violations))
    }
}

/// The defaults in which vote-results differs.
fn own(service: ServiceName) -> Result<Config, SettingsError> {
    let mut builder = Config::builder();
    if service == ServiceName::Results {
        for setting in reference::reference() {
            if let Some(default) = &setting.default_results {
                let value = match setting.kind {
                    Kind::List => split_list(default),
                    _ => ValueKind::from(default.as_str()),
                };
                builder = builder
                    .set_override(&setting.name, value)
                    .map_err(|error| internal(&setting.name, &error))?;
            }
        }
    }
    builder.build().map_err(|error| internal("", &error))
}

fn read_file(path: &Path) -> Result<Config, SettingsError> {
    let refused = |reason: String| SettingsError::File {
        path: path.to_owned(),
        reason,
    };
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => FileFormat::Toml,
        Some("yaml" | "yml") => FileFormat::Yaml,
        Some("json") => FileFormat::Json,
        _ => {
            return Err(refused(
                "its name ends in none of .toml, .yaml, .yml, .json".to_owned(),
            ));
        }
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| refused(format!("can't be read: {error}")))?;
    if text.trim().is_empty() {
        return Config::builder()
            .build()
            .map_err(|error| refused(error.to_string()));
    }
    Config::builder()
        .add_source(File::from_str(&text, format))
        .build()
        .map_err(|error| refused(format!("is not understood: {error}")))
}

/// All values of a layer by their dotted names; a list counts as one value.
fn flatten(layer: &Config, prefix: String, leaves: &mut BTreeMap<String, ValueKind>) {
    fn walk(kind: ValueKind, prefix: String, leaves: &mut BTreeMap<String, ValueKind>) {
        match kind {
            ValueKind::Table(table) => {
                for (key, value) in table {
                    let name = if prefix.is_empty() {
                        key
                    } else {
                        format!("{prefix}.{key}")
                    };
                    walk(value.kind, name, leaves);
                }
            }
            // A section without any setting, as YAML has it when all its lines are comments.
            ValueKind::Nil
                if reference::reference()
                    .iter()
                    .any(|s| s.name.starts_with(&format!("{prefix}."))) => {}
            kind => {
                leaves.insert(prefix, kind);
            }
        }
    }
    walk(layer.cache.kind.clone(), prefix, leaves);
}

/// The value is not shown: a mistyped name may be that of a secret.
fn unknown(name: &str, origin: Origin) -> Violation {
    let reason = match reference::nearest(name) {
        Some(nearest) => {
            format!(
                "there is no such setting; did you mean {} ({})?",
                nearest.name, nearest.env
            )
        }
        None => "there is no such setting.".to_owned(),
    };
    Violation {
        setting: name.to_owned(),
        given: None,
        origin,
        reason: format!("{reason} It is set {origin}."),
    }
}

fn internal(name: &str, error: &config::ConfigError) -> SettingsError {
    SettingsError::Invalid(vec![Violation {
        setting: name.to_owned(),
        given: None,
        origin: Origin::Default,
        reason: error.to_string(),
    }])
}

fn split_list(text: &str) -> ValueKind {
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    ValueKind::Array(items.map(|item| Value::new(None, item)).collect())
}

fn fits(kind: &Kind, value: &ValueKind) -> bool {
    match (kind, value) {
        (Kind::Integer { min, max }, value) => {
            let number = match value {
                ValueKind::I64(number) => u64::try_from(*number).ok(),
                ValueKind::U64(number) => Some(*number),
                ValueKind::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    text.parse().ok()
                }
                _ => None,
            };
            number.is_some_and(|number| (*min..=*max).contains(&number))
        }
        (Kind::Boolean, ValueKind::Boolean(_)) => true,
        (Kind::Boolean, ValueKind::String(text)) => text == "true" || text == "false",
        (Kind::OneOf(words), ValueKind::String(text)) => words.contains(text),
        (Kind::List, ValueKind::Array(items)) => items
            .iter()
            .all(|item| matches!(item.kind, ValueKind::String(_))),
        (Kind::Secret | Kind::Text, ValueKind::String(_)) => true,
        _ => false,
    }
}

fn show(kind: &ValueKind) -> String {
    let text = match kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Table(_) => "a section".to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
