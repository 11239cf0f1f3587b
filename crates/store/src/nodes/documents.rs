//! Many documents at once: one pipeline to each server.

use std::collections::HashMap;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue as _, Value};

use super::servers::Nodes;
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
    /// no document, are not in the answer. It is read over these connections, where there is one to the server.
    ///
    /// # Errors
    /// [`StoreError`] where no server is known.
    pub(crate) async fn documents(
        &self,
        keys: &[String],
        over: &HashMap<Node, MultiplexedConnection>,
    ) -> Result<HashMap<String, Found>, StoreError> {
        self.masters().await?;
        let layout = self.layout();
        let mut by_node: HashMap<&Node, Vec<&String>> = HashMap::new();
        for key in keys {
            if let Some(node) = layout.node_of(key) {
                by_node.entry(node).or_default().push(key);
            }
        }
        let of_nodes = by_node.into_iter().map(|(node, keys)| async move {
            let mut found = Vec::with_capacity(keys.len());
            let given = over.get(node);
            for part in keys.chunks(AT_ONCE) {
                // Whoever asks for one by itself learns why.
                let answers = self.get_all(node, part, given).await.unwrap_or_default();
                let answers = answers.into_iter().zip(part);
                found.extend(answers.filter_map(|(answer, key)| {
                    let json = Option::<Vec<u8>>::from_redis_value(answer).ok()?;
                    let found = Found {
                        json,
                        is_over_given: given.is_some(),
                    };
                    Some(((*key).clone(), found))
                }));
            }
            found
        });
        Ok(join_all(of_nodes).await.into_iter().flatten().collect())
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
