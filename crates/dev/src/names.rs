//! The names of the executables that are supervised.

pub(crate) const REDIS: &str = "redis-server";
pub(crate) const INGEST: &str = "vote-ingest";
pub(crate) const RESULTS: &str = "vote-results";
