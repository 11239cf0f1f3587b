//! One attempt to send a batch, and what is known after it.

use std::{sync::atomic::Ordering, time::Duration};

use redis::{Cmd, ErrorKind, FromRedisValue as _, RedisError, RedisResult, Value};

use super::{
    copies::{Copies, CopiesWait},
    lane::Lane,
};
use crate::{
    metrics::gauge_value,
    nodes::{Link, leads_elsewhere},
    script::{COMMIT, is_unknown_script},
};

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
            let mut link = self.link().await?;
            let answer = command.query_async(&mut *link).await;
            let reason = self.put_back(link, answer.as_ref().err());
            answer.map_err(|_| reason)
        };
        tokio::select! {
            biased;
            () = abort.cancelled() => Err(Aborted),
            answer = asked => Ok(answer),
        }
    }

    async fn attempt_once(&mut self, command: &Cmd) -> Attempt {
        let mut link = match self.link().await {
            Ok(link) => link,
            Err(reason) => return Attempt::NotApplied(reason),
        };
        let mut sent = self.send(&mut link, command).await;
        if sent.as_ref().is_err_and(is_unknown_script) {
            sent = match COMMIT.load(&mut link).await {
                Ok(()) => self.send(&mut link, command).await,
                Err(error) => return Attempt::NotApplied(self.put_back(link, Some(&error))),
            };
        }
        let reason = self.put_back(link, sent.as_ref().err());
        match sent {
            Ok((bytes, copies)) => self.confirmed(bytes, copies),
            Err(error) if is_refusal(&error) => Attempt::NotApplied(reason),
            Err(_) => Attempt::Unknown(reason),
        }
    }

    /// Sends a batch, and behind it on the same connection the wait for its copies.
    async fn send(&mut self, link: &mut Link, command: &Cmd) -> RedisResult<(Vec<u8>, Copies)> {
        let asking = self.state.asking.take().is_some();
        let copies_wait = CopiesWait::new(&self.config);
        let wait = copies_wait.command(self.state.degraded);
        if wait.is_none() && !asking {
            let bytes = command.query_async(&mut **link).await?;
            return Ok((bytes, Copies::Enough));
        }
        let mut pipe = redis::pipe();
        if asking {
            pipe.cmd("ASKING").ignore();
        }
        pipe.add_command(command.clone());
        let waits = wait.is_some();
        if let Some(wait) = wait {
            pipe.add_command(wait);
        }
        let answers: Vec<Value> = pipe.ignore_errors().query_async(&mut **link).await?;
        let mut answers = answers.into_iter();
        let reply = answers.next().unwrap_or(Value::Nil).extract_error()?;
        let bytes = Vec::<u8>::from_redis_value(reply).map_err(RedisError::from)?;
        let copies = match answers.next() {
            Some(answer) => copies_wait.copies(answer),
            None if waits => Copies::Error("the wait for its copies has no answer".to_owned()),
            None => Copies::Enough,
        };
        Ok((bytes, copies))
    }

    /// A reply counts once the batch has its copies: before, it is as good as lost, and asked for again.
    fn confirmed(&mut self, bytes: Vec<u8>, copies: Copies) -> Attempt {
        let missing = match copies {
            Copies::Enough => None,
            Copies::Missing(why) if CopiesWait::new(&self.config).degrades() => Some(why),
            Copies::Missing(why) | Copies::Error(why) => return Attempt::Unknown(why),
        };
        let degraded = missing.is_some();
        if std::mem::replace(&mut self.state.degraded, degraded) != degraded {
            match missing {
                Some(why) => tracing::error!(
                    shard = self.shard, writer = %self.writer, why,
                    "replicas are missing: votes are accepted without them"
                ),
                None => tracing::info!(
                    shard = self.shard, writer = %self.writer,
                    "replicas are back: votes are accepted with them"
                ),
            }
        }
        Attempt::Replied(bytes)
    }

    /// The lane's connection; a new one where there is none, or it leads to yesterday's master.
    async fn link(&mut self) -> Result<Link, String> {
        let key = self.target.keys.state();
        let kept = self.state.link.take();
        if let Some(link) = kept {
            if self.state.asking.is_none() && self.nodes.is_current(&link, &key) {
                return Ok(link);
            }
            link.discard();
        }
        let link = match &self.state.asking {
            Some(node) => self.nodes.connection_to(node).await,
            None => self.nodes.connection(&key).await,
        };
        if link.is_err() {
            self.state.asking = None;
        }
        let mut link = link.map_err(|error| error.to_string())?;
        let patience = self.nodes.response_timeout() + CopiesWait::new(&self.config).timeout();
        link.set_response_timeout(patience);
        Ok(link)
    }

    /// Keeps the connection where it is still good after `error`, whose text it gives.
    fn put_back(&mut self, link: Link, error: Option<&RedisError>) -> String {
        let Some(error) = error else {
            self.state.link = Some(link);
            return String::new();
        };
        self.state.asking = self.nodes.learn_from(&self.target.keys.state(), error);
        if is_refusal(error) && !leads_elsewhere(error) {
            self.state.link = Some(link);
        } else {
            // Whatever it still carries must not be mixed up with the next try.
            link.discard();
        }
        error.to_string()
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
        self.metrics.queue.set(gauge_value(self.shared.queue.len()));
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
