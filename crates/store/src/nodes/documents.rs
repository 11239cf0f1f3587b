//! Many documents at once: one pipeline to each server.

use std::collections::HashMap;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue as _, Value};

use super::servers::Nodes;
use super::silent::{Silent, no_answer_in_time};
use crate::address::Node;
use crate::error::StoreError;

/// Documents that one pipeline asks for: at most some hundred kilobytes of each are in memory at once.
const AT_ONCE: usize = 64;

/// What is at a key.
pub(crate) struct Found {
    /// The document, if there is one.
    pub(crate) json: Option<Vec<u8>>,
    /// Whether it was read over one of the connections that were given.
    pub(crate) is_over_given: bool,
}

impl Nodes {
    /// What is at each of these keys, where it can be had from the server that is known to serve it: others, and what is
    /// no document, are not in the answer. It is read over these connections, where there is one to the server. None that is
    /// silent is asked, nor one that turns out to be, but for the server that has its documents by now.
    ///
    /// # Errors
    /// [`StoreError`] where no server is known.
    pub(crate) async fn documents(
        &self,
        keys: &[String],
        over: &HashMap<Node, MultiplexedConnection>,
        silent: &mut Silent,
    ) -> Result<HashMap<String, Found>, StoreError> {
        self.masters().await?;
        let mut found = HashMap::with_capacity(keys.len());
        for _ in 0..2 {
            let layout = self.layout();
            let mut by_node: HashMap<&Node, Vec<&String>> = HashMap::new();
            for key in keys.iter().filter(|key| !found.contains_key(*key)) {
                if let Some(node) = layout.node_of(key).filter(|node| !silent.has(node)) {
                    by_node.entry(node).or_default().push(key);
                }
            }
            let of_nodes = by_node.into_iter().map(|(node, keys)| async move {
                let (found, failed) = self.documents_of(node, &keys, over.get(node)).await;
                (found, failed.map(|why| (node.clone(), why)))
            });
            let mut is_any_silent = false;
            for (documents, failed) in join_all(of_nodes).await {
                found.extend(documents);
                if let Some((node, why)) = failed {
                    silent.note(node, why);
                    is_any_silent = true;
                }
            }
            if !is_any_silent {
                break;
            }
            self.learn_anew().await;
        }
        Ok(found)
    }

    /// What one server has of these, until it gives no answer; then why, unless a connection has only ended.
    async fn documents_of(
        &self,
        node: &Node,
        keys: &[&String],
        given: Option<&MultiplexedConnection>,
    ) -> (Vec<(String, Found)>, Option<String>) {
        let mut found = Vec::with_capacity(keys.len());
        for part in keys.chunks(AT_ONCE) {
            let answers = match self.get_all(node, part, given).await {
                Ok(answers) => answers,
                // Each further part would take as long to fail.
                Err(error) => return (found, no_answer_in_time(&error)),
            };
            found.extend(answers.into_iter().zip(part).filter_map(|(answer, key)| {
                // Whoever asks for one by itself learns why.
                let json = Option::<Vec<u8>>::from_redis_value(answer).ok()?;
                let found = Found {
                    json,
                    is_over_given: given.is_some(),
                };
                Some(((*key).clone(), found))
            }));
        }
        (found, None)
    }

    async fn get_all(
        &self,
        node: &Node,
        keys: &[&String],
        given: Option<&MultiplexedConnection>,
    ) -> Result<Vec<Value>, StoreError> {
        let mut pipeline = redis::pipe();
        // One that is no document keeps none of the others from being read.
        pipeline.ignore_errors();
        for key in keys {
            pipeline.get(key);
        }
        let answers = match given {
            Some(connection) => pipeline.query_async(&mut connection.clone()).await,
            None => {
                let mut link = self.connection_to(node).await?;
                pipeline.query_async(&mut *link).await
            }
        };
        if let (Err(error), Some(key)) = (&answers, keys.first()) {
            self.learn_from(key, error);
        }
        Ok(answers?)
    }
}
