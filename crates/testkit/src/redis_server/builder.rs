//! What a [`RedisServer`] is started with.

use super::{NotStarted, RedisServer};
use crate::Certificates;
use std::path::{Path, PathBuf};

/// How often a port that someone else took in the meantime is replaced by another.
const PORT_TRIES: usize = 8;

/// Options of a [`RedisServer`].
#[derive(Debug, Clone, Default)]
pub struct RedisServerBuilder {
    binary: Option<PathBuf>,
    kind: Kind,
    append_only: bool,
    replica_of: Option<u16>,
    acl: Option<String>,
    certificates: Option<Certificates>,
    config: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Alone,
    ClusterNode,
    Sentinel,
}

impl RedisServerBuilder {
    /// Another program than the `redis-server` in `PATH`, for example a [newer one](crate::newer_redis_server).
    #[must_use]
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// Turns the append-only file on (`appendfsync everysec`, Redis' default): a restart then finds the data again.
    #[must_use]
    pub fn append_only(mut self, on: bool) -> Self {
        self.append_only = on;
        self
    }

    /// Makes it a replica of the server on that port of 127.0.0.1.
    #[must_use]
    pub fn replica_of(mut self, port: u16) -> Self {
        self.replica_of = Some(port);
        self
    }

    /// The text of an ACL file: one `user …` a line.
    #[must_use]
    pub fn acl(mut self, text: &str) -> Self {
        self.acl = Some(text.to_owned());
        self
    }

    /// Serves TLS and nothing else. Clients need no certificate, unless `("tls-auth-clients", "yes")` asks for one.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.certificates = Some(certificates.clone());
        self
    }

    /// One more directive of `redis.conf`, for example `("maxmemory", "1mb")`. Later ones win.
    #[must_use]
    pub fn config(mut self, directive: &str, value: &str) -> Self {
        self.config.push((directive.to_owned(), value.to_owned()));
        self
    }

    /// Makes it a node of a cluster, which knows no other node yet.
    pub(crate) fn cluster(mut self) -> Self {
        self.kind = Kind::ClusterNode;
        self
    }

    /// Makes it a sentinel.
    pub(crate) fn sentinel(mut self) -> Self {
        self.kind = Kind::Sentinel;
        self
    }

    /// Starts the server and waits until it answers `PING`.
    ///
    /// # Panics
    /// When the server's program is missing, refuses its configuration or is not ready within 30 s.
    pub async fn start(self) -> RedisServer {
        for _ in 0..PORT_TRIES {
            let mut server = RedisServer::new(self.clone());
            match server.spawn().await {
                Ok(()) => return server,
                Err(NotStarted::PortTaken) => {}
                Err(NotStarted::Other(why)) => panic!("{why}"),
            }
        }
        panic!("{PORT_TRIES} ports in a row were taken while redis-server started");
    }

    pub(super) fn program(&self) -> &Path {
        self.binary.as_deref().unwrap_or(Path::new("redis-server"))
    }

    pub(super) fn arguments(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Sentinel => &["--sentinel"],
            Kind::Alone | Kind::ClusterNode => &[],
        }
    }

    /// What the log says once the port is bound, and not before.
    pub(super) fn ready_mark(&self) -> &'static str {
        match self.kind {
            Kind::Sentinel => "Sentinel ID is",
            Kind::Alone | Kind::ClusterNode => "Ready to accept connections",
        }
    }

    pub(super) fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    pub(super) fn scheme(&self) -> &'static str {
        match self.certificates {
            Some(_) => "rediss",
            None => "redis",
        }
    }

    /// Writes the configuration, and the ACL file beside it.
    pub(super) fn write_config(&self, path: &Path, port: u16, bus: u16) -> std::io::Result<()> {
        let dir = path.parent().unwrap_or(Path::new("."));
        if let Some(acl) = &self.acl {
            std::fs::write(acl_file(dir), format!("{}\n", acl.trim()))?;
        }
        std::fs::write(path, self.config_text(dir, port, bus))
    }

    fn config_text(&self, dir: &Path, port: u16, bus: u16) -> String {
        let mut text = format!(
            "bind 127.0.0.1\ndir {}\nlogfile \"\"\nprotected-mode no\n",
            dir.display()
        );
        match &self.certificates {
            Some(certificates) => text.push_str(&format!(
                "port 0\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
                 tls-auth-clients no\n",
                certificates.server_certificate().display(),
                certificates.server_key().display(),
                certificates.authority().display()
            )),
            None => text.push_str(&format!("port {port}\n")),
        }
        if self.kind != Kind::Sentinel {
            let append_only = if self.append_only { "yes" } else { "no" };
            // A first synchronisation waits 5 s for more replicas otherwise.
            text.push_str(&format!(
                "save \"\"\nappendonly {append_only}\nrepl-diskless-sync-delay 0\n"
            ));
        }
        if self.kind == Kind::ClusterNode {
            // The default, 10,000 above the port, would lie among the ports that the system hands to clients.
            text.push_str(&format!("cluster-enabled yes\ncluster-port {bus}\n"));
        }
        if let Some(master) = self.replica_of {
            text.push_str(&format!("replicaof 127.0.0.1 {master}\n"));
        }
        if self.acl.is_some() {
            text.push_str(&format!("aclfile {}\n", acl_file(dir).display()));
        }
        for (directive, value) in &self.config {
            text.push_str(&format!("{directive} {value}\n"));
        }
        text
    }
}

fn acl_file(dir: &Path) -> PathBuf {
    dir.join("users.acl")
}

#[cfg(test)]
mod tests {
    use crate::{RedisServer, eventually};
    use redis::AsyncCommands;
    use std::time::Duration;

    #[tokio::test]
    async fn the_text_of_an_acl_is_enforced_also_after_a_restart() {
        let acl = "user default off\n\
                   user writer on >secret ~vote:* +@write +ping";
        let mut server = RedisServer::builder().acl(acl).start().await;
        for _ in 0..2 {
            let client = server.client_as("writer", "secret");
            let mut writer = client.get_multiplexed_async_connection().await.unwrap();
            let _: () = writer.set("vote:1", 7).await.unwrap();
            let other_key = writer.set::<_, _, ()>("poll:1", 7).await.unwrap_err();
            assert_eq!(other_key.code(), Some("NOPERM"));
            let read = writer.get::<_, u32>("vote:1").await.unwrap_err();
            assert_eq!(read.code(), Some("NOPERM"));
            let client = server.client_as("writer", "guess");
            assert!(client.get_multiplexed_async_connection().await.is_err());
            server.restart().await;
        }
    }

    #[tokio::test]
    async fn a_replica_follows_its_master() {
        let master = RedisServer::start().await;
        let replica = RedisServer::builder()
            .replica_of(master.port())
            .start()
            .await;
        let _: () = master.connection().await.set("vote", 7).await.unwrap();
        let mut connection = replica.connection().await;
        let vote = eventually(Duration::from_secs(30), || {
            let mut connection = connection.clone();
            async move {
                connection
                    .get::<_, Option<u32>>("vote")
                    .await
                    .ok()
                    .flatten()
            }
        })
        .await;
        assert_eq!(vote, 7);
        let refused = connection.set::<_, _, ()>("vote", 8).await.unwrap_err();
        assert_eq!(refused.code(), Some("READONLY"));
    }
}
