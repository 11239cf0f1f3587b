//! What `INFO` says of a server, as far as it matters here.

use std::collections::HashMap;

use redis::RedisResult;
use redis::aio::MultiplexedConnection;

/// Of the sections `replication`, `memory` and `persistence`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whether what is written goes to an append-only file.
    pub(super) has_append_only_file: bool,
    /// Whether the last write to that file went well.
    pub(super) appends: bool,
    /// Whether the last snapshot on disk went well. Where not, Redis refuses writes by default.
    pub(super) saves: bool,
    /// The most memory, in bytes; 0 for no bound.
    pub(crate) max_memory: u64,
    /// The memory in use, in bytes.
    pub(crate) used_memory: u64,
    /// What goes when memory is full.
    pub(super) eviction: String,
    /// Replicas that are connected.
    pub(super) replicas: usize,
}

impl Facts {
    /// Asks a server.
    ///
    /// # Errors
    /// What the server or the connection says.
    pub(crate) async fn ask(connection: &mut MultiplexedConnection) -> RedisResult<Self> {
        let mut command = redis::cmd("INFO");
        command.arg(&["replication", "memory", "persistence"]);
        let info: String = command.query_async(connection).await?;
        Ok(Self::parse(&info))
    }

    /// Reads the answer to `INFO`; what is not there counts as zero, no, or well.
    pub(super) fn parse(info: &str) -> Self {
        let lines = info
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'));
        let fields: HashMap<&str, &str> = lines.collect();
        let text = |name| fields.get(name).copied().unwrap_or_default();
        let is_well = |name| matches!(text(name), "ok" | "");
        Self {
            has_append_only_file: text("aof_enabled") == "1",
            appends: is_well("aof_last_write_status"),
            saves: is_well("rdb_last_bgsave_status"),
            max_memory: text("maxmemory").parse().unwrap_or(0),
            used_memory: text("used_memory").parse().unwrap_or(0),
            eviction: text("maxmemory_policy").to_owned(),
            replicas: text("connected_slaves").parse().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_lines_and_what_is_missing_is_no_fault() {
        let info = "# Memory\r\nused_memory:1048576\r\nmaxmemory:2097152\r\nmaxmemory_policy:allkeys-lru\r\n\r\n\
                    # Persistence\r\naof_enabled:1\r\naof_last_write_status:err\r\nrdb_last_bgsave_status:ok\r\n\
                    # Replication\r\nconnected_slaves:2\r\nslave0:ip=10.0.0.1,port=6379,state=online\r\n";
        assert_eq!(
            Facts::parse(info),
            Facts {
                has_append_only_file: true,
                appends: false,
                saves: true,
                max_memory: 2_097_152,
                used_memory: 1_048_576,
                eviction: "allkeys-lru".to_owned(),
                replicas: 2,
            }
        );
        let nothing = Facts::parse("");
        assert!(nothing.appends && nothing.saves && !nothing.has_append_only_file);
    }
}
