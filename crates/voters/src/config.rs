//! What is asked of tokens, and where their keys are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use vote_client::target::Target;
use vote_client::tls::Authorities;

use crate::algorithm::Algorithm;

/// What is asked of tokens, and where their keys are.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the keys are.
    pub source: Source,
    /// Who must have made a token (`iss`), if that matters.
    pub issuer: Option<String>,
    /// Whom a token must be for (`aud`). Without one, a token that is for anybody in particular is refused.
    pub audience: Option<String>,
    /// What tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// How far the clock of whoever makes tokens may be from ours.
    pub skew: Duration,
    /// The longest token that is read, in bytes.
    pub longest_token: usize,
    /// How often the keys are read again.
    pub refresh: Duration,
    /// The least time between two readings, whatever tokens name.
    pub least_pause: Duration,
    /// How long one reading may take.
    pub timeout: Duration,
    /// How many tokens are remembered that were verified.
    pub remembered: usize,
}

/// Where the keys are.
#[derive(Debug, Clone)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// At an address.
    Url {
        /// Where that is.
        target: Target,
        /// Who is trusted there beside the authorities of this machine.
        authorities: Authorities,
    },
}

/// Why keys can't be looked for where the settings say.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The address is none.
    #[error("the address of the keys: {0}")]
    Address(#[from] vote_client::target::TargetError),
    /// Those who are trusted there can't be read.
    #[error("the authorities of the keys' address: {0}")]
    Authorities(std::io::Error),
}

impl Source {
    /// The address `http://host[:port]/path`, or with `https`, without a query; `authorities` is a file of certificates (PEM).
    ///
    /// # Errors
    /// Where the address is none, or the file can't be read.
    pub fn url(address: &str, authorities: Option<&Path>) -> Result<Self, ConfigError> {
        Ok(Self::Url {
            target: address.parse()?,
            authorities: match authorities {
                Some(file) => Authorities::read(file).map_err(ConfigError::Authorities)?,
                None => Authorities::default(),
            },
        })
    }
}
