//! What a [`RedisServer`](super::RedisServer) is started with.

use std::path::{Path, PathBuf};

use crate::certificates::Certificates;

/// Options of a [`RedisServer`](super::RedisServer).
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
