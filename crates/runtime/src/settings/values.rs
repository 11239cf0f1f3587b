//! The types of settings that hold more than a number or a text: the Redis URL, durability.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// An empty text in a settings file stands for "not set".
pub(super) fn empty_is_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<String>,
{
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| T::from(text)))
}

/// Why a Redis URL is refused. No message repeats the URL, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
    /// Any other scheme than Redis has, or none.
    #[error("its scheme is none that Redis has")]
    Scheme,
    /// No host, or an empty one between two commas.
    #[error("it names no host")]
    Host,
}

/// The schemes that a Redis URL may have. What follows them is parsed where the connection is made.
const REDIS_SCHEMES: [&str; 6] = [
    "redis",
    "rediss",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
];

/// The address of Redis. `Debug` and `Display` show it without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// The whole URL, password included, for the client alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the URL itself holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.parts().is_some_and(|(user, _)| user.contains(':'))
    }

    /// Whether it names the sentinels of a server.
    #[must_use]
    pub fn names_sentinels(&self) -> bool {
        self.0
            .split_once("://")
            .is_some_and(|(scheme, _)| scheme.ends_with("+sentinel"))
    }

    /// User information and the rest of the URL.
    fn parts(&self) -> Option<(&str, &str)> {
        self.0.split_once("://")?.1.rsplit_once('@')
    }
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or(RedisUrlError::Scheme)?;
        if !REDIS_SCHEMES.contains(&scheme) {
            return Err(RedisUrlError::Scheme);
        }
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        let hosts = rest.split('/').next().unwrap_or_default();
        if hosts
            .split(',')
            .any(|host| host.is_empty() || host.starts_with(':'))
        {
            return Err(RedisUrlError::Host);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.split_once("://"), self.parts()) {
            (Some((scheme, _)), Some((user, rest))) => match user.split_once(':') {
                Some((name, _)) => write!(f, "{scheme}://{name}:[secret]@{rest}"),
                None => write!(f, "{scheme}://{user}@{rest}"),
            },
            _ => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for RedisUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// When a vote counts as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Redis has acknowledged it; its append-only file follows by Redis' own policy.
    Memory,
    /// That many replicas have it (`WAIT`).
    Replicas {
        /// Replicas that must have it.
        count: u16,
        /// Longest time to wait for them, in milliseconds.
        timeout_ms: u64,
    },
    /// It is on Redis' disk (`WAITAOF`).
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

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "memory" => Ok(Self::Memory),
            "fsync" => Ok(Self::Fsync),
            text => {
                let arguments = text
                    .strip_prefix("replicas(")
                    .and_then(|rest| rest.strip_suffix(')'))
                    .and_then(|rest| rest.split_once(','))
                    .ok_or(DurabilityError)?;
                let count = arguments
                    .0
                    .trim()
                    .parse()
                    .map_err(|_not_a_number| DurabilityError)?;
                let timeout_ms = arguments
                    .1
                    .trim()
                    .parse()
                    .map_err(|_not_a_number| DurabilityError)?;
                if !(1..=15).contains(&count) || !(1..=60_000).contains(&timeout_ms) {
                    return Err(DurabilityError);
                }
                Ok(Self::Replicas { count, timeout_ms })
            }
        }
    }
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
    /// None is accepted.
    Refuse,
    /// They are accepted without them, and counted.
    Degrade,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_url_shows_without_its_password() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://u:p@ss@h:1/2", "redis://u:[secret]@h:1/2"),
            ("redis://:secret@h", "redis://:[secret]@h"),
            ("redis://user@h", "redis://user@h"),
            ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
            (
                "rediss+sentinel://u:p@a:1,b:2/m",
                "rediss+sentinel://u:[secret]@a:1,b:2/m",
            ),
        ] {
            let parsed: RedisUrl = url.parse().expect(url);
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(format!("{parsed:?}"), shown);
            assert_eq!(parsed.expose(), url);
            assert_eq!(parsed.has_password(), shown.contains("[secret]"));
        }
    }

    #[test]
    fn a_redis_url_has_a_scheme_of_redis_and_is_refused_without_itself() {
        for scheme in REDIS_SCHEMES {
            assert!(
                format!("{scheme}://h").parse::<RedisUrl>().is_ok(),
                "{scheme}"
            );
        }
        for url in [
            "",
            "http://u:hunter2@h",
            "localhost:6379",
            "redis",
            "redis+unix://h",
            "redis://",
            "redis://:6379",
            "redis://u:hunter2@",
            "redis+cluster://a,,b",
        ] {
            let error = url.parse::<RedisUrl>().expect_err(url);
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn durability_parses_all_three_levels_and_nothing_else() {
        assert_eq!("memory".parse(), Ok(Durability::Memory));
        assert_eq!("fsync".parse(), Ok(Durability::Fsync));
        assert_eq!(
            "replicas(2, 500)".parse(),
            Ok(Durability::Replicas {
                count: 2,
                timeout_ms: 500
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
