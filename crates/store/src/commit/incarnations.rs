//! Whether the servers are the ones that they were: asked once a second for all lanes.
//!
//! A server that keeps its `run_id` has not been started anew, and one that keeps its `master_replid` has not taken over
//! another one's data (`INFO`, sections `server` and `replication`): it has all that it had acknowledged, unless somebody
//! has deleted it, which lanes find out in their turn.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::MissedTickBehavior;

use super::heartbeats::{HEARTBEAT, Heartbeats};
use crate::address::Node;
use crate::forbidden::is_forbidden;
use crate::nodes::Nodes;

/// Who a server is: as long as it says the same, it remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Incarnation {
    run_id: String,
    replication_id: String,
}

impl Incarnation {
    /// Reads the answer to `INFO`.
    fn parse(info: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = info.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.map(|value| value.trim().to_owned())
        };
        Some(Self {
            run_id: field("run_id")?,
            replication_id: field("master_replid")?,
        })
    }
}

/// Asks the servers each second, and tells `heartbeats` when one is not who it was.
pub(super) async fn watch(nodes: Nodes, heartbeats: Arc<Heartbeats>) {
    let mut known = HashMap::new();
    let mut second = tokio::time::interval(HEARTBEAT);
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        second.tick().await;
        look(&nodes, &heartbeats, &mut known).await;
    }
}

async fn look(nodes: &Nodes, heartbeats: &Heartbeats, known: &mut HashMap<Node, Incarnation>) {
    let Ok(masters) = nodes.masters().await else {
        return;
    };
    known.retain(|node, _| masters.contains(node));
    for node in masters {
        match ask(nodes, &node).await {
            Ok(Some(incarnation)) => {
                heartbeats.note_servers(true);
                if known.get(&node) != Some(&incarnation) {
                    tracing::debug!(server = %node, "a server that is new, or was started anew");
                    known.insert(node, incarnation);
                    heartbeats.suspect();
                }
            }
            // It may say who it is when it is back.
            Err(_) => {}
            Ok(None) => {
                heartbeats.note_servers(false);
                return;
            }
        }
    }
}

/// Who a server is; `None`: it does not say.
async fn ask(nodes: &Nodes, node: &Node) -> Result<Option<Incarnation>, String> {
    let mut link = nodes
        .shared_to(node, 0)
        .await
        .map_err(|error| error.to_string())?;
    let mut command = redis::cmd("INFO");
    command.arg(&["server", "replication"]);
    let info: redis::RedisResult<String> = command.query_async(&mut *link).await;
    match info {
        Ok(info) => Ok(Incarnation::parse(&info)),
        Err(error) if is_forbidden(&error) => Ok(None),
        Err(error) => {
            let reason = error.to_string();
            link.discard();
            Err(reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use vote_testkit::RedisServer;

    use super::*;
    use crate::commit::heartbeats::Turn;
    use crate::config::RedisConfig;

    #[test]
    fn both_ids_are_found_and_needed() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:ab\r\n# Replication\r\nmaster_replid:cd\r\n";
        let incarnation = Incarnation::parse(info).expect("both are there");
        assert_eq!(incarnation.run_id, "ab");
        assert_eq!(incarnation.replication_id, "cd");
        assert_eq!(Incarnation::parse("run_id:ab\r\n"), None);
    }

    #[tokio::test]
    async fn a_server_that_was_started_anew_is_suspected_of_having_forgotten() {
        let mut redis = RedisServer::start().await;
        let config = RedisConfig::new(redis.url()).expect("an address");
        let nodes = Nodes::new(&config).expect("nothing to refuse");
        let (heartbeats, mut known) = (Heartbeats::new(), HashMap::new());
        let turn = Turn::new(Arc::clone(&heartbeats));
        look(&nodes, &heartbeats, &mut known).await;
        let first = turn.count();
        look(&nodes, &heartbeats, &mut known).await;
        assert_eq!(turn.count(), first, "it is who it was");
        redis.kill9();
        look(&nodes, &heartbeats, &mut known).await;
        assert_eq!(turn.count(), first, "it may come back as it was");
        redis.restart().await;
        loop {
            // Its old connection may have to fail first.
            look(&nodes, &heartbeats, &mut known).await;
            if turn.count() > first {
                break;
            }
        }
    }
}
