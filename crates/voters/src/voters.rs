//! Whom a token names, if it holds.

use std::sync::Arc;

use jsonwebtoken::decode;
use jsonwebtoken::errors::ErrorKind;
use prometheus_client::registry::Registry;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use vote_domain::Clock;

use crate::claims::{Claims, Held};
use crate::config::Config;
use crate::header::Header;
use crate::jwks::KeySet;
use crate::keys::{Current, Keys};
use crate::metrics::Metrics;
use crate::provider::{self, SelfTestFailed};
use crate::refused::Refused;
use crate::seen::Seen;
use crate::voter::Voter;

/// Verifies tokens.
pub struct Voters {
    config: Arc<Config>,
    keys: Arc<Keys>,
    seen: Seen,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Voters {
    /// Begins to read the keys, on the current tokio runtime, until `cancel`. That they can't be read yet is no error.
    ///
    /// # Errors
    /// Where signatures can't be verified at all.
    pub fn start(
        config: Config,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
        cancel: CancellationToken,
    ) -> Result<Arc<Self>, SelfTestFailed> {
        provider::install()?;
        let config = Arc::new(config);
        let metrics = Metrics::register(registry);
        let keys = Keys::new(Arc::clone(&config), Arc::clone(&clock), metrics.clone());
        let voters = Self {
            seen: Seen::new(config.remembered),
            keys: Arc::new(keys),
            config,
            clock,
            metrics,
        };
        tokio::spawn(Arc::clone(&voters.keys).follow(cancel));
        Ok(Arc::new(voters))
    }

    /// Waits until the keys were looked for once, so that a process that has just started refuses nobody for want of them.
    pub async fn first_reading(&self) {
        self.keys.first_reading().await;
    }

    /// Whether keys are known: without them no token can be verified.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.keys.current().is_some()
    }

    /// Whom a token names.
    ///
    /// The signature is verified on the thread of the request: 29 µs of processor time with RSA, 53 with Ed25519, 79 with P-256.
    /// To hand it to another thread and to be woken by that costs a lock and a system call each way, on the same cores, and
    /// a queue that would have to be bounded; the next request waits for as long as a page of figures takes to be written.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn verify(&self, token: &str) -> Result<Voter, Refused> {
        let verified = self.look(token).await;
        if let Err(refused) = &verified {
            self.metrics.refused(*refused);
        }
        verified
    }

    async fn look(&self, token: &str) -> Result<Voter, Refused> {
        if token.len() > self.config.longest_token {
            return Err(Refused::TooLong);
        }
        let current = self.keys.current();
        let now = self.now();
        let digest = Sha256::digest(token).into();
        if let Some(current) = &current
            && let Some(voter) = self.seen.get(&digest, now, current.generation)
        {
            self.metrics.seen.inc();
            return Ok(voter);
        }
        let header = Header::parse(token).ok_or(Refused::Invalid)?;
        if !self.config.algorithms.contains(&header.algorithm) {
            return Err(Refused::Invalid);
        }
        let current = self.keys_for(&header, current).await?;
        let claims = claims(token, &header, &current.set)?;
        let Held {
            subject,
            until,
            issued_at,
        } = claims.check(&self.config, now)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is a time of this age, in seconds"
        )]
        let voter = Voter::new(subject, issued_at.map(|iat| iat as i64));
        self.seen
            .add(digest, voter.clone(), until, current.generation);
        self.metrics.verified.inc();
        Ok(voter)
    }

    /// The keys to look for the token's in: read again, where it names one that is not there.
    async fn keys_for(
        &self,
        header: &Header,
        current: Option<Arc<Current>>,
    ) -> Result<Arc<Current>, Refused> {
        let current = current.ok_or(Refused::KeysUnavailable)?;
        let is_there = |keys: &Current| header.kid.as_ref().is_none_or(|kid| keys.set.has(kid));
        if is_there(&current) {
            return Ok(current);
        }
        let is_known = self.keys.look_again().await;
        match self.keys.current() {
            Some(newer) if is_there(&newer) => Ok(newer),
            _ if is_known => Err(Refused::Invalid),
            _ => Err(Refused::KeysUnavailable),
        }
    }

    fn now(&self) -> f64 {
        self.clock.now().as_duration().as_secs_f64()
    }
}

/// What the token claims, if one of the keys that may have signed it has.
fn claims(token: &str, header: &Header, keys: &KeySet) -> Result<Claims, Refused> {
    for key in keys.candidates(header.kid.as_deref(), header.algorithm) {
        match decode::<Claims>(token, &key.decoding, &key.validation) {
            Ok(decoded) => return Ok(decoded.claims),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
            Err(_) => return Err(Refused::Invalid),
        }
    }
    Err(Refused::Invalid)
}
