//! The way to Redis, and the capabilities that are handed out for it.

use crate::config::RedisConfig;
use crate::error::StoreError;
use crate::nodes::Nodes;
use crate::operator::PollOperator;

/// The way to Redis: hands out the capabilities, each a type of its own.
///
/// Connections are made when they are first needed, so a `Store` exists before Redis is there.
#[derive(Debug, Clone)]
pub struct Store {
    nodes: Nodes,
}

impl Store {
    /// Prepares the pools; connects to nothing yet.
    ///
    /// # Errors
    /// [`StoreError::Address`] where a file for TLS can't be used, or does not go with the address.
    pub fn new(config: &RedisConfig) -> Result<Self, StoreError> {
        let nodes = Nodes::new(config)?;
        Ok(Self { nodes })
    }

    /// Changes polls, seals and audits them: the operator's capability.
    #[must_use]
    pub fn operator(&self) -> PollOperator {
        PollOperator::new(self.nodes.clone())
    }

    /// The servers, for what is started on them.
    pub(crate) fn nodes(&self) -> Nodes {
        self.nodes.clone()
    }
}
