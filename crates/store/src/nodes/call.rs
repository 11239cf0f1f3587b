//! Single commands and scripts of everybody but the lanes: to the right server, after any redirection.

use std::time::Duration;

use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, Value};
use serde::de::DeserializeOwned;

use super::link::Link;
use super::servers::Nodes;
use crate::address::Node;
use crate::error::StoreError;
use crate::script::{Script, is_unknown_script};

/// How often a call follows redirections, or waits for a slot that is on the move.
const MOST_TRIES: u32 = 20;
/// The pause while keys of a slot are on the move.
const PAUSE: Duration = Duration::from_millis(50);
/// How long replicas may take to confirm.
const CONFIRM: Duration = Duration::from_secs(2);

/// What the replicas of one server said to a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confirmation {
    /// The server.
    pub(crate) node: Node,
    /// Replicas that are connected.
    pub(crate) replicas: usize,
    /// Those of them that have the change.
    pub(crate) confirmed: usize,
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

    /// Reads a document in JSON.
    pub(crate) async fn document<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<T>, StoreError> {
        let document: Option<Vec<u8>> = self.query(key, &Cmd::get(key)).await?;
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
            if leads_elsewhere(&error) {
                link.discard();
            }
            if !again {
                return Err(error.into());
            }
        }
    }

    /// Waits until replicas of the servers of `keys` have all that was written there before; an
    /// entry per server. Servers without replicas confirm nothing.
    ///
    /// `WAIT` waits for the offset after the connection's last command, which need not be a write.
    pub(crate) async fn confirm(
        &self,
        keys: impl Iterator<Item = String>,
    ) -> Result<Vec<Confirmation>, StoreError> {
        let mut confirmations: Vec<Confirmation> = Vec::new();
        for key in keys {
            let mut link = self.connection(&key).await?;
            if confirmations.iter().any(|known| known.node == link.node) {
                continue;
            }
            link.set_response_timeout(self.response_timeout() + CONFIRM);
            let (_role, _offset, replicas): (String, u64, Vec<Value>) =
                redis::cmd("ROLE").query_async(&mut *link).await?;
            let confirmed = if replicas.is_empty() {
                0
            } else {
                redis::cmd("WAIT")
                    .arg(replicas.len())
                    .arg(u64::try_from(CONFIRM.as_millis()).unwrap_or(u64::MAX))
                    .query_async(&mut *link)
                    .await?
            };
            confirmations.push(Confirmation {
                node: link.node.clone(),
                replicas: replicas.len(),
                confirmed,
            });
            // Its longer time limit is for this alone.
            link.discard();
        }
        Ok(confirmations)
    }
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
