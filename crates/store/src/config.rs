//! Where Redis is, and how long to wait for it: the services' settings under `redis`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use vote_domain::Secret;

use crate::address::{Address, AddressError, Topology};
use crate::error::StoreError;
use crate::units;

/// The longest password, in characters.
const MAX_PASSWORD: usize = 1024;
/// The longest name of a user, in characters.
const MAX_USERNAME: usize = 256;

/// Where Redis is, as whom we come, and how long to wait for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// Which servers; its user and password are those of the servers with the data.
    pub url: Address,
    /// File that `url` is read from, by whoever makes this.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub url_file: Option<PathBuf>,
    /// Overrides the user in `url`.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub username: Option<String>,
    /// File that `username` is read from, by whoever makes this.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub username_file: Option<PathBuf>,
    /// Overrides the password in `url`.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub password: Option<Secret>,
    /// File that `password` is read from, by whoever makes this.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub password_file: Option<PathBuf>,
    /// Our user at the sentinels, where they have users of their own.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub sentinel_username: Option<String>,
    /// Our password at the sentinels; theirs are not asked for without it.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub sentinel_password: Option<Secret>,
    /// File that `sentinel_password` is read from, by whoever makes this.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub sentinel_password_file: Option<PathBuf>,
    /// Certificates (PEM, RFC 7468) of the authorities to trust; those of the machine without it.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub tls_ca_file: Option<PathBuf>,
    /// Our own certificate (PEM), where the server asks for one.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub tls_cert_file: Option<PathBuf>,
    /// The key (PEM) of our own certificate.
    #[serde(deserialize_with = "units::empty_is_none")]
    pub tls_key_file: Option<PathBuf>,
    /// The most connections this process opens to one server. Lanes share two; those that wait for copies have one each,
    /// as far as there are enough.
    pub pool_size: usize,
    /// How long a connection may take to be made.
    #[serde(rename = "connect_timeout_ms", deserialize_with = "units::millis")]
    pub connect_timeout: Duration,
    /// How long an answer may take before the connection is given up.
    #[serde(rename = "response_timeout_ms", deserialize_with = "units::millis")]
    pub response_timeout: Duration,
}

impl RedisConfig {
    /// For whoever has an address and no settings: tools and tests.
    ///
    /// # Errors
    /// [`StoreError::Address`] where the text is no address.
    pub fn new(url: impl AsRef<str>) -> Result<Self, StoreError> {
        let no_address = |error: AddressError| StoreError::Address(error.to_string());
        Ok(Self {
            url: url.as_ref().parse().map_err(no_address)?,
            url_file: None,
            username: None,
            username_file: None,
            password: None,
            password_file: None,
            sentinel_username: None,
            sentinel_password: None,
            sentinel_password_file: None,
            tls_ca_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            pool_size: 512,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(2),
        })
    }

    /// The most connections that this process has open to all servers together: to those of a cluster as far as they are
    /// named.
    #[must_use]
    pub fn most_connections(&self) -> usize {
        let hosts = self.url.hosts.len();
        let masters = if self.url.topology == Topology::Cluster {
            hosts
        } else {
            1
        };
        // Sentinels are asked, and listened to.
        self.pool_size
            .saturating_mul(masters)
            .saturating_add(2 * hosts)
    }

    /// Says to `refuse` which setting is too long or does not go with the others, and why.
    pub fn check(&self, refuse: &mut dyn FnMut(&str, &str)) {
        for (name, password) in [
            ("redis.password", &self.password),
            ("redis.sentinel_password", &self.sentinel_password),
        ] {
            let characters = |password: &Secret| password.expose().chars().count();
            if password.as_ref().map_or(0, characters) > MAX_PASSWORD {
                refuse(
                    name,
                    &format!("takes secret of at most {MAX_PASSWORD} characters"),
                );
            }
        }
        let name_length = |name: &String| name.chars().count();
        if self.username.as_ref().map_or(0, name_length) > MAX_USERNAME {
            refuse(
                "redis.username",
                &format!("takes text of at most {MAX_USERNAME} characters"),
            );
        }
        if self.url.has_password() && self.password.is_some() {
            refuse(
                "redis.url",
                "holds a password, and redis.password or redis.password_file too: set one",
            );
        }
        if self.sentinel_username.is_some() && self.sentinel_password.is_none() {
            refuse(
                "redis.sentinel_username",
                "has no password: set redis.sentinel_password_file too",
            );
        }
        if self.sentinel_password.is_some() && !self.url.names_sentinels() {
            refuse(
                "redis.sentinel_password",
                "is of no use where redis.url does not name sentinels",
            );
        }
    }
}
