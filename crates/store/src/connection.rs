//! Where Redis is, and the capabilities that are handed out for it.

use std::{fmt, path::PathBuf, time::Duration};

use crate::{error::StoreError, nodes::Nodes, operator::PollOperator};

/// Where Redis is, and how long to wait for it.
#[derive(Clone)]
pub struct RedisConfig {
    /// One server, `redis://[user[:password]@]host[:port][/database]`; the sentinels of one,
    /// `redis+sentinel://[user[:password]@]host[:port],…/master-name[/database]`; or some nodes of a
    /// cluster, `redis+cluster://[user[:password]@]host[:port],…`. `rediss` instead of `redis` for TLS.
    /// User and password are those of the servers with the data, percent-encoded.
    pub url: String,
    /// Overrides the user in `url`.
    pub username: Option<String>,
    /// Overrides the password in `url`.
    pub password: Option<String>,
    /// Our user at the sentinels, where they have users of their own.
    pub sentinel_username: Option<String>,
    /// Our password at the sentinels; theirs are not asked for without it.
    pub sentinel_password: Option<String>,
    /// Whom to trust, and who we are, where the scheme asks for TLS.
    pub tls: TlsFiles,
    /// The most connections this process opens to one server. Each lane keeps one.
    pub pool_size: usize,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long an answer may take before the connection is given up.
    pub response_timeout: Duration,
}

/// Files in PEM form (RFC 7468) for connections with TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities to trust; those of the machine without it.
    pub authority: Option<PathBuf>,
    /// Our own certificate, where the server asks for one.
    pub certificate: Option<PathBuf>,
    /// The key of our own certificate.
    pub key: Option<PathBuf>,
}

impl RedisConfig {
    /// The defaults of the services, for `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            tls: TlsFiles::default(),
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
            .field("tls", &self.tls)
            .field("pool_size", &self.pool_size)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}

/// The way to Redis: hands out the capabilities, each a type of its own.
///
/// Connections are made when they are first needed, so a `Store` exists before Redis is there.
#[derive(Debug, Clone)]
pub struct Store {
    nodes: Nodes,
}

impl Store {
    /// Prepares the pools; connects to nothing yet.
    ///
    /// # Errors
    /// [`StoreError::Address`] where the address of Redis, or a file for TLS, can't be used.
    pub fn new(config: &RedisConfig) -> Result<Self, StoreError> {
        let nodes = Nodes::new(config)?;
        Ok(Self { nodes })
    }

    /// Changes polls, seals and audits them: the operator's capability.
    #[must_use]
    pub fn operator(&self) -> PollOperator {
        PollOperator::new(self.nodes.clone())
    }

    /// The servers, for what is started on them.
    pub(crate) fn nodes(&self) -> Nodes {
        self.nodes.clone()
    }
}
