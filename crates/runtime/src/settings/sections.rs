//! The sections of the settings that are not the store's own, as the services read them, each with what its values
//! must be beside each other. `defaults.toml` documents them for people.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use tracing_subscriber::filter::{ParseError, Targets};
use vote_domain::{PollId, Secret};
use vote_store::units;

use super::feed_tokens::{FeedToken, parse_all};
use super::reference::takes;
use super::{origins, values};

/// The text for a message; what has an `@` may hold a password.
pub(super) fn shown(text: &str) -> String {
    if text.contains('@') {
        "one with an @ (not shown)".to_owned()
    } else {
        values::quoted(text)
    }
}

/// `admin.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    /// Address of the operators' port.
    pub bind: SocketAddr,
}

/// `log.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged, as a level or levels by target.
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
}

impl LogSettings {
    pub(super) fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        if !is_log_level(&self.level) {
            refuse("log.level", &takes("log.level"));
        }
    }
}

/// Whether a text is a level, or levels by target. Stricter than the filter that is made of it, which
/// takes any word for a target and so would silence the logs for `warning`.
fn is_log_level(text: &str) -> bool {
    let is_level = |text: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&text);
    text.split(',')
        .map(str::trim)
        .all(|directive| match directive.split_once('=') {
            Some((target, level)) => !target.is_empty() && is_level(level),
            None => is_level(directive),
        })
        && targets(text).is_ok()
}

/// The filter of levels by target, which are all that `log.level` takes: one that knows spans and fields as well would bring a library of
/// regular expressions along. It would have a blank for a part of a target.
pub(crate) fn targets(levels: &str) -> Result<Targets, ParseError> {
    let levels: Vec<&str> = levels.split(',').map(str::trim).collect();
    levels.join(",").parse()
}

/// `polls.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollsSettings {
    /// How often polls are looked for.
    #[serde(rename = "refresh_interval_ms", deserialize_with = "units::millis")]
    pub refresh_interval: Duration,
}

/// `snapshot.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotSettings {
    /// How often figures are read.
    #[serde(rename = "interval_ms", deserialize_with = "units::millis")]
    pub interval: Duration,
    /// Age from which figures are stale.
    #[serde(rename = "stale_after_ms", deserialize_with = "units::millis")]
    pub stale_after: Duration,
}

impl SnapshotSettings {
    pub(super) fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        let least = self.interval * 2;
        if self.stale_after < least {
            let least_ms = least.as_millis();
            refuse(
                "snapshot.stale_after_ms",
                &format!("takes at least twice snapshot.interval_ms: {least_ms}"),
            );
        }
    }
}

/// `stream.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSettings {
    /// Longest time in which nothing is sent.
    #[serde(rename = "heartbeat_ms", deserialize_with = "units::millis")]
    pub heartbeat: Duration,
    /// Most readers at a time.
    pub max_readers: usize,
}

/// `receipts.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptSettings {
    /// Key of the receipts' signature in hexadecimal digits, from the setting itself or from its file.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub key: Option<Secret>,
    /// File that held the key.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub key_file: Option<PathBuf>,
}

impl ReceiptSettings {
    /// The key's 32 bytes, where one is set.
    #[must_use]
    pub fn key_bytes(&self) -> Option<[u8; 32]> {
        let text = self.key.as_ref()?.expose();
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .ok()?
            .try_into()
            .ok()
    }

    pub(super) fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        if self.key.is_some() && self.key_bytes().is_none() {
            refuse("receipts.key", &takes("receipts.key"));
        }
    }
}

/// `proof.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofSettings {
    /// How long a proof is taken after its challenge was asked for; zero for as long as can be.
    #[serde(rename = "lifetime_s", deserialize_with = "units::secs")]
    lifetime: Duration,
    /// What a proof costs at the most, unless its channel asks for more.
    pub most_cost: u32,
}

impl ProofSettings {
    /// How long a proof is taken, where idempotency keys are remembered for `window`.
    #[must_use]
    pub fn lifetime(&self, window: Duration) -> Duration {
        if self.lifetime.is_zero() {
            longest_lifetime(window)
        } else {
            self.lifetime
        }
    }

    pub(super) fn check(&self, window: Duration, refuse: &mut dyn FnMut(&str, &str)) {
        let most = longest_lifetime(window);
        if self.lifetime > most {
            let most = most.as_secs();
            refuse(
                "proof.lifetime_s",
                &format!("takes at most three quarters of commit.idempotency_window_s: {most}"),
            );
        }
    }
}

/// For so long after a challenge was made, a second use of its proof is surely found (ARCHITECTURE, "Proofs of work").
fn longest_lifetime(window: Duration) -> Duration {
    Duration::from_secs(window.as_secs() * 3 / 4)
}

/// `access.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    /// Token of production, from the setting itself or from its file.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub production_token: Option<Secret>,
    /// File that held it.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub production_token_file: Option<PathBuf>,
    /// Token of broadcast graphics, from the setting itself or from its file.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub broadcast_token: Option<Secret>,
    /// File that held it.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub broadcast_token_file: Option<PathBuf>,
    /// Tokens of feeds, each `NAME:SHA-256`.
    pub feed_tokens: Vec<String>,
    /// File with further ones, which is read again.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub feed_tokens_file: Option<PathBuf>,
}

impl AccessSettings {
    /// The tokens of feeds that the settings themselves name.
    ///
    /// # Errors
    /// Which of them is wrong, from 0, and why; not where settings were loaded.
    pub fn listed_feed_tokens(&self) -> Result<Vec<FeedToken>, (usize, String)> {
        parse_all(self.feed_tokens.iter().map(String::as_str))
    }

    pub(super) fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        for (name, token) in [
            ("access.production_token", &self.production_token),
            ("access.broadcast_token", &self.broadcast_token),
        ] {
            if token.as_ref().is_some_and(|token| !is_token(token)) {
                refuse(name, &takes(name));
            }
        }
        if self.production_token.is_some() && self.production_token == self.broadcast_token {
            refuse(
                "access.broadcast_token",
                "is the same as access.production_token",
            );
        }
        if let Err((place, reason)) = self.listed_feed_tokens() {
            let place = place + 1;
            refuse("access.feed_tokens", &format!("number {place} {reason}"));
        }
    }
}

fn is_token(token: &Secret) -> bool {
    let text = token.expose();
    (16..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `spill.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpillSettings {
    /// Where accepted votes are left that Redis may not have when the process ends.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub dir: Option<PathBuf>,
    /// Whether they are written to the log as well.
    pub to_log: bool,
}

/// `current.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurrentSettings {
    /// The id of the poll that is the current one, whatever else is open.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub poll: Option<String>,
}

impl CurrentSettings {
    /// That id; `None` where none is set.
    #[must_use]
    pub fn poll_id(&self) -> Option<PollId> {
        PollId::parse(self.poll.as_deref()?).ok()
    }

    pub(super) fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        let name = "current.poll";
        let Some(poll) = &self.poll else {
            return;
        };
        match PollId::parse(poll) {
            Ok(id) if id.as_str() == PollId::CURRENT => refuse(name, "takes the id of a poll"),
            Ok(_) => {}
            Err(error) => refuse(name, &error.to_string()),
        }
    }
}

/// `overlay.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverlaySettings {
    /// Folder of themes.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub themes_dir: Option<PathBuf>,
}

/// `site.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSettings {
    /// Origin of the pages, where it is another one than that of ingest.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub url: Option<String>,
    /// Origin of ingest, where it is another one than that of the pages.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub ingest_url: Option<String>,
}

impl SiteSettings {
    /// Writes the origins as browsers do, and says to `refuse` which are none.
    pub(super) fn normalise(&mut self, refuse: &mut dyn FnMut(&str, &str)) {
        for (name, origin) in [
            ("site.url", &mut self.url),
            ("site.ingest_url", &mut self.ingest_url),
        ] {
            let Some(text) = origin else {
                continue;
            };
            match origins::parse_web_origin(text) {
                Ok(normal) => *text = normal,
                Err(reason) => {
                    refuse(name, &format!("{}: {reason}; {}", shown(text), takes(name)));
                }
            }
        }
    }
}

/// `shutdown.*`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownSettings {
    /// Time in which the service is not ready and still serves.
    #[serde(rename = "grace_ms", deserialize_with = "units::millis")]
    pub grace: Duration,
    /// Longest time for requests and waiting votes to finish.
    #[serde(rename = "drain_timeout_ms", deserialize_with = "units::millis")]
    pub drain_timeout: Duration,
}
