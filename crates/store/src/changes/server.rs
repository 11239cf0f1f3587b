//! One server: what it has said last, and how it is asked.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue as _, RedisError, Value};

use super::basis::{Asked, Probe};
use crate::address::Node;
use crate::error::StoreError;
use crate::fence::Fence;
use crate::nodes::{Nodes, Told, Watch, no_answer_in_time};
use crate::server::Stamp;

/// The pause before a server that does not tell of changes is asked again to do so.
const PAUSE: Duration = Duration::from_secs(60);

/// A server that refuses a connection does so at once. One that has taken so long and has not answered hangs: all others have waited
/// for it.
const HANGS: Duration = Duration::from_millis(100);

/// The pause before a server that hangs is asked again: readings in between keep their pace.
const PAUSE_OF_HANGING: Duration = Duration::from_secs(2);

/// What is known of one server.
#[derive(Default)]
pub(super) struct Server {
    /// Its stamp, and since which question it has been the same.
    stamp: Option<(Stamp, Asked)>,
    /// The connection over which it tells of changes, and since which question it has told all of them.
    watch: Option<(Watch, Asked)>,
    /// When it refused to.
    refused_at: Option<Instant>,
    /// Why it gave no answer in time when it was asked last.
    silent: Option<String>,
    /// When it had kept all others waiting for that.
    hung_at: Option<Instant>,
}

/// What a server has answered.
#[derive(Default)]
pub(super) struct Heard {
    /// What has changed of what was read.
    pub(super) told: Told,
    /// The probes that were otherwise than they had been read.
    pub(super) others: Vec<Probe>,
}

impl Server {
    /// Whether nothing was written to it since this question, by its counters.
    pub(super) fn is_unchanged(&self, asked: Asked) -> bool {
        let stamp = self.stamp.as_ref();
        stamp.is_some_and(|(_, since)| *since <= asked)
    }

    /// Since when it tells of all changes, if it does.
    pub(super) fn watched_since(&self) -> Option<Asked> {
        self.watch.as_ref().map(|(_, since)| *since)
    }

    /// The connection over which it tells of what is read over it.
    pub(super) fn connection(&self) -> Option<MultiplexedConnection> {
        self.watch.as_ref().map(|(watch, _)| watch.connection())
    }

    /// Why it gave no answer in time: another question would take as long.
    pub(super) fn silent(&self) -> Option<&str> {
        self.silent.as_deref()
    }

    /// What it has told since it was asked last.
    pub(super) fn hear(&mut self, asked: Asked) -> Told {
        let Some((watch, since)) = &mut self.watch else {
            return Told::default();
        };
        let told = watch.take_told();
        if told.all {
            *since = asked;
        }
        told
    }

    /// Whether it hung just now: to ask it would keep all others waiting.
    pub(super) fn has_just_hung(&self) -> bool {
        self.hung_at
            .is_some_and(|at| at.elapsed() < PAUSE_OF_HANGING)
    }

    /// Asks it. What it had said before does not count any more where it does not answer.
    pub(super) async fn ask(
        &mut self,
        nodes: &Nodes,
        node: &Node,
        asked: Asked,
        probes: &[Probe],
    ) -> Heard {
        (self.silent, self.hung_at) = (None, None);
        let began = Instant::now();
        match self.answer(nodes, node, asked, probes).await {
            Ok((info, others)) => {
                let is_master = info.lines().any(|line| line.trim_end() == "role:master");
                if !is_master {
                    self.watch = None;
                }
                let stamp = Stamp::parse(&info);
                let before = self.stamp.take();
                self.stamp = match (stamp, before) {
                    (Some(stamp), Some(before)) if before.0 == stamp => Some(before),
                    (stamp, _) => stamp.map(|stamp| (stamp, asked)),
                };
                let told = self.hear(asked);
                Heard { told, others }
            }
            Err(error) => {
                (self.stamp, self.watch) = (None, None);
                self.silent = no_answer_in_time(&error).map(|why| format!("{node}: {why}"));
                let has_hung = self.silent.is_some() && began.elapsed() >= HANGS;
                self.hung_at = has_hung.then(Instant::now);
                Heard::default()
            }
        }
    }

    /// Its counters, and the probes that have changed. They are looked at first: what was written in between is in the
    /// counters.
    async fn answer(
        &mut self,
        nodes: &Nodes,
        node: &Node,
        asked: Asked,
        probes: &[Probe],
    ) -> Result<(String, Vec<Probe>), StoreError> {
        self.watch(nodes, node, asked).await?;
        let mut pipeline = redis::pipe();
        for probe in probes {
            pipeline
                .cmd("HMGET")
                .arg(probe.shard.state())
                .arg(Fence::RECEIVED_AT);
        }
        pipeline.add_command(Stamp::command());
        let answers = match self.connection() {
            Some(mut connection) => pipeline.query_async::<Vec<Value>>(&mut connection).await,
            None => {
                let mut link = nodes.connection_to(node).await?;
                pipeline.query_async::<Vec<Value>>(&mut *link).await
            }
        };
        if let (Err(error), Some(probe)) = (&answers, probes.first()) {
            nodes.learn_from(&probe.shard.state(), error);
        }
        let mut answers = answers?.into_iter();
        let mut others = Vec::new();
        for probe in probes {
            let found = answers.next().unwrap_or(Value::Nil);
            let found = Vec::<Option<i64>>::from_redis_value(found).map_err(RedisError::from)?;
            if found.first().copied().flatten() != probe.received_at_ms {
                others.push(probe.clone());
            }
        }
        let info = answers.next().unwrap_or(Value::Nil);
        let info = String::from_redis_value(info).map_err(RedisError::from)?;
        Ok((info, others))
    }

    /// Sees to it that the server tells of changes, if it does that at all.
    ///
    /// # Errors
    /// [`StoreError`] where it is away.
    async fn watch(&mut self, nodes: &Nodes, node: &Node, asked: Asked) -> Result<(), StoreError> {
        let has_refused = self.refused_at.is_some_and(|at| at.elapsed() < PAUSE);
        if self.watch.is_some() || has_refused {
            return Ok(());
        }
        match nodes.watch(node).await {
            Ok(watch) => self.watch = Some((watch, asked)),
            Err(StoreError::Redis(error)) if !is_away(&error) => {
                if self.refused_at.replace(Instant::now()).is_none() {
                    tracing::info!(
                        server = %node, %error,
                        "the Redis server does not tell of changes (CLIENT TRACKING): more is read of it"
                    );
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn is_away(error: &RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.is_connection_dropped()
}
