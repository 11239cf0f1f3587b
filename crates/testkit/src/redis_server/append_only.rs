//! Damage to the append-only file, as a power cut of the machine does it: what was not yet on disk is gone.

use std::fs::OpenOptions;
use std::path::PathBuf;

use crate::redis_server::RedisServer;

impl RedisServer {
    /// How many bytes the newest incremental append-only file has; 0 where there is none.
    #[must_use]
    pub fn append_only_len(&self) -> u64 {
        self.newest_increment()
            .and_then(|path| path.metadata().ok())
            .map_or(0, |metadata| metadata.len())
    }

    /// Cuts that many bytes (all, where it has fewer) off the end of the newest incremental append-only file, while
    /// the server is down. Redis drops the last command where only a part of it is left (`aof-load-truncated`).
    ///
    /// # Panics
    /// While the server runs, or when it has no append-only file.
    pub fn truncate_append_only(&self, bytes: u64) {
        assert!(
            self.child.is_none(),
            "redis-server on port {} still runs: kill or stop it before its append-only file is cut",
            self.port
        );
        let Some(path) = self.newest_increment() else {
            panic!("there is no append-only file in {}", self.dir().display());
        };
        let left = self.append_only_len().saturating_sub(bytes);
        OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(left))
            .unwrap_or_else(|error| panic!("can't cut {}: {error}", path.display()));
    }

    /// `appendonly.aof.<number>.incr.aof` with the highest number.
    fn newest_increment(&self) -> Option<PathBuf> {
        let files = std::fs::read_dir(self.dir().join("appendonlydir")).ok()?;
        files
            .filter_map(|file| Some(file.ok()?.path()))
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?;
                let number = name.strip_suffix(".incr.aof")?.rsplit('.').next()?;
                Some((number.parse::<u64>().ok()?, path))
            })
            .max()
            .map(|(_, path)| path)
    }
}

#[cfg(test)]
mod tests {
    use crate::redis_server::RedisServer;
    use redis::AsyncCommands;

    #[tokio::test]
    async fn a_cut_append_only_file_loses_its_tail_and_nothing_else() {
        let mut server = RedisServer::start_lasting().await;
        let mut connection = server.connection().await;
        let _: () = connection.set("first", 1).await.expect("Redis answers");
        let before = server.append_only_len();
        let _: () = connection.set("second", 2).await.expect("Redis answers");
        let after = server.append_only_len();
        assert!(before < after);
        server.kill9();
        // Half of the last command is left: Redis drops all of it.
        server.truncate_append_only((after - before) / 2);
        server.restart().await;
        let kept: (Option<u32>, Option<u32>) = server
            .connection()
            .await
            .mget(&["first", "second"])
            .await
            .expect("Redis answers");
        assert_eq!(kept, (Some(1), None));
    }

    #[tokio::test]
    #[should_panic(expected = "kill or stop it before")]
    async fn the_file_of_a_running_server_is_left_alone() {
        RedisServer::builder()
            .append_only(true)
            .start()
            .await
            .truncate_append_only(1);
    }
}
