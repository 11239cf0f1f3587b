//! Where a server is that knows more than the system's own.

use std::path::{Path, PathBuf};

/// A Redis or Valkey that knows `WAITAOF` (since Redis 7.2), which the `redis-server` of many systems does not: the
/// program that `VOTE_TEST_NEWER_REDIS` names, else the one that `make setup` put into `.venv`, else none.
///
/// # Panics
/// When `VOTE_TEST_NEWER_REDIS` names a file that doesn't exist.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a setting of the tests, not of a service"
)]
pub fn newer_redis_server() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("VOTE_TEST_NEWER_REDIS") {
        let path = PathBuf::from(path);
        assert!(
            path.is_file(),
            "VOTE_TEST_NEWER_REDIS names {}, which is no file",
            path.display()
        );
        return Some(path);
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = workspace.join(".venv/bin/valkey-server");
    program.is_file().then_some(program)
}

#[cfg(test)]
mod tests {
    use super::newer_redis_server;
    use crate::redis_server::RedisServer;
    use redis::AsyncCommands;

    #[tokio::test]
    async fn a_newer_server_says_when_a_write_is_on_disk() {
        let Some(binary) = newer_redis_server() else {
            println!("left out: no newer server, see `make setup`");
            return;
        };
        let server = RedisServer::builder()
            .binary(binary)
            .append_only(true)
            .start()
            .await;
        let mut connection = server.connection().await;
        let _: () = connection.set("vote", 7).await.expect("Redis answers");
        let on_disk: (u32, u32) = redis::cmd("WAITAOF")
            .arg(&[1, 0, 5_000])
            .query_async(&mut connection)
            .await
            .expect("Redis answers");
        assert_eq!(on_disk, (1, 0));
    }
}
