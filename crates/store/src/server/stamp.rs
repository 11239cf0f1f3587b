//! What of `INFO` differs as soon as anything was written.

use std::collections::HashMap;

use redis::Cmd;

/// The state of a server's data, by what it counts: two that are equal say that nothing was written in between.
///
/// `rdb_changes_since_last_save` grows with each change, and falls with each snapshot on disk, which is counted as well; a
/// server that was restarted has another `run_id`, and one that was a replica meanwhile another `master_replid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<String>);

impl Stamp {
    const FIELDS: [&str; 4] = [
        "run_id",
        "master_replid",
        "rdb_changes_since_last_save",
        "rdb_last_save_time",
    ];
    /// Not on every server.
    const SAVES: &str = "rdb_saves";

    /// The question.
    pub(crate) fn command() -> Cmd {
        let mut command = redis::cmd("INFO");
        command.arg(&["server", "replication", "persistence"]);
        command
    }

    /// Reads the answer; `None` where the server is none that has data of its own, or does not say all of it.
    pub(crate) fn parse(info: &str) -> Option<Self> {
        let lines = info
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'));
        let fields: HashMap<&str, &str> = lines.collect();
        if fields.get("role") != Some(&"master") || fields.get("loading") != Some(&"0") {
            return None;
        }
        let named = Self::FIELDS.into_iter().map(|name| {
            let value = fields.get(name).copied().unwrap_or_default();
            (!value.is_empty()).then(|| value.to_owned())
        });
        let mut stamp: Vec<String> = named.collect::<Option<_>>()?;
        stamp.extend(fields.get(Self::SAVES).map(ToString::to_string));
        Some(Self(stamp))
    }
}

#[cfg(test)]
mod tests {
    use vote_testkit::{RedisServer, newer_redis_server};

    use super::*;

    async fn stamp(server: &RedisServer) -> Stamp {
        let mut connection = server.connection().await;
        let info = Stamp::command().query_async(&mut connection).await;
        let info: String = info.expect("it answers");
        Stamp::parse(&info).unwrap_or_else(|| panic!("{info}"))
    }

    async fn servers() -> Vec<RedisServer> {
        let mut servers = vec![RedisServer::start().await];
        match newer_redis_server() {
            Some(newer) => servers.push(RedisServer::builder().binary(&newer).start().await),
            None => println!("without a newer server, see `make setup`"),
        }
        servers
    }

    #[tokio::test]
    async fn every_write_makes_another_stamp_and_no_read_does() {
        for server in servers().await {
            let mut connection = server.connection().await;
            let mut before = stamp(&server).await;
            for (command, is_write) in [
                ("SET key value", true),
                ("GET key", false),
                // The same value again.
                ("SET key value", true),
                ("HSET hash field 1", true),
                ("HSET hash field 1", true),
                ("HGETALL hash", false),
                ("EVAL_RO return(redis.call('HGETALL','hash')) 0", false),
                (
                    "EVAL return(redis.call('HINCRBY','hash','field','1')) 0",
                    true,
                ),
                ("EVAL return(redis.call('HSET','hash','field','1')) 0", true),
                ("SADD polls p", true),
                ("SREM polls p", true),
                ("DEL key", true),
                ("SAVE", true),
                ("HSET hash field 2", true),
                // As many changes since the last snapshot as before, and in the same second.
                ("SAVE", true),
                ("HSET hash field 3", true),
                ("FLUSHALL", true),
            ] {
                let mut words = command.split(' ');
                let mut call = redis::cmd(words.next().expect("a command"));
                for word in words {
                    call.arg(word);
                }
                call.exec_async(&mut connection).await.expect("done");
                let after = stamp(&server).await;
                assert_eq!(
                    before != after,
                    is_write,
                    "{command}: {before:?}, {after:?}"
                );
                before = after;
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_was_restarted_has_another_stamp() {
        let mut server = RedisServer::builder().append_only(true).start().await;
        let before = stamp(&server).await;
        server.restart().await;
        assert_ne!(before, stamp(&server).await);
    }

    #[test]
    fn a_replica_has_none_nor_has_a_server_that_does_not_say_what_it_counts() {
        let info = "run_id:a\r\nrole:master\r\nloading:0\r\nmaster_replid:b\r\nrdb_changes_since_last_save:1\r\n\
                    rdb_last_save_time:2\r\n";
        assert!(Stamp::parse(info).is_some());
        for (of, other) in [
            ("role:master", "role:slave"),
            ("loading:0", "loading:1"),
            ("rdb_changes_since_last_save:1", "x:1"),
            ("run_id:a", "run_id:"),
        ] {
            assert_eq!(Stamp::parse(&info.replace(of, other)), None, "{other}");
        }
    }
}
