//! The pool of connections, and how a connection is made.

use std::{fmt, time::Duration};

use deadpool_redis::{Manager, Pool, Runtime, Timeouts};
use redis::{AsyncConnectionConfig, IntoConnectionInfo};

use crate::{
    directory::PollReader, error::StoreError, operator::PollOperator, reader::ResultsReader,
};

/// Where Redis is, and how long to wait for it.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://[user[:password]@]host[:port][/database]`.
    pub url: String,
    /// Overrides the user in `url`.
    pub username: Option<String>,
    /// Overrides the password in `url`.
    pub password: Option<String>,
    /// The most connections this process opens. Each lane keeps one.
    pub pool_size: usize,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long an answer may take before the connection is given up.
    pub response_timeout: Duration,
}

impl RedisConfig {
    /// The defaults of the services, for `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            pool_size: 512,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(2),
        }
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may carry a password.
        f.debug_struct("RedisConfig")
            .field("pool_size", &self.pool_size)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}

/// The way to Redis: hands out the capabilities, each a type of its own.
///
/// Connections are made when they are first needed, so a `Store` exists before Redis is there.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Prepares the pool; connects to nothing yet.
    ///
    /// # Errors
    /// [`StoreError::Address`] where the address of Redis can't be used.
    pub fn new(config: &RedisConfig) -> Result<Self, StoreError> {
        let address = |error: redis::RedisError| StoreError::Address(error.to_string());
        let mut info = config
            .url
            .as_str()
            .into_connection_info()
            .map_err(address)?;
        let mut settings = info.redis_settings().clone();
        if let Some(username) = &config.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &config.password {
            settings = settings.set_password(password);
        }
        info = info.set_redis_settings(settings);
        let connection = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(Some(config.response_timeout));
        let manager = Manager::new_with_config(info, connection).map_err(address)?;
        let pool = Pool::builder(manager)
            .max_size(config.pool_size)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(config.connect_timeout),
                create: Some(config.connect_timeout),
                recycle: Some(config.response_timeout),
            })
            .build()
            .map_err(|error| StoreError::Address(error.to_string()))?;
        Ok(Self { pool })
    }

    /// Reads polls and their state, for both services.
    #[must_use]
    pub fn polls(&self) -> PollReader {
        PollReader::new(self.pool.clone())
    }

    /// Reads tallies, series and ledgers. The ingest service never asks for this.
    #[must_use]
    pub fn results(&self) -> ResultsReader {
        ResultsReader::new(self.pool.clone())
    }

    /// Changes polls, seals and audits them: the operator's capability.
    #[must_use]
    pub fn operator(&self) -> PollOperator {
        PollOperator::new(self.pool.clone())
    }

    /// The most connections that the pool makes.
    pub(crate) fn connections(&self) -> usize {
        self.pool.status().max_size
    }

    /// The pool, for the lanes.
    pub(crate) fn pool(&self) -> Pool {
        self.pool.clone()
    }
}
