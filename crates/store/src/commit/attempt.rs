//! One attempt to send a batch, and what is known after it.

use std::{sync::atomic::Ordering, time::Duration};

use deadpool_redis::Connection;
use redis::{Cmd, ErrorKind, RedisError};

use super::lane::{Lane, as_i64};
use crate::script::{COMMIT, is_unknown_script};

/// The longest pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_millis(250);

/// What came of one attempt to send a batch.
pub(super) enum Attempt {
    Replied(Vec<u8>),
    /// Redis has not applied it, for certain.
    NotApplied(String),
    /// It may have been applied.
    Unknown(String),
}

/// The lane was told to end before the outcome was known.
pub(super) struct Aborted;

impl Lane {
    /// One attempt on the lane's connection.
    pub(super) async fn attempt(&mut self, command: &Cmd) -> Result<Attempt, Aborted> {
        let abort = self.abort.clone();
        tokio::select! {
            biased;
            () = abort.cancelled() => Err(Aborted),
            attempt = self.attempt_once(command) => Ok(attempt),
        }
    }

    /// A read on the lane's connection.
    pub(super) async fn ask<T: redis::FromRedisValue>(
        &mut self,
        command: &Cmd,
    ) -> Result<Result<T, String>, Aborted> {
        let abort = self.abort.clone();
        let asked = async {
            let mut connection = match self.state.connection.take() {
                Some(connection) => connection,
                None => self.pool.get().await.map_err(|error| error.to_string())?,
            };
            match command.query_async(&mut connection).await {
                Ok(answer) => {
                    self.state.connection = Some(connection);
                    Ok(answer)
                }
                Err(error) => {
                    drop(Connection::take(connection));
                    Err(error.to_string())
                }
            }
        };
        tokio::select! {
            biased;
            () = abort.cancelled() => Err(Aborted),
            answer = asked => Ok(answer),
        }
    }

    async fn attempt_once(&mut self, command: &Cmd) -> Attempt {
        let mut connection = match self.state.connection.take() {
            Some(connection) => connection,
            None => match self.pool.get().await {
                Ok(connection) => connection,
                Err(error) => return Attempt::NotApplied(error.to_string()),
            },
        };
        let mut result: redis::RedisResult<Vec<u8>> = command.query_async(&mut connection).await;
        if result.as_ref().is_err_and(is_unknown_script) {
            result = match COMMIT.load(&mut connection).await {
                Ok(()) => command.query_async(&mut connection).await,
                Err(error) => return Attempt::NotApplied(error.to_string()),
            };
        }
        match result {
            Ok(bytes) => {
                self.state.connection = Some(connection);
                Attempt::Replied(bytes)
            }
            Err(error) if is_refusal(&error) => {
                if keeps_connection(&error) {
                    self.state.connection = Some(connection);
                } else {
                    // It leads to a server that will not do; the next one may lead to another.
                    drop(Connection::take(connection));
                }
                Attempt::NotApplied(error.to_string())
            }
            Err(error) => {
                // Whatever this connection still carries must not be mixed up with the next try.
                drop(Connection::take(connection));
                Attempt::Unknown(error.to_string())
            }
        }
    }

    pub(super) fn block(&self, reason: &str) {
        self.metrics.retries.inc();
        if !self.shared.blocked.swap(true, Ordering::Relaxed) {
            tracing::warn!(shard = self.shard, writer = %self.writer, reason, "lane blocked");
        }
    }

    pub(super) fn unblock(&self) {
        if self.shared.blocked.swap(false, Ordering::Relaxed) {
            tracing::info!(shard = self.shard, writer = %self.writer, "lane unblocked");
        }
    }

    pub(super) async fn pause(&self, backoff: &mut Backoff) -> Result<(), Aborted> {
        self.metrics.queue.set(as_i64(self.shared.queue.len()));
        tokio::select! {
            biased;
            () = self.abort.cancelled() => Err(Aborted),
            () = tokio::time::sleep(backoff.next()) => Ok(()),
        }
    }
}

/// Whether the server has refused before it wrote anything. Redis refuses these before a script
/// runs, or at its first write and never after; of any other error reply that is not known.
fn is_refusal(error: &RedisError) -> bool {
    use redis::ServerErrorKind as Kind;
    match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            Kind::NoScript
                | Kind::BusyLoading
                | Kind::MasterDown
                | Kind::ReadOnly
                | Kind::ClusterDown
                | Kind::TryAgain
                | Kind::Moved
                | Kind::Ask
                | Kind::CrossSlot
        ),
        _ => matches!(
            error.code(),
            Some("OOM" | "MISCONF" | "NOREPLICAS" | "BUSY" | "NOAUTH" | "WRONGPASS")
        ),
    }
}

/// Whether the server may do better later.
fn keeps_connection(error: &RedisError) -> bool {
    use redis::ServerErrorKind as Kind;
    !matches!(
        error.kind(),
        ErrorKind::Server(Kind::ReadOnly | Kind::MasterDown | Kind::Moved | Kind::Ask)
    )
}

/// Pauses between attempts: none before the first repeat, then doubling.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
        let pause = match self.attempts {
            0 => Duration::ZERO,
            attempt => Duration::from_millis(5 << attempt.min(10)).min(MAX_BACKOFF),
        };
        self.attempts += 1;
        pause
    }
}
