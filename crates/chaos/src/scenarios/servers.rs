//! Redis servers as the scenarios need them, and what is told to them.

use redis::aio::MultiplexedConnection;
use std::path::PathBuf;
use vote_testkit::{RedisServer, redis_server_8_4, valkey_server_9};

/// Why a scenario was left out: no server was found that it needs.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LeftOut(&'static str);

/// A Valkey that moves slots, and fails over under Sentinel, in one step.
pub(crate) fn valkey_9() -> Result<PathBuf, LeftOut> {
    valkey_server_9().ok_or(LeftOut(
        "no valkey-server 9 was found: `make setup` gets one",
    ))
}

/// A Redis that moves slots in one step.
pub(crate) fn redis_8_4() -> Result<PathBuf, LeftOut> {
    redis_server_8_4().ok_or(LeftOut(
        "no redis-server 8.4 or later was found: VOTE_TEST_NEWER_REDIS may name one",
    ))
}

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
