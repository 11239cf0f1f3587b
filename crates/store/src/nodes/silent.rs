//! Servers that gave no answer within one reading: in it they are asked no second time.

use std::collections::HashMap;

use super::servers::Nodes;
use crate::address::Node;
use crate::error::StoreError;

/// Servers that gave no answer within one reading, and why. With hundreds of documents on a server that hangs, and a time limit for
/// each, all others would be read minutes late.
#[derive(Debug, Clone, Default)]
pub(crate) struct Silent(
    /// `None` stands for all slots that no server is known to have.
    HashMap<Option<Node>, String>,
);

impl Silent {
    pub(crate) fn note(&mut self, node: Node, why: String) {
        self.0.insert(Some(node), why);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, node: &Node) -> bool {
        self.0.contains_key(&Some(node.clone()))
    }

    /// Why the server of `key` is not asked, if it is one of them.
    pub(crate) fn why(&self, nodes: &Nodes, key: &str) -> Option<&String> {
        // Looked up each time: who serves it may have been learnt by the last failure.
        self.0.get(&nodes.layout().node_of(key).cloned())
    }

    /// Asks the server of `key`, unless it is one of them. It is from now on if it gives no answer.
    ///
    /// # Errors
    /// [`StoreError`] where it has given none, or as the question fails.
    pub(crate) async fn ask<T>(
        &mut self,
        nodes: &Nodes,
        key: &str,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let node = nodes.layout().node_of(key).cloned();
        if let Some(why) = self.0.get(&node) {
            return Err(StoreError::Connect(why.clone()));
        }
        let answer = question.await;
        if let Err(error) = &answer
            && let Some(why) = no_answer(error)
        {
            self.0.insert(node, why);
        }
        answer
    }
}

/// Why the server gave no answer at all, if it is that.
fn no_answer(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Connect(why) => Some(why.clone()),
        StoreError::Redis(error)
            if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() =>
        {
            Some(error.to_string())
        }
        _ => None,
    }
}

/// As [`no_answer`], but for a connection that has ended: another one may lead to an answer at once.
pub(crate) fn no_answer_in_time(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Redis(error) if !error.is_timeout() => None,
        error => no_answer(error),
    }
}
