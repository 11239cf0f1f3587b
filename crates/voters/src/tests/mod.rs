//! Hostile tokens, hostile sets of keys, and a place of keys that does not do what it should.

mod properties;
mod readings;
mod sets;
mod signers;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use vote_domain::{Clock, ManualClock};

use crate::mint::SigningKey;
use crate::{Algorithm, Config, Refused, Source, Voters};

/// When it is, in seconds since 1970.
const NOW: i64 = 1_790_000_000;

fn clock() -> Arc<ManualClock> {
    let now = jiff::Timestamp::from_second(NOW).expect("a time");
    Arc::new(ManualClock::new(now))
}

fn config(source: Source) -> Config {
    Config {
        source,
        issuer: Some("https://id.example".to_owned()),
        audience: Some("paredao".to_owned()),
        algorithms: Algorithm::ALL.to_vec(),
        skew: Duration::from_secs(30),
        longest_token: 4096,
        refresh: Duration::from_secs(300),
        least_pause: Duration::from_millis(50),
        timeout: Duration::from_secs(5),
        remembered: 1000,
    }
}

/// What a good token claims.
fn claims() -> Value {
    json!({ "sub": "maria", "iss": "https://id.example", "aud": "paredao", "exp": NOW + 600, "iat": NOW - 5 })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

/// A service that has read these keys from a file.
struct Service {
    voters: Arc<Voters>,
    clock: Arc<ManualClock>,
    registry: Registry,
    file: tempfile::NamedTempFile,
    _cancel: tokio_util::sync::DropGuard,
}

impl Service {
    async fn with(jwks: &str, change: impl FnOnce(&mut Config)) -> Self {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), jwks).expect("it is written");
        let mut config = config(Source::File(file.path().to_owned()));
        change(&mut config);
        let (clock, cancel) = (clock(), CancellationToken::new());
        let mut registry = Registry::default();
        let of_voters: Arc<dyn Clock> = clock.clone();
        let voters = Voters::start(config, of_voters, &mut registry, cancel.clone());
        let voters = voters.expect("the trial succeeds");
        until(|| voters.has_keys()).await;
        Self {
            voters,
            clock,
            registry,
            file,
            _cancel: cancel.drop_guard(),
        }
    }

    async fn of(key: &SigningKey) -> Self {
        Self::with(&key.public_jwks(), |_| {}).await
    }

    async fn subject(&self, token: &str) -> Result<String, Refused> {
        let voter = self.voters.verify(token).await?;
        Ok(voter.subject().to_owned())
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("text");
        text
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

/// Waits until it is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    waited.expect("it is so in time");
}
