//! The two services, by name.

/// Which of the two services the settings are for: some of their defaults differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, derive_more::Display)]
#[display("{}", self.as_str())]
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
