//! What a server says when it is greeted (`HELLO`, which every user may send).

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue as _, RedisError, RedisResult, Value};

/// The oldest Redis whose figures can be read: the first one with `EVALSHA_RO`.
const OLDEST_REDIS: (u32, u32) = (7, 0);

/// Who answers at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// `redis` or `valkey`.
    pub(crate) server: String,
    /// Its version, as it says it.
    pub(crate) version: String,
    /// Whether it takes writes: `false` for a replica.
    pub(crate) is_master: bool,
}

impl Greeting {
    /// Greets the server; the protocol stays RESP2.
    ///
    /// # Errors
    /// What the server or the connection says.
    pub(crate) async fn ask(connection: &mut MultiplexedConnection) -> RedisResult<Self> {
        Self::ask_by(2, connection).await
    }

    /// Greets the server; the protocol is this one from then on.
    ///
    /// # Errors
    /// What the server or the connection says.
    pub(crate) async fn ask_by(
        protocol: u8,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<Self> {
        let mut hello = redis::cmd("HELLO");
        let answer: Value = hello.arg(protocol).query_async(connection).await?;
        let members =
            HashMap::<String, Value>::from_redis_value(answer).map_err(RedisError::from)?;
        let text = |name: &str| match members.get(name) {
            Some(Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            Some(Value::SimpleString(text)) => text.clone(),
            _ => String::new(),
        };
        Ok(Self {
            server: text("server"),
            version: text("version"),
            is_master: text("role") == "master",
        })
    }

    /// Whether its version is at least this one; Valkey has versions of its own, and began after Redis 7.2.
    pub(crate) fn is_redis_before(&self, version: (u32, u32)) -> bool {
        let mut parts = self
            .version
            .split('.')
            .map(|part| part.parse().unwrap_or(0));
        let own = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        self.server != "valkey" && own < version
    }

    /// Why nothing can be kept there, and nothing read.
    pub(crate) fn refusal(&self) -> Option<String> {
        if self.is_redis_before(OLDEST_REDIS) {
            return Some(format!(
                "{} {} is too old: it takes Redis 7.0 or Valkey, or later",
                self.server, self.version
            ));
        }
        let replica = "it is a replica, which takes no votes and may be behind: give the address of its master";
        (!self.is_master).then(|| replica.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(server: &str, version: &str, is_master: bool) -> String {
        let greeting = Greeting {
            server: server.to_owned(),
            version: version.to_owned(),
            is_master,
        };
        greeting.refusal().unwrap_or_default()
    }

    #[test]
    fn a_master_that_is_new_enough_will_do() {
        for (server, version) in [
            ("redis", "7.0.15"),
            ("redis", "8.2.3"),
            ("redis", "10.0.0"),
            ("valkey", "8.1.8"),
            ("valkey", "9.1.2"),
        ] {
            assert_eq!(refusal(server, version, true), "", "{server} {version}");
        }
    }

    #[test]
    fn one_that_is_too_old_or_a_replica_will_not_and_says_which() {
        for version in ["6.2.5", "6.9", "", "new"] {
            assert!(
                refusal("redis", version, true).contains("too old"),
                "{version}"
            );
        }
        assert!(refusal("redis", "7.0.15", false).contains("is a replica"));
        assert!(refusal("valkey", "9.1.2", false).contains("is a replica"));
    }
}
