//! Where a server is that knows more than the system's own.

use std::path::{Path, PathBuf};
use std::process::Command;

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

/// A Valkey of version 9 or later, which moves slots by `CLUSTER MIGRATESLOTS` and knows `SENTINEL FAILOVER … COORDINATED`:
/// the [newer server](newer_redis_server), the one that `make setup` put into `.venv`, or the `valkey-server` in `PATH`.
#[must_use]
pub fn valkey_server_9() -> Option<PathBuf> {
    find("valkey-server", "Valkey", (9, 0))
}

/// A Redis of version 8.4 or later, which moves slots by `CLUSTER MIGRATION`: the [newer server](newer_redis_server), if
/// `VOTE_TEST_NEWER_REDIS` names such a one, or the `redis-server` in `PATH`.
#[must_use]
pub fn redis_server_8_4() -> Option<PathBuf> {
    find("redis-server", "Redis", (8, 4))
}

fn find(name: &str, product: &str, least: (u32, u32)) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let known = [
        newer_redis_server(),
        Some(workspace.join(".venv/bin").join(name)),
        Some(name.into()),
    ];
    known.into_iter().flatten().find(|program| {
        let said = Command::new(program).arg("--version").output();
        let said = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
        said.is_ok_and(|said| version(&said, product).is_some_and(|version| version >= least))
    })
}

/// Major and minor version in `Valkey server v=9.1.2 sha=…`, where it is of that product.
fn version(said: &str, product: &str) -> Option<(u32, u32)> {
    let rest = said.strip_prefix(product)?.strip_prefix(" server v=")?;
    let mut numbers = rest.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{newer_redis_server, version};

    #[test]
    fn a_program_is_known_by_what_it_says_of_its_version() {
        let redis = "Redis server v=8.6.2 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0";
        assert_eq!(version(redis, "Redis"), Some((8, 6)));
        assert_eq!(version(redis, "Valkey"), None);
        assert_eq!(
            version("Valkey server v=9.1.2 sha=", "Valkey"),
            Some((9, 1))
        );
        assert_eq!(version("Redis server v=next", "Redis"), None);
    }

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
