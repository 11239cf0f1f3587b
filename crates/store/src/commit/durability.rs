//! When a vote counts as recorded: the values of `commit.durability` and `commit.replicas_missing`.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// When a vote counts as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Redis has acknowledged it; its append-only file follows by Redis' own policy.
    Memory,
    /// So many replicas have acknowledged it (`WAIT`).
    Replicas {
        /// Replicas that must have it.
        count: u16,
        /// Longest time to wait for them.
        timeout: Duration,
    },
    /// It is in the append-only file on the server's disk (`WAITAOF`, Redis 7.2).
    Fsync,
}

/// A text that names no durability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is none of memory, replicas(n, timeout_ms) with n from 1 to 15 and timeout_ms from 1 to 60000, fsync"
)]
pub struct DurabilityError;

impl FromStr for Durability {
    type Err = DurabilityError;

    fn from_str(text: &str) -> Result<Self, DurabilityError> {
        match text.trim() {
            "memory" => Ok(Self::Memory),
            "fsync" => Ok(Self::Fsync),
            text => parse_replicas(text).ok_or(DurabilityError),
        }
    }
}

fn parse_replicas(text: &str) -> Option<Durability> {
    let arguments = text.strip_prefix("replicas(")?.strip_suffix(')')?;
    let (count, timeout_ms) = arguments.split_once(',')?;
    let count = count.trim().parse().ok()?;
    let timeout_ms = timeout_ms.trim().parse().ok()?;
    let is_in_bounds = (1..=15).contains(&count) && (1..=60_000).contains(&timeout_ms);
    is_in_bounds.then(|| Durability::Replicas {
        count,
        timeout: Duration::from_millis(timeout_ms),
    })
}

impl<'de> Deserialize<'de> for Durability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What happens to votes while replicas are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicasMissing {
    /// Nothing is accepted: those that were sent are unknown, those that wait are not recorded.
    Refuse,
    /// They are accepted all the same, and counted.
    Degrade,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_parses_all_three_levels_and_nothing_else() {
        assert_eq!("memory".parse(), Ok(Durability::Memory));
        assert_eq!("fsync".parse(), Ok(Durability::Fsync));
        assert_eq!(
            "replicas(2, 500)".parse(),
            Ok(Durability::Replicas {
                count: 2,
                timeout: Duration::from_millis(500)
            })
        );
        for wrong in [
            "",
            "Memory",
            "disk",
            "replicas",
            "replicas()",
            "replicas(0, 1)",
            "replicas(1)",
            "replicas(1, 0)",
            "replicas(1, 1, 1)",
        ] {
            assert_eq!(wrong.parse::<Durability>(), Err(DurabilityError), "{wrong}");
        }
    }
}
