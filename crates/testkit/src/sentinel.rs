//! A master, its replicas and three sentinels that put another in its place when it fails.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::ask::{PATIENCE, ask, command, field};
use crate::eventually::eventually;
use crate::redis_server::{RedisServer, RedisServerBuilder};

/// How many sentinels there are, and how many must agree that the master is down.
const SENTINELS: usize = 3;
const QUORUM: usize = 2;

/// What the sentinels call the master, and how many replicas it has.
const MASTER: &str = "vote";
const REPLICAS: usize = 2;

/// How long a server is silent until a sentinel takes it for down. A promoted server drops its connections, and a
/// sentinel connects only once a second: with 1 s it is now and then replaced again at once.
const DOWN_AFTER_MS: u32 = 2_000;

/// How long a failover may take; a failed one is repeated after twice that time.
const FAILOVER_TIMEOUT_MS: u32 = 3_000;

/// Options of [`RedisSentinels`].
#[derive(Debug, Clone)]
pub struct RedisSentinelsBuilder {
    server: RedisServerBuilder,
    binary: Option<PathBuf>,
    /// What the sentinels are told of the master besides.
    sentinel: Vec<String>,
}

impl RedisSentinelsBuilder {
    /// Turns the servers' append-only files on.
    #[must_use]
    pub fn append_only(mut self, on: bool) -> Self {
        self.server = self.server.append_only(on);
        self
    }

    /// Another program than the `redis-server` in `PATH`, for servers and sentinels.
    #[must_use]
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.server = self.server.binary(&path);
        self.binary = Some(path);
        self
    }

    /// The servers' users, as the text of an ACL file: one `user …` a line. The test kit itself comes as `default`, and
    /// so do the sentinels and the replicas, unless their configuration says otherwise.
    #[must_use]
    pub fn acl(mut self, text: &str) -> Self {
        self.server = self.server.acl(text);
        self
    }

    /// One more directive for the servers.
    #[must_use]
    pub fn config(mut self, directive: &str, value: &str) -> Self {
        self.server = self.server.config(directive, value);
        self
    }

    /// One more `sentinel` directive about the master for the sentinels, for example `("auth-user", "sentinel")`.
    #[must_use]
    pub fn sentinel_config(mut self, directive: &str, value: &str) -> Self {
        self.sentinel.push(format!("{directive} {MASTER} {value}"));
        self
    }

    /// Starts all of them, and returns when the replicas are in step and every sentinel knows all the others.
    ///
    /// # Panics
    /// When that isn't so within a minute.
    pub async fn start(self) -> RedisSentinels {
        let master = self.server.clone().start().await;
        let port = master.port();
        let mut servers = vec![master];
        for _ in 0..REPLICAS {
            servers.push(self.server.clone().replica_of(port).start().await);
        }
        let mut set = RedisSentinels {
            servers,
            sentinels: Vec::new(),
        };
        // A sentinel asks the master for its replicas at once, and then only every ten seconds.
        eventually(PATIENCE, || set.replicas_follow(port)).await;
        for _ in 0..SENTINELS {
            let mut sentinel = sentinel(port);
            if let Some(binary) = &self.binary {
                sentinel = sentinel.binary(binary);
            }
            for directive in &self.sentinel {
                sentinel = sentinel.config("sentinel", directive);
            }
            set.sentinels.push(sentinel.start().await);
        }
        eventually(PATIENCE, || set.sentinels_know_all()).await;
        set
    }
}

/// A master with replicas under three sentinels. Dropping it kills all of them.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// A master named `vote` with two replicas.
    ///
    /// # Panics
    /// As [`RedisSentinelsBuilder::start`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Options first, then [`RedisSentinelsBuilder::start`].
    #[must_use]
    pub fn builder() -> RedisSentinelsBuilder {
        RedisSentinelsBuilder {
            server: RedisServer::builder(),
            binary: None,
            sentinel: Vec::new(),
        }
    }

    /// `redis+sentinel://<sentinel>,<sentinel>,<sentinel>/<name of the master>`.
    #[must_use]
    pub fn url(&self) -> String {
        let sentinels: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port()))
            .collect();
        format!("redis+sentinel://{}/{MASTER}", sentinels.join(","))
    }

    /// All servers; the first one was the master at the start.
    #[must_use]
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// One server, for example to freeze it.
    ///
    /// # Panics
    /// When there is none of that number.
    #[must_use]
    pub fn server(&self, index: usize) -> &RedisServer {
        &self.servers[index]
    }

    /// One server, to kill or restart it. One that comes back is a master until the sentinels have found it, which
    /// may take ten seconds.
    ///
    /// # Panics
    /// When there is none of that number.
    #[must_use]
    pub fn server_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.servers[index]
    }

    /// The sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// One sentinel, to kill or restart it.
    ///
    /// # Panics
    /// When there is none of that number.
    #[must_use]
    pub fn sentinel_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.sentinels[index]
    }

    /// The port of the master, as the first sentinel says that answers.
    ///
    /// # Panics
    /// When none answers within a minute.
    pub async fn master_port(&self) -> u16 {
        eventually(PATIENCE, || async {
            let mut problem = String::new();
            for sentinel in &self.sentinels {
                match self.master_according_to(sentinel).await {
                    Ok(port) => return Ok(port),
                    Err(why) => problem = why,
                }
            }
            Err(problem)
        })
        .await
    }

    /// The number of that server.
    ///
    /// # Panics
    /// As [`RedisSentinels::master_port`].
    pub async fn master_index(&self) -> usize {
        let port = self.master_port().await;
        self.index_of(port).unwrap_or_else(|| {
            panic!("the sentinels name port {port}, which is none of the servers")
        })
    }

    /// Waits until all sentinels that run name one and the same other master, and it says so itself; gives its port.
    ///
    /// # Panics
    /// When that isn't so within a minute.
    pub async fn wait_for_master_other_than(&self, port: u16) -> u16 {
        eventually(PATIENCE, || async {
            let mut named = None;
            for sentinel in self.sentinels.iter().filter(|each| each.pid().is_some()) {
                let master = self.master_according_to(sentinel).await?;
                if master == port || named.is_some_and(|other| other != master) {
                    return Err(format!("a sentinel still names {master}"));
                }
                named = Some(master);
            }
            let master = named.ok_or("no sentinel runs")?;
            let index = self.index_of(master).ok_or("the master is a stranger")?;
            let info = replication(self.server(index)).await?;
            match field(&info, "role") {
                Some("master") => Ok(master),
                role => Err(format!("port {master} says that its role is {role:?}")),
            }
        })
        .await
    }

    /// Begins a planned failover: `SENTINEL FAILOVER`, which promotes a replica while the master goes on taking writes.
    ///
    /// # Panics
    /// When the sentinel refuses.
    pub async fn fail_over(&self) {
        let words = ["SENTINEL", "FAILOVER", MASTER];
        let _: String = command(&self.sentinels[0], &words).await;
    }

    /// Begins a planned failover in which the master makes writes wait until its heir has all of them (Valkey 9).
    ///
    /// # Panics
    /// When the sentinel refuses.
    pub async fn fail_over_coordinated(&self) {
        let words = ["SENTINEL", "FAILOVER", MASTER, "COORDINATED"];
        let _: String = command(&self.sentinels[0], &words).await;
    }

    /// Waits until every other server that runs is a replica in step with the master.
    ///
    /// # Panics
    /// When that isn't so within a minute.
    pub async fn wait_until_replicas_follow(&self) {
        eventually(PATIENCE, || async {
            self.replicas_follow(self.master_port().await).await
        })
        .await;
    }

    fn index_of(&self, port: u16) -> Option<usize> {
        self.servers.iter().position(|each| each.port() == port)
    }

    async fn master_according_to(&self, sentinel: &RedisServer) -> Result<u16, String> {
        let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        let (_address, port): (String, u16) = ask(sentinel, &command).await?;
        Ok(port)
    }

    async fn replicas_follow(&self, master: u16) -> Result<(), String> {
        let mut replicas = 0;
        for server in &self.servers {
            if server.port() == master || server.pid().is_none() {
                continue;
            }
            let info = replication(server).await?;
            let follows = field(&info, "master_port") == Some(master.to_string().as_str());
            if !follows || field(&info, "master_link_status") != Some("up") {
                let port = server.port();
                return Err(format!("port {port} doesn't follow {master} yet: {info}"));
            }
            replicas += 1;
        }
        let index = self.index_of(master).ok_or("the master is a stranger")?;
        let info = replication(self.server(index)).await?;
        let online = info.matches("state=online").count();
        if online < replicas {
            return Err(format!("{online} of {replicas} replicas are online"));
        }
        Ok(())
    }

    /// A replica is known when a sentinel has asked it itself: only then can it be elected.
    async fn sentinels_know_all(&self) -> Result<(), String> {
        type Rows = Vec<HashMap<String, String>>;
        let is = |row: &HashMap<String, String>, name: &str, value: &str| {
            row.get(name).is_some_and(|found| found == value)
        };
        for sentinel in &self.sentinels {
            let replicas: Rows = ask(sentinel, &["SENTINEL", "REPLICAS", MASTER]).await?;
            let replicas = replicas
                .iter()
                .filter(|row| is(row, "flags", "slave") && is(row, "master-link-status", "ok"))
                .count();
            let others: Rows = ask(sentinel, &["SENTINEL", "SENTINELS", MASTER]).await?;
            let others = others
                .iter()
                .filter(|row| is(row, "flags", "sentinel"))
                .count();
            if replicas + 1 < self.servers.len() || others + 1 < self.sentinels.len() {
                return Err(format!(
                    "the sentinel on port {} knows {replicas} replicas and {others} sentinels",
                    sentinel.port()
                ));
            }
        }
        Ok(())
    }
}

fn sentinel(master: u16) -> RedisServerBuilder {
    RedisServer::builder()
        .sentinel()
        .config(
            "sentinel",
            &format!("monitor {MASTER} 127.0.0.1 {master} {QUORUM}"),
        )
        .config(
            "sentinel",
            &format!("down-after-milliseconds {MASTER} {DOWN_AFTER_MS}"),
        )
        .config(
            "sentinel",
            &format!("failover-timeout {MASTER} {FAILOVER_TIMEOUT_MS}"),
        )
}

async fn replication(server: &RedisServer) -> Result<String, String> {
    ask(server, &["INFO", "replication"]).await
}

#[cfg(test)]
mod tests {
    use super::RedisSentinels;
    use redis::AsyncCommands;

    #[tokio::test]
    async fn a_killed_master_is_replaced_and_comes_back_as_a_replica() {
        let mut set = RedisSentinels::start().await;
        let old = set.master_port().await;
        assert_eq!((old, set.master_index().await), (set.server(0).port(), 0));
        assert!(set.url().starts_with("redis+sentinel://127.0.0.1:"));
        assert!(set.url().ends_with("/vote"));
        let mut connection = set.server(0).connection().await;
        let _: () = connection.set("vote", 7).await.expect("Redis answers");
        let copies: usize = redis::cmd("WAIT")
            .arg(&[2, 5_000])
            .query_async(&mut connection)
            .await
            .expect("Redis answers");
        assert_eq!(copies, 2);

        set.server_mut(0).kill9();
        let new = set.wait_for_master_other_than(old).await;
        let index = set.master_index().await;
        assert_eq!(set.server(index).port(), new);
        let vote: u32 = set
            .server(index)
            .connection()
            .await
            .get("vote")
            .await
            .expect("Redis answers");
        assert_eq!(vote, 7);

        set.server_mut(0).restart().await;
        set.wait_until_replicas_follow().await;
        let log = set.sentinels()[0].log();
        assert_eq!(set.master_port().await, new, "{log}");
    }
}
