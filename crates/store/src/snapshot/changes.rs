//! Whether anything was written to the servers: one question to each, in place of one for each poll and shard.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use redis::{FromRedisValue as _, RedisError, Value};

use crate::address::Node;
use crate::error::StoreError;
use crate::fence::Fence;
use crate::keys::ShardKeys;
use crate::nodes::{Layout, Nodes};
use crate::server::Stamp;

/// The shards that are looked at themselves at each tick, in turn: whether the server's word is true.
pub(super) const PROBES: usize = 3;

/// What a shard had when it was last read: when its latest vote was received.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub(super) shard: ShardKeys,
    /// The question before it was read.
    pub(super) asked: Asked,
    pub(super) received_at_ms: Option<i64>,
}

/// The number of a question: what was read after it is compared with later answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Asked(u64);

/// What the servers have said last.
pub(super) struct Changes {
    nodes: Nodes,
    layout: Arc<Layout>,
    asked: Asked,
    /// Since which question who serves what has been the same.
    layout_since: Asked,
    /// Each server's stamp, and since which question it has been the same.
    stamps: HashMap<Node, (Stamp, Asked)>,
    /// A server has changed without saying so: none is believed any more.
    is_distrusted: bool,
}

impl Changes {
    pub(super) fn new(nodes: Nodes) -> Self {
        let layout = nodes.layout();
        Self {
            nodes,
            layout,
            asked: Asked::default(),
            layout_since: Asked::default(),
            stamps: HashMap::new(),
            is_distrusted: false,
        }
    }

    /// Asks all masters, before anything else is read; gives the question's number. `probes` are of shards that no server
    /// says to have changed.
    pub(super) async fn ask(&mut self, probes: &[Probe]) -> Asked {
        self.asked = Asked(self.asked.0 + 1);
        if self.is_distrusted {
            return self.asked;
        }
        let masters = self.nodes.masters().await.unwrap_or_default();
        let layout = self.nodes.layout();
        if !Arc::ptr_eq(&layout, &self.layout) {
            (self.layout, self.layout_since) = (layout, self.asked);
        }
        self.stamps.retain(|node, _| masters.contains(node));
        let answers = masters.into_iter().map(|node| {
            // Only where it was read since the last change that the server has said.
            let is_due = |probe: &&Probe| {
                self.layout.node_of(&probe.shard.state()) == Some(&node)
                    && self.is_unchanged(&node, probe.asked)
            };
            let probes: Vec<Probe> = probes.iter().filter(is_due).cloned().collect();
            let nodes = &self.nodes;
            async move {
                let answer = ask(nodes, &node, &probes).await;
                (node, answer)
            }
        });
        for (node, answer) in join_all(answers).await {
            self.hear(node, answer.ok().flatten());
        }
        self.asked
    }

    /// Takes over what a server has said.
    fn hear(&mut self, node: Node, answer: Option<(Stamp, bool)>) {
        let Some((stamp, is_as_probed)) = answer else {
            self.stamps.remove(&node);
            return;
        };
        match self.stamps.get(&node) {
            Some((before, _)) if *before == stamp => {
                if !is_as_probed {
                    tracing::warn!(
                        server = %node,
                        "the Redis server does not count its changes in INFO: all figures are read at each tick"
                    );
                    self.is_distrusted = true;
                }
            }
            _ => {
                self.stamps.insert(node, (stamp, self.asked));
            }
        }
    }

    /// Whether no server has changed since that question, as far as they say.
    pub(super) fn is_all_unchanged_since(&self, asked: Asked) -> bool {
        let nodes = self.layout.nodes();
        self.layout_since <= asked
            && !self.is_distrusted
            && !nodes.is_empty()
            && nodes.iter().all(|node| self.is_unchanged(node, asked))
    }

    /// Whether the servers of these shards have not.
    pub(super) fn is_unchanged_since(
        &self,
        asked: Asked,
        mut shards: impl Iterator<Item = ShardKeys>,
    ) -> bool {
        if self.is_all_unchanged_since(asked) {
            return true;
        }
        let has_changed = self.layout_since > asked || self.is_distrusted;
        if has_changed || self.layout.nodes().len() < 2 {
            return false;
        }
        shards.all(|shard| {
            let node = self.layout.node_of(&shard.state());
            node.is_some_and(|node| self.is_unchanged(node, asked))
        })
    }

    fn is_unchanged(&self, node: &Node, asked: Asked) -> bool {
        let stamp = self.stamps.get(node);
        stamp.is_some_and(|(_, since)| *since <= asked)
    }
}

/// One server's stamp, and whether its shards are as they were when they were read. They are looked at first: what was
/// written in between is in the stamp.
async fn ask(
    nodes: &Nodes,
    node: &Node,
    probes: &[Probe],
) -> Result<Option<(Stamp, bool)>, StoreError> {
    let mut link = nodes.connection_to(node).await?;
    let mut pipeline = redis::pipe();
    for probe in probes {
        pipeline
            .cmd("HMGET")
            .arg(probe.shard.state())
            .arg(Fence::RECEIVED_AT);
    }
    pipeline.add_command(Stamp::command());
    let answers = pipeline.query_async::<Vec<Value>>(&mut *link).await;
    let mut answers = match answers {
        Ok(answers) => answers.into_iter(),
        Err(error) => {
            if let Some(probe) = probes.first() {
                nodes.learn_from(&probe.shard.state(), &error);
            }
            return Err(error.into());
        }
    };
    let mut is_as_probed = true;
    for probe in probes {
        let found = answers.next().unwrap_or(Value::Nil);
        let found = Vec::<Option<i64>>::from_redis_value(found).map_err(RedisError::from)?;
        is_as_probed &= found.first().copied().flatten() == probe.received_at_ms;
    }
    let info = answers.next().unwrap_or(Value::Nil);
    let info = String::from_redis_value(info).map_err(RedisError::from)?;
    Ok(Stamp::parse(&info).map(|stamp| (stamp, is_as_probed)))
}
