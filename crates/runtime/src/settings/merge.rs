//! Merges the layers of the settings: defaults, file, environment; and checks what needs no type.

use std::collections::BTreeMap;
use std::path::Path;

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, ConfigError, File, FileFormat, Value, ValueKind};

use super::error::{Origin, SettingsError, Violation};
use super::layers::Layers;
use super::reference::{self, DEFAULTS_TOML};
use super::service_name::ServiceName;
use super::unique_names;
use super::values;

/// Variables that start like settings and are none: the file's path is read before there are settings.
const NOT_SETTINGS: [&str; 1] = ["VOTE__CONFIG_FILE"];

/// Merges all layers, and checks names and kinds of all values.
pub(super) fn merge(
    service: ServiceName,
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Layers, SettingsError> {
    let mut merging = Merging::from_defaults(service)?;
    if let Some(path) = file {
        merging.add_file(path)?;
    }
    merging.add_environment(env)?;
    merging.finish()
}

/// Layers, one on top of the other, and the names that none of them should have.
struct Merging {
    builder: ConfigBuilder<DefaultState>,
    origins: BTreeMap<String, Origin>,
    violations: Vec<Violation>,
}

impl Merging {
    fn from_defaults(service: ServiceName) -> Result<Self, SettingsError> {
        let mut merging = Self {
            builder: Config::builder().add_source(File::from_str(DEFAULTS_TOML, FileFormat::Toml)),
            origins: BTreeMap::new(),
            violations: Vec::new(),
        };
        if service == ServiceName::Results {
            for setting in reference::reference() {
                if let Some(default) = &setting.default_results {
                    let value = values::of_text(&setting.kind, default);
                    merging.set(&setting.name, value, Origin::Default)?;
                }
            }
        }
        Ok(merging)
    }

    fn set(&mut self, name: &str, value: ValueKind, origin: Origin) -> Result<(), SettingsError> {
        self.builder = std::mem::take(&mut self.builder)
            .set_override(name, value)
            .map_err(|error| internal(name, &error))?;
        self.origins.insert(name.to_owned(), origin);
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> Result<(), SettingsError> {
        let mut leaves = BTreeMap::new();
        flatten(read_file(path)?.cache.kind, String::new(), &mut leaves);
        // Value by value, so that a section without any leaves its defaults alone.
        for (name, value) in leaves {
            if reference::find(&name).is_some() {
                self.set(&name, value, Origin::File)?;
            } else {
                self.violations.push(unknown(&name, Origin::File));
            }
        }
        Ok(())
    }

    fn add_environment(
        &mut self,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<(), SettingsError> {
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
                    let value = values::of_text(&setting.kind, &text);
                    self.set(&name, value, Origin::Environment)?;
                }
                None => self.violations.push(unknown(&name, Origin::Environment)),
            }
        }
        Ok(())
    }

    /// The merged layers, if all names are known and all values are of their kind.
    fn finish(self) -> Result<Layers, SettingsError> {
        let Self {
            builder,
            origins,
            mut violations,
        } = self;
        let merged = builder.build().map_err(|error| internal("", &error))?;
        let layers = Layers { merged, origins };
        for setting in reference::reference() {
            let reason = match layers.merged.get::<Value>(&setting.name) {
                Ok(value) if values::fits(&setting.kind, &value.kind) => continue,
                Ok(_) => reference::takes(&setting.name),
                Err(error) => error.to_string(),
            };
            violations.push(layers.violation(&setting.name, reason));
        }
        if violations.is_empty() {
            Ok(layers)
        } else {
            Err(SettingsError::Invalid(violations))
        }
    }
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
    // A byte-order mark, as some editors write it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if text.trim().is_empty() {
        return Config::builder()
            .build()
            .map_err(|error| refused(error.to_string()));
    }
    if format == FileFormat::Json {
        // What the reader of JSON would take the last of; those of YAML and TOML refuse it themselves.
        unique_names::check(text)
            .map_err(|error| refused(format!("is not understood: {error}")))?;
    }
    Config::builder()
        .add_source(File::from_str(text, format))
        .build()
        .map_err(|error| refused(format!("is not understood: {}", without_text(&error))))
}

/// What a reader says of a text, without the lines of it that it shows: they may hold a secret.
fn without_text(error: &ConfigError) -> String {
    let said = error.to_string();
    let is_shown = |line: &&str| {
        let line = line.trim_start();
        line.trim_start_matches(|c: char| c.is_ascii_digit())
            .trim_start()
            .starts_with('|')
    };
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| !is_shown(line))
        .map(str::trim)
        .collect();
    lines.join(" ")
}

/// All values of a layer by their dotted names; a list counts as one value.
fn flatten(kind: ValueKind, name: String, leaves: &mut BTreeMap<String, ValueKind>) {
    match kind {
        ValueKind::Table(table) => {
            for (key, value) in table {
                let name = match name.as_str() {
                    "" => key,
                    section => format!("{section}.{key}"),
                };
                flatten(value.kind, name, leaves);
            }
        }
        // A section without any setting, as YAML has it when all its lines are comments.
        ValueKind::Nil
            if reference::reference()
                .iter()
                .any(|setting| setting.name.starts_with(&format!("{name}."))) => {}
        kind => {
            leaves.insert(name, kind);
        }
    }
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

fn internal(name: &str, error: &ConfigError) -> SettingsError {
    SettingsError::Invalid(vec![Violation {
        setting: name.to_owned(),
        given: None,
        origin: Origin::Default,
        reason: error.to_string(),
    }])
}
