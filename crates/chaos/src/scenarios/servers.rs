//! Redis servers as the scenarios need them, and what is told to them.

use redis::aio::MultiplexedConnection;
use vote_testkit::RedisServer;

/// A Redis as it is run for votes: append-only, `everysec`.
pub(crate) async fn redis() -> RedisServer {
    RedisServer::builder()
        .append_only(true)
        .config("appendfsync", "everysec")
        .start()
        .await
}

/// Sets one of its settings.
pub(crate) async fn config(
    connection: &mut MultiplexedConnection,
    name: &str,
    value: &str,
) -> anyhow::Result<()> {
    let mut set = redis::cmd("CONFIG");
    set.arg(&["SET", name, value]);
    Ok(set.exec_async(connection).await?)
}

/// Makes it a replica of another server, or of none.
pub(crate) async fn replica_of(
    connection: &mut MultiplexedConnection,
    host: &str,
    port: &str,
) -> anyhow::Result<()> {
    let mut replica_of = redis::cmd("REPLICAOF");
    replica_of.arg(&[host, port]);
    Ok(replica_of.exec_async(connection).await?)
}
