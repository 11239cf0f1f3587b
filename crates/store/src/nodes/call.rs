//! Single commands and scripts of everybody but the lanes: to the right server, after any redirection.

use std::time::Duration;

use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, Value};
use serde::de::DeserializeOwned;

use super::link::Link;
use super::servers::Nodes;
use crate::address::Node;
use crate::error::StoreError;
use crate::forbidden::is_forbidden;
use crate::script::{Script, is_unknown_script};
use crate::server::Facts;

/// How often a call follows redirections, or waits for a slot that is on the move.
const MOST_TRIES: u32 = 20;
/// The place of the connection that readers share: lanes have others.
const READERS: usize = usize::MAX;
/// The pause while keys of a slot are on the move.
const PAUSE: Duration = Duration::from_millis(50);
/// The code of the answer where a key holds something of another type.
const WRONG_TYPE: &str = "WRONGTYPE";
/// The code of the answer of a server whose memory is full.
const OUT_OF_MEMORY: &str = "OOM";
/// How long replicas may take to confirm.
const CONFIRM: Duration = Duration::from_secs(2);

/// A server whose replicas have not confirmed what was written.
#[derive(Debug, Clone, PartialEq, Eq, derive_more::Display)]
#[display("{server}: {why}")]
pub struct Unconfirmed {
    /// The server.
    pub server: String,
    /// Why they have not.
    pub why: String,
    /// Whether repeating the change may get it confirmed: not where our user may not ask for that.
    pub may_pass: bool,
}

impl Nodes {
    /// Runs a command on the server of `key`.
    pub(crate) async fn query<T: FromRedisValue>(
        &self,
        key: &str,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        self.call(key, command, None).await
    }

    /// Runs a command made for `script` on the server of `key`; loads the script first if need be.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        self.call(key, command, Some(script)).await
    }

    /// As [`Nodes::run`], over the connection that all such calls share. Redis answers one after the other in any case: more
    /// connections would only be more.
    pub(crate) async fn run_shared<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        command: &Cmd,
    ) -> Result<T, StoreError> {
        let mut link = self.shared(key, READERS).await?;
        match script.run(&mut link, command).await {
            Ok(value) => Ok(T::from_redis_value(value).map_err(RedisError::from)?),
            // It may be elsewhere, or on the move.
            Err(error) if matches!(error.kind(), ErrorKind::Server(_)) => {
                self.learn_from(key, &error);
                if leads_elsewhere(&error) {
                    link.discard();
                }
                self.run(script, key, command).await
            }
            Err(error) => {
                self.learn_from(key, &error);
                link.discard();
                Err(error.into())
            }
        }
    }

    /// The answers to a pipeline that only reads, over the same connection; `None` where the server refuses a part of it.
    pub(crate) async fn read_shared(
        &self,
        key: &str,
        pipeline: &redis::Pipeline,
    ) -> Result<Option<Vec<Value>>, StoreError> {
        let mut link = self.shared(key, READERS).await?;
        let error = match pipeline.query_async::<Vec<Value>>(&mut *link).await {
            Ok(answers) => return Ok(Some(answers)),
            Err(error) => error,
        };
        self.learn_from(key, &error);
        let is_refused = matches!(error.kind(), ErrorKind::Server(_));
        if !is_refused || leads_elsewhere(&error) {
            link.discard();
        }
        if is_refused {
            Ok(None)
        } else {
            Err(error.into())
        }
    }

    /// Reads a document in JSON.
    pub(crate) async fn document<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<T>, StoreError> {
        let document: Result<Option<Vec<u8>>, StoreError> = self.query(key, &Cmd::get(key)).await;
        let document = match document {
            Err(StoreError::Redis(error)) if error.code() == Some(WRONG_TYPE) => {
                return Err(StoreError::corrupt(key, "it is no document at all"));
            }
            document => document?,
        };
        let document = document
            .map(|json| serde_json::from_slice(&json))
            .transpose();
        document.map_err(|error| StoreError::corrupt(key, &error))
    }

    /// Writes a value where there is none; says whether it did.
    pub(crate) async fn set_if_absent(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("NX");
        let answer: Value = self.query(key, &command).await?;
        Ok(answer != Value::Nil)
    }

    async fn call<T: FromRedisValue>(
        &self,
        key: &str,
        command: &Cmd,
        script: Option<&Script>,
    ) -> Result<T, StoreError> {
        let mut asked: Option<Node> = None;
        let mut tries = 0;
        loop {
            tries += 1;
            let mut link = match &asked {
                Some(node) => self.connection_to(node).await?,
                None => self.connection(key).await?,
            };
            let answer = match (&asked, script) {
                (Some(_), script) => ask(&mut link, command, script).await,
                (None, Some(script)) => script.run(&mut link, command).await,
                (None, None) => command.query_async(&mut *link).await,
            };
            asked = None;
            let error = match answer {
                Ok(value) => return Ok(T::from_redis_value(value).map_err(RedisError::from)?),
                Err(error) => error,
            };
            let ask = self.learn_from(key, &error);
            let again = tries < MOST_TRIES
                && match error.kind() {
                    ErrorKind::Server(ServerErrorKind::Ask) => {
                        asked = ask;
                        asked.is_some()
                    }
                    ErrorKind::Server(ServerErrorKind::Moved) => true,
                    ErrorKind::Server(ServerErrorKind::TryAgain) => {
                        tokio::time::sleep(PAUSE).await;
                        true
                    }
                    _ => is_unknown_script(&error) && script.is_some(),
                };
            if error.code() == Some(OUT_OF_MEMORY) {
                return Err(full(&mut link, error).await);
            }
            if leads_elsewhere(&error) {
                link.discard();
            }
            if !again {
                return Err(error.into());
            }
        }
    }

    /// Waits until a replica of each server of `keys` has all that was written there before, since sentinels and clusters
    /// promote the one that has most; gives the servers where none has. Servers without replicas confirm nothing.
    ///
    /// `WAIT` waits for the offset after the connection's last command, which need not be a write.
    pub(crate) async fn confirm(&self, keys: impl Iterator<Item = String>) -> Vec<Unconfirmed> {
        let mut asked: Vec<Node> = Vec::new();
        let mut unconfirmed: Vec<Unconfirmed> = Vec::new();
        for key in keys {
            let mut link = match self.connection(&key).await {
                Ok(link) => link,
                Err(error) => {
                    let why = format!("it can't be reached any more to ask: {error}");
                    if !unconfirmed.iter().any(|known| known.why == why) {
                        unconfirmed.push(Unconfirmed {
                            server: key,
                            why,
                            may_pass: true,
                        });
                    }
                    continue;
                }
            };
            if asked.contains(&link.node) {
                continue;
            }
            asked.push(link.node.clone());
            link.set_response_timeout(self.response_timeout() + CONFIRM);
            let (why, may_pass) = match ask_replicas(&mut link).await {
                Ok((0, _)) => (None, true),
                Ok((replicas, 0)) => (
                    Some(format!("none of its {replicas} replicas has it yet")),
                    true,
                ),
                Ok((replicas, confirmed)) => {
                    if confirmed < replicas {
                        let node = &link.node;
                        tracing::warn!(%node, replicas, confirmed, "a change is not on all replicas yet");
                    }
                    (None, true)
                }
                Err(error) => (
                    Some(format!("its replicas can't be asked: {error}")),
                    !is_forbidden(&error),
                ),
            };
            unconfirmed.extend(why.map(|why| Unconfirmed {
                server: link.node.to_string(),
                why,
                may_pass,
            }));
            // Its longer time limit is for this alone.
            link.discard();
        }
        unconfirmed
    }
}

/// The replicas that are connected, and how many of them have all that was written before.
async fn ask_replicas(link: &mut Link) -> RedisResult<(usize, usize)> {
    let (_role, _offset, replicas): (String, u64, Vec<Value>) =
        redis::cmd("ROLE").query_async(&mut **link).await?;
    if replicas.is_empty() {
        return Ok((0, 0));
    }
    let confirmed = redis::cmd("WAIT")
        .arg(replicas.len())
        .arg(u64::try_from(CONFIRM.as_millis()).unwrap_or(u64::MAX))
        .query_async(&mut **link)
        .await?;
    Ok((replicas.len(), confirmed))
}

/// Runs a command on the node that is to get the slot (Redis Cluster specification, "ASK redirection").
async fn ask(link: &mut Link, command: &Cmd, script: Option<&Script>) -> RedisResult<Value> {
    match (asking(link, command).await, script) {
        // Scripts don't move with a slot.
        (Err(error), Some(script)) if is_unknown_script(&error) => {
            script.load(link).await?;
            asking(link, command).await
        }
        (answer, _) => answer,
    }
}

async fn asking(link: &mut Link, command: &Cmd) -> RedisResult<Value> {
    let mut pipe = redis::pipe();
    pipe.cmd("ASKING").ignore().add_command(command.clone());
    let (answer,): (Value,) = pipe.query_async(&mut **link).await?;
    Ok(answer)
}

/// What a server that refuses to take more memory says of it.
async fn full(link: &mut Link, refused: RedisError) -> StoreError {
    let server = link.node.to_string();
    match Facts::ask(link).await {
        Ok(facts) => StoreError::Full {
            server,
            used: facts.used_memory,
            max: facts.max_memory,
        },
        Err(_) => refused.into(),
    }
}

/// Whether the connection leads to a server that does not have, or not take, what is asked of it.
pub(crate) fn leads_elsewhere(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::ReadOnly
                | ServerErrorKind::MasterDown
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
        )
    )
}
