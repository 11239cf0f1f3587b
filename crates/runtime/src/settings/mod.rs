//! Settings of both services: embedded documented defaults, then a file, then `VOTE__…` variables.
//!
//! Every wrong value is refused at start, all of them at once, each by its name in a file and in the
//! environment, with what was given (never a secret) and what it takes. Unknown names are refused too.

mod error;
mod layers;
mod reference;
mod sections;
mod values;

use std::path::Path;

use serde::Deserialize;
use vote_domain::Secret;

pub use self::error::{Origin, SettingsError, Violation};
pub use self::reference::{DEFAULTS_TOML, Kind, SettingDoc, reference, reference_markdown};
pub use self::sections::{
    AccessSettings, AdminSettings, CommitSettings, HttpSettings, LogSettings, PollsSettings,
    ReceiptSettings, RedisSettings, ShutdownSettings, SnapshotSettings,
};
pub use self::values::{
    Durability, DurabilityError, LogFormat, RedisUrl, RedisUrlError, ReplicasMissing,
};

use self::layers::Layers;

/// Which of the two services the settings are for: their default addresses differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceName {
    /// `vote-ingest`, the write-only service.
    Ingest,
    /// `vote-results`, the read-only service.
    Results,
}

impl ServiceName {
    /// The name of the binary, which is also the service's name in logs and traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "vote-ingest",
            Self::Results => "vote-results",
        }
    }
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All settings. Both services read all of them, and use those that concern them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The store.
    pub redis: RedisSettings,
    /// The public API.
    pub http: HttpSettings,
    /// The operators' port.
    pub admin: AdminSettings,
    /// Logs.
    pub log: LogSettings,
    /// How votes reach the store.
    pub commit: CommitSettings,
    /// The directory of polls.
    pub polls: PollsSettings,
    /// How figures are read.
    pub snapshot: SnapshotSettings,
    /// Receipts.
    pub receipts: ReceiptSettings,
    /// Tokens of the readers that see more than the public.
    pub access: AccessSettings,
    /// How the service stops.
    pub shutdown: ShutdownSettings,
}

impl Settings {
    /// Loads the defaults of `service`, then `file`, then the `VOTE__…` variables among `env`.
    ///
    /// # Errors
    /// Every wrong and unknown setting that was found, or why the file can't be used. Files of secrets
    /// are read here, so a missing one is an error too.
    pub fn load(
        service: ServiceName,
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let layers = layers::merge(service, file, env)?;
        let mut settings: Self =
            serde_path_to_error::deserialize(layers.merged.clone()).map_err(|error| {
                let name = error.path().to_string();
                let reason = reason(&name, &error.into_inner().to_string());
                SettingsError::Invalid(vec![layers.violation(&name, reason)])
            })?;
        let violations = settings.resolve(&layers);
        if violations.is_empty() {
            Ok(settings)
        } else {
            Err(SettingsError::Invalid(violations))
        }
    }

    /// Reads the files of secrets, and checks what concerns more than one setting.
    fn resolve(&mut self, layers: &Layers) -> Vec<Violation> {
        let mut violations = Vec::new();
        let access = &mut self.access;
        for (name, value, file) in [
            (
                "redis.password",
                &mut self.redis.password,
                &self.redis.password_file,
            ),
            (
                "redis.sentinel_password",
                &mut self.redis.sentinel_password,
                &self.redis.sentinel_password_file,
            ),
            (
                "receipts.key",
                &mut self.receipts.key,
                &self.receipts.key_file,
            ),
            (
                "access.production_token",
                &mut access.production_token,
                &access.production_token_file,
            ),
            (
                "access.broadcast_token",
                &mut access.broadcast_token,
                &access.broadcast_token_file,
            ),
        ] {
            if let Err(violation) = read_secret(layers, name, value, file.as_deref()) {
                violations.push(violation);
            }
        }
        let mut refuse = |name: &str, reason: String| {
            // What a rule across settings refuses may be right by itself: say why, not what it takes.
            violations.push(layers.violation(name, reason));
        };
        if self.redis.url.has_password() && self.redis.password.is_some() {
            refuse(
                "redis.url",
                "holds a password, and redis.password or redis.password_file too: set one"
                    .to_owned(),
            );
        }
        for (name, username) in [
            ("redis.username", &self.redis.username),
            ("redis.sentinel_username", &self.redis.sentinel_username),
        ] {
            if username.as_ref().is_some_and(|text| text.len() > 256) {
                refuse(name, takes(name));
            }
        }
        if self.redis.sentinel_username.is_some() && self.redis.sentinel_password.is_none() {
            refuse(
                "redis.sentinel_username",
                "has no password: set redis.sentinel_password_file too".to_owned(),
            );
        }
        if self.redis.sentinel_password.is_some() && !self.redis.url.names_sentinels() {
            refuse(
                "redis.sentinel_password",
                "is of no use where redis.url does not name sentinels".to_owned(),
            );
        }
        if self.receipts.key.is_some() && self.receipts.key_bytes().is_none() {
            refuse("receipts.key", takes("receipts.key"));
        }
        for (name, token) in [
            ("access.production_token", &self.access.production_token),
            ("access.broadcast_token", &self.access.broadcast_token),
        ] {
            if token
                .as_ref()
                .is_some_and(|token| !is_token(token.expose()))
            {
                refuse(name, takes(name));
            }
        }
        if self.access.production_token.is_some()
            && self.access.production_token == self.access.broadcast_token
        {
            refuse(
                "access.broadcast_token",
                "is the same as access.production_token".to_owned(),
            );
        }
        // A batch with keys is given up after half of the window, and must not be before its votes are.
        let least = self
            .commit
            .replay_window_s
            .max(self.commit.accept_timeout_ms.div_ceil(1_000))
            .saturating_mul(2);
        if self.commit.idempotency_window_s < least {
            refuse(
                "commit.idempotency_window_s",
                format!(
                    "takes at least twice commit.replay_window_s and commit.accept_timeout_ms: {least}"
                ),
            );
        }
        if self.snapshot.stale_after_ms < 2 * self.snapshot.interval_ms {
            let least = 2 * self.snapshot.interval_ms;
            refuse(
                "snapshot.stale_after_ms",
                format!("takes at least twice snapshot.interval_ms: {least}"),
            );
        }
        if !is_log_level(&self.log.level) {
            refuse("log.level", takes("log.level"));
        }
        for origin in &self.http.cors_allowed_origins {
            let host = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            let is_origin =
                host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', '*']));
            if origin != "*" && !is_origin {
                refuse(
                    "http.cors_allowed_origins",
                    format!(
                        "{origin:?} is no origin: takes {}",
                        take("http.cors_allowed_origins")
                    ),
                );
            }
        }
        if self.http.bind == self.admin.bind && self.http.bind.port() != 0 {
            refuse("admin.bind", "is the same as http.bind".to_owned());
        }
        violations
    }
}

fn read_secret(
    layers: &Layers,
    name: &str,
    value: &mut Option<Secret>,
    file: Option<&Path>,
) -> Result<(), Violation> {
    let Some(path) = file else { return Ok(()) };
    let file_setting = format!("{name}_file");
    if value.is_some() {
        return Err(layers.violation(&file_setting, format!("{name} is set too: set one of both")));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| layers.violation(&file_setting, format!("can't be read: {error}")))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(layers.violation(&file_setting, "the file is empty"));
    }
    *value = Some(Secret::new(text));
    Ok(())
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
        && tracing_subscriber::EnvFilter::builder().parse(text).is_ok()
}

fn is_token(text: &str) -> bool {
    (16..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What a setting takes, for a message.
fn take(name: &str) -> &'static str {
    reference::find(name).map_or("another value", |setting| setting.takes.as_str())
}

fn takes(name: &str) -> String {
    format!("takes {}", take(name))
}

/// The reason of a value that its own type refused.
fn reason(name: &str, cause: &str) -> String {
    // config appends ` for key `…``, which says the name a second time.
    let cause = cause.split(" for key `").next().unwrap_or_default();
    match reference::find(name) {
        Some(setting) if setting.name == "http.bind" || setting.name == "admin.bind" => {
            format!("takes {}", setting.takes)
        }
        Some(setting) => format!("{cause}; takes {}", setting.takes),
        None => cause.to_owned(),
    }
}
