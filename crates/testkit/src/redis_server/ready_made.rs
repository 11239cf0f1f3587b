//! Servers as many tests start them.

use crate::ask::{PATIENCE, ask, field};
use crate::eventually::eventually;
use crate::redis_server::RedisServer;

impl RedisServer {
    /// A server whose data outlives it: a write is on disk before it is answered.
    ///
    /// # Panics
    /// As [`RedisServerBuilder::start`](crate::RedisServerBuilder::start).
    pub async fn start_lasting() -> Self {
        Self::builder()
            .append_only(true)
            .config("appendfsync", "always")
            .start()
            .await
    }

    /// A replica of this server, in step with it.
    ///
    /// # Panics
    /// As [`RedisServerBuilder::start`](crate::RedisServerBuilder::start), and when it isn't in step within a minute.
    pub async fn start_replica(&self) -> Self {
        let replica = Self::builder().replica_of(self.port()).start().await;
        eventually(PATIENCE, || async {
            let seen: String = ask(&replica, &["INFO", "replication"]).await?;
            let followers: String = ask(self, &["INFO", "replication"]).await?;
            let in_step = field(&seen, "master_link_status") == Some("up");
            if in_step && followers.contains("state=online") {
                Ok(())
            } else {
                Err(format!("{seen}\n{followers}"))
            }
        })
        .await;
        replica
    }
}
