//! Settings of both services: embedded documented defaults, then a file, then `VOTE__…` variables.
//!
//! Every wrong value is refused at start, all of them at once, each by its name in a file and in the
//! environment, with what was given (never a secret) and what it takes. Unknown names are refused too.

mod error;
mod feed_tokens;
mod gateways;
mod http;
mod judge;
mod layers;
mod limits;
mod merge;
mod origins;
mod reference;
mod schema;
mod sections;
mod service_name;
mod suspicion;
mod unique_names;
mod values;
mod voters;

use std::path::Path;

use serde::Deserialize;
use vote_store::{Address, LaneConfig, RedisConfig};

use self::layers::Layers;
use self::reference::takes;

pub use self::error::{Origin, SettingsError, Violation};
pub use self::feed_tokens::{FeedToken, FeedTokensError, read_feed_tokens};
pub use self::gateways::GatewaysSettings;
pub use self::http::HttpSettings;
pub use self::judge::{JudgeSettings, OnSilence};
pub use self::limits::LimitsSettings;
pub use self::reference::{DEFAULTS_TOML, Kind, SettingDoc, reference, reference_markdown};
pub use self::schema::schema_json;
pub(crate) use self::sections::targets;
pub use self::sections::{
    AccessSettings, AdminSettings, CurrentSettings, LogFormat, LogSettings, OverlaySettings,
    PollsSettings, ProofSettings, ReceiptSettings, ShutdownSettings, SiteSettings,
    SnapshotSettings, SpillSettings, StreamSettings,
};
pub use self::service_name::ServiceName;
pub use self::suspicion::SuspicionSettings;
pub use self::voters::VotersSettings;

/// All settings. Both services read all of them, and use those that concern them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where Redis is.
    pub redis: RedisConfig,
    /// The public API.
    pub http: HttpSettings,
    /// The operators' port.
    pub admin: AdminSettings,
    /// Logs.
    pub log: LogSettings,
    /// How votes reach the store.
    pub commit: LaneConfig,
    /// How often votes may come from an address.
    pub limits: LimitsSettings,
    /// Which votes are set aside as suspect.
    pub suspicion: SuspicionSettings,
    /// Who is asked about those.
    pub judge: JudgeSettings,
    /// The directory of polls.
    pub polls: PollsSettings,
    /// How figures are read.
    pub snapshot: SnapshotSettings,
    /// The stream of figures.
    pub stream: StreamSettings,
    /// Receipts.
    pub receipts: ReceiptSettings,
    /// Proofs of work.
    pub proof: ProofSettings,
    /// Tokens of the readers that see more than the public.
    pub access: AccessSettings,
    /// Which poll is the current one.
    pub current: CurrentSettings,
    /// Where accepted votes are left that Redis may not have in the end.
    pub spill: SpillSettings,
    /// The overlay.
    pub overlay: OverlaySettings,
    /// The pages of the site.
    pub site: SiteSettings,
    /// Tokens of voters.
    pub voters: VotersSettings,
    /// Who may send votes in batches.
    pub gateways: GatewaysSettings,
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
        let layers = merge::merge(service, file, env)?;
        let mut settings: Self =
            serde_path_to_error::deserialize(layers.merged.clone()).map_err(|error| {
                let name = error.path().to_string();
                let reason = reason(&name, &error.into_inner().to_string());
                SettingsError::Invalid(vec![layers.violation(&name, reason)])
            })?;
        let mut violations = settings.read_secrets(&layers);
        violations.extend(read_address(&mut settings.redis, &layers).err());
        violations.extend(settings.check_feed_tokens(&layers));
        let mut refuse = |name: &str, reason: &str| violations.push(layers.violation(name, reason));
        settings.http.normalise(&mut refuse);
        settings.site.normalise(&mut refuse);
        settings.check(&mut refuse);
        if violations.is_empty() {
            Ok(settings)
        } else {
            Err(SettingsError::Invalid(violations))
        }
    }

    /// Reads the files of secrets into the settings that they stand for.
    fn read_secrets(&mut self, layers: &Layers) -> Vec<Violation> {
        let Self {
            redis,
            judge,
            receipts,
            access,
            ..
        } = self;
        [
            layers.read_secret("redis.password", &mut redis.password, &redis.password_file),
            layers.read_secret(
                "redis.sentinel_password",
                &mut redis.sentinel_password,
                &redis.sentinel_password_file,
            ),
            layers.read_secret("judge.secret", &mut judge.secret, &judge.secret_file),
            layers.read_secret("receipts.key", &mut receipts.key, &receipts.key_file),
            layers.read_secret(
                "access.production_token",
                &mut access.production_token,
                &access.production_token_file,
            ),
            layers.read_secret(
                "access.broadcast_token",
                &mut access.broadcast_token,
                &access.broadcast_token_file,
            ),
        ]
        .into_iter()
        .filter_map(Result::err)
        .collect()
    }

    /// Reads the file of feed tokens once, so that a wrong one is known at the start.
    fn check_feed_tokens(&self, layers: &Layers) -> Option<Violation> {
        let path = self.access.feed_tokens_file.as_ref()?;
        let error = feed_tokens::read_feed_tokens(path).err()?;
        Some(layers.violation("access.feed_tokens_file", error.to_string()))
    }

    /// Says to `refuse` which setting is wrong beside others, and why. Each section does so beside its type; what
    /// concerns several sections is here.
    fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        self.redis.check(refuse);
        self.http.check(refuse);
        self.receipts.check(refuse);
        self.proof.check(self.commit.idempotency_window, refuse);
        self.access.check(refuse);
        self.current.check(refuse);
        self.voters.check(refuse);
        self.suspicion.check(refuse);
        self.judge.check(refuse);
        self.commit.check(refuse);
        self.snapshot.check(refuse);
        self.log.check(refuse);
        if self.http.bind == self.admin.bind && self.http.bind.port() != 0 {
            refuse("admin.bind", "is the same as http.bind");
        }
        self.check_waits(refuse);
        if self.voters.have_keys() && self.voters.max_token_bytes >= self.http.head_limit_bytes {
            let why = "is no less than http.head_limit_bytes: a token is a part of the head";
            refuse("voters.max_token_bytes", why);
        }
    }

    /// A repeat is surely found only while a vote waits for a quarter of the window at most from when it came. What waits longer is
    /// not recorded (`Pending::outlives_its_key`), so no vote may have to.
    fn check_waits(&self, refuse: &mut dyn FnMut(&str, &str)) {
        let (judge, voters) = (&self.judge, &self.voters);
        let asks_judge = judge.url.is_some();
        let mut waits = self.commit.accept_timeout;
        let mut others = String::from("commit.accept_timeout_ms");
        for (name, is_used, wait) in [
            ("judge.time_limit_ms", asks_judge, judge.time_limit),
            (
                "voters.jwks_timeout_ms",
                voters.have_keys(),
                voters.jwks_timeout,
            ),
        ] {
            if !is_used {
                continue;
            }
            waits += wait;
            if waits * 4 > self.commit.idempotency_window {
                let why = format!(
                    "and {others} together are more than a quarter of commit.idempotency_window_s: a vote that waits so long is not \
                     recorded, for a repeat of it might count again"
                );
                return refuse(name, &why);
            }
            others = format!("{others} and {name}");
        }
    }
}

/// Reads the files of address and user into the settings that they stand for.
fn read_address(redis: &mut RedisConfig, layers: &Layers) -> Result<(), Violation> {
    if let Some(name) = layers.read_file("redis.username", redis.username_file.as_ref())? {
        redis.username = Some(name.expose().to_owned());
    }
    if let Some(url) = layers.read_file("redis.url", redis.url_file.as_ref())? {
        // No message of an address repeats it.
        let address = url.expose().parse::<Address>();
        redis.url = address.map_err(|error| layers.violation("redis.url", error.to_string()))?;
    }
    Ok(())
}

/// The reason of a value that its own type refused.
fn reason(name: &str, cause: &str) -> String {
    // config appends ` for key `…``, which says the name a second time.
    let cause = cause.split(" for key `").next().unwrap_or_default();
    match name {
        // The cause says no more than that.
        "http.bind" | "admin.bind" => takes(name),
        _ if reference::find(name).is_some() => format!("{cause}; {}", takes(name)),
        _ => cause.to_owned(),
    }
}
