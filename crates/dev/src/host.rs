//! Whoever starts the supervisor, and what it is told and asked.

use crate::error::DevError;
use serde::Serialize;
use std::path::PathBuf;
use vote_store::PollOperator;

/// Where everything is, once it is ready.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// Base URL of the ingest service.
    pub vote: String,
    /// Base URL of the results service.
    pub results: String,
    /// Base URL of the ingest service's admin port.
    pub ingest_admin: String,
    /// Base URL of the results service's admin port.
    pub results_admin: String,
    /// Address of Redis.
    pub redis: String,
    /// Where the data are.
    pub data_dir: PathBuf,
    /// The file with the token of production; none where the settings of whoever started this may name one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub production_token_file: Option<PathBuf>,
    /// The file with the key of this run's voter tokens; none where the settings of whoever started this may name others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voter_key_file: Option<PathBuf>,
    /// The file with the token of this run's gateway; none where the settings of whoever started this may name others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_token_file: Option<PathBuf>,
}

/// Whoever starts the supervisor.
pub trait Host {
    /// Why it ends.
    type Error: From<DevError>;

    /// Says something on the way.
    fn note(&mut self, text: &str);

    /// Redis is ready and no service runs yet: the time to open polls.
    ///
    /// # Errors
    /// Those that end everything.
    fn open_polls(
        &mut self,
        operator: &PollOperator,
    ) -> impl Future<Output = Result<(), Self::Error>>;

    /// A secret that nobody guesses, of visible ASCII characters.
    ///
    /// # Errors
    /// Those that end everything.
    fn secret(&mut self) -> Result<String, Self::Error>;

    /// 32 bytes that nobody guesses.
    ///
    /// # Errors
    /// Those that end everything.
    fn seed(&mut self) -> Result<[u8; 32], Self::Error>;

    /// Everything is ready.
    ///
    /// # Errors
    /// Those that end everything.
    fn ready(&mut self, ready: &Ready) -> Result<(), Self::Error>;
}
