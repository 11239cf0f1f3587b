//! The reference of all settings, read from `defaults.toml`: names, defaults, documentation and ranges.

use std::fmt::Write as _;
use std::sync::LazyLock;

use strsim::levenshtein;

/// The embedded first layer: defaults and documentation in one file.
pub const DEFAULTS_TOML: &str = include_str!("../defaults.toml");

static REFERENCE: LazyLock<Vec<SettingDoc>> = LazyLock::new(|| parse(DEFAULTS_TOML));

/// One setting as documented in `defaults.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingDoc {
    /// Dotted name in a settings file, such as `commit.accept_timeout_ms`.
    pub name: String,
    /// Name of the environment variable, such as `VOTE__COMMIT__ACCEPT_TIMEOUT_MS`.
    pub env: String,
    /// Default, as written in TOML (`2000`, `"info"`, `[]`).
    pub default: String,
    /// Default of vote-results where it differs, without quotes.
    pub default_results: Option<String>,
    /// What the setting is for, as one paragraph.
    pub doc: String,
    /// What it takes, in words, with range and unit.
    pub takes: String,
    /// The part of `takes` that is checked by machine.
    pub kind: Kind,
}

/// What kind of value a setting takes, as far as the line `Takes:` says it to a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within both bounds.
    Integer {
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
    },
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    OneOf(Vec<String>),
    /// A list of texts; separated by commas in the environment.
    List,
    /// A text whose value must never be shown.
    Secret,
    /// Any other text; checked by its own type.
    Text {
        /// The longest that is allowed, where that is said.
        max_bytes: Option<usize>,
    },
}

impl SettingDoc {
    /// Whether the value must never be shown.
    pub(super) fn is_secret(&self) -> bool {
        // A URL may hold a password.
        self.kind == Kind::Secret || self.name == "redis.url"
    }
}

/// All settings, in the order of `defaults.toml`.
#[must_use]
pub fn reference() -> &'static [SettingDoc] {
    &REFERENCE
}

/// The setting of that dotted name.
pub(super) fn find(name: &str) -> Option<&'static SettingDoc> {
    REFERENCE.iter().find(|setting| setting.name == name)
}

/// What the setting of that dotted name takes, as the reason why another value is refused.
pub(super) fn takes(name: &str) -> String {
    let takes = find(name).map_or("another value", |setting| setting.takes.as_str());
    format!("takes {takes}")
}

/// The name of the environment variable of a dotted name.
pub(super) fn env_name(name: &str) -> String {
    format!("VOTE__{}", name.replace('.', "__").to_uppercase())
}

/// The reference as a Markdown table with the columns setting, variable, default and meaning.
#[must_use]
pub fn reference_markdown() -> String {
    let mut table =
        String::from("| Setting | Environment | Default | What |\n| --- | --- | --- | --- |\n");
    for setting in reference() {
        let default = match (setting.default.as_str(), &setting.default_results) {
            ("\"\"", _) => "not set".to_owned(),
            (default, Some(results)) => {
                format!("`{}` (results: `{results}`)", default.trim_matches('"'))
            }
            (default, None) => format!("`{}`", default.trim_matches('"')),
        };
        let _infallible = writeln!(
            table,
            "| `{}` | `{}` | {default} | {} Takes: {}. |",
            setting.name,
            setting.env,
            setting.doc.replace('|', "\\|"),
            setting.takes.replace('|', "\\|"),
        );
    }
    table
}

/// The setting whose name is most like `name`, if one is at all.
pub(super) fn nearest(name: &str) -> Option<&'static SettingDoc> {
    fn last(name: &str) -> &str {
        name.rsplit('.').next().unwrap_or_default()
    }
    // The whole name decides; a right last part under a wrong section is as good as two typos.
    REFERENCE
        .iter()
        .map(|setting| {
            let whole = levenshtein(&setting.name, name);
            let part = levenshtein(last(&setting.name), last(name)) + 2;
            (whole.min(part), setting)
        })
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 2 + name.len() / 5)
        .map(|(_, setting)| setting)
}

fn parse(toml: &str) -> Vec<SettingDoc> {
    let mut settings = Vec::new();
    let mut section = String::new();
    let mut doc: Vec<&str> = Vec::new();
    let mut takes = String::new();
    let mut default_results = None;
    for line in toml.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            name.clone_into(&mut section);
            doc.clear();
        } else if let Some(text) = line.strip_prefix("# Takes: ") {
            text.clone_into(&mut takes);
        } else if let Some(text) = line.strip_prefix("# Default of vote-results: ") {
            default_results = Some(text.to_owned());
        } else if let Some(text) = line.strip_prefix('#') {
            doc.push(text.trim());
        } else if let Some((key, default)) = line.split_once('=') {
            let name = format!("{section}.{}", key.trim());
            settings.push(SettingDoc {
                env: env_name(&name),
                name,
                default: default.trim().to_owned(),
                default_results: default_results.take(),
                doc: doc.join(" "),
                kind: kind(&takes),
                takes: std::mem::take(&mut takes),
            });
            doc.clear();
        } else {
            doc.clear();
        }
    }
    settings
}

fn kind(takes: &str) -> Kind {
    if let Some(range) = takes.strip_prefix("integer ") {
        let bounds = range
            .split_whitespace()
            .next()
            .and_then(|range| range.split_once("..="));
        if let Some((Ok(min), Ok(max))) = bounds.map(|(min, max)| (min.parse(), max.parse())) {
            return Kind::Integer { min, max };
        }
    }
    if let Some(words) = takes.strip_prefix("one of ") {
        return Kind::OneOf(words.split(", ").map(str::to_owned).collect());
    }
    let most = takes
        .strip_prefix("text of at most ")
        .and_then(|rest| rest.strip_suffix(" characters"));
    match takes {
        "true or false" => Kind::Boolean,
        _ if takes.starts_with("list of ") => Kind::List,
        _ if takes.starts_with("secret ") => Kind::Secret,
        _ => Kind::Text {
            max_bytes: most.and_then(|most| most.parse().ok()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented_with_what_it_takes() {
        for setting in reference() {
            assert!(
                setting.doc.len() > 15,
                "{} has no documentation",
                setting.name
            );
            assert!(
                !setting.takes.is_empty(),
                "{} does not say what it takes",
                setting.name
            );
            if setting.takes.starts_with("integer") {
                assert!(
                    matches!(setting.kind, Kind::Integer { min, max } if min < max),
                    "{}",
                    setting.name
                );
            }
        }
    }

    #[test]
    fn names_in_the_environment_are_those_that_scripts_rely_on() {
        let names: Vec<&str> = reference()
            .iter()
            .map(|setting| setting.env.as_str())
            .collect();
        for name in [
            "VOTE__REDIS__URL",
            "VOTE__HTTP__BIND",
            "VOTE__ADMIN__BIND",
            "VOTE__LOG__FORMAT",
            "VOTE__LOG__LEVEL",
            "VOTE__COMMIT__ACCEPT_TIMEOUT_MS",
            "VOTE__COMMIT__MIN_BATCH_INTERVAL_US",
            "VOTE__COMMIT__REPLAY_WINDOW_S",
            "VOTE__COMMIT__DURABILITY",
            "VOTE__SNAPSHOT__INTERVAL_MS",
        ] {
            assert!(names.contains(&name), "{name} is gone");
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_setting() {
        let table = reference_markdown();
        assert_eq!(table.lines().count(), reference().len() + 2);
        assert!(table.contains(
            "| `http.bind` | `VOTE__HTTP__BIND` | `0.0.0.0:8080` (results: `0.0.0.0:8081`) |"
        ));
    }

    #[test]
    fn the_nearest_name_is_suggested_and_nothing_for_what_is_unlike_all() {
        let nearest = |name| super::nearest(name).map(|setting| setting.name.as_str());
        assert_eq!(
            nearest("commit.accept_timeut_ms"),
            Some("commit.accept_timeout_ms")
        );
        assert_eq!(nearest("htttp.bind"), Some("http.bind"));
        assert_eq!(
            nearest("commits.replay_window_s"),
            Some("commit.replay_window_s")
        );
        assert_eq!(nearest("http.interval_ms"), Some("snapshot.interval_ms"));
        assert_eq!(nearest("zzzzzzzzzzzzzzzz"), None);
    }
}
