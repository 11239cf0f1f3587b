//! Asking sentinels and cluster nodes where the masters are.

use redis::RedisError;

use super::{
    dial::Dialer,
    layout::{Layout, SlotMap},
};
use crate::{
    address::{Node, Topology},
    error::StoreError,
};

/// Asks until somebody knows: those that the address names, and `known` masters; `first` says with
/// whom to begin, so that one that knows nothing new is not asked again and again.
pub(super) async fn discover(
    dialer: &Dialer,
    known: &[Node],
    first: usize,
) -> Result<Layout, StoreError> {
    let address = dialer.address();
    let mut candidates = address.hosts.clone();
    if address.topology == Topology::Cluster {
        candidates.extend(known.iter().cloned());
        candidates.dedup();
    }
    let start = first % candidates.len().max(1);
    candidates.rotate_left(start);
    let mut reasons = Vec::new();
    for node in &candidates {
        let asked = match &address.topology {
            Topology::Standalone => return Ok(Layout::One(node.clone())),
            Topology::Sentinel { master } => ask_sentinel(dialer, node, master).await,
            Topology::Cluster => ask_cluster(dialer, node).await,
        };
        match asked {
            Ok(Some(layout)) => return Ok(layout),
            Ok(None) => reasons.push(format!("{node} does not know")),
            Err(error) => reasons.push(format!("{node}: {error}")),
        }
    }
    Err(StoreError::Connect(format!(
        "nobody says where the data is: {}",
        reasons.join("; ")
    )))
}

/// `SENTINEL GET-MASTER-ADDR-BY-NAME` (Redis Sentinel, "Obtaining the address of the current master").
async fn ask_sentinel(
    dialer: &Dialer,
    sentinel: &Node,
    master: &str,
) -> Result<Option<Layout>, RedisError> {
    let mut connection = dialer.ask(sentinel).await?;
    let answer: Option<(String, u16)> = redis::cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(master)
        .query_async(&mut connection)
        .await?;
    Ok(answer.map(|(host, port)| Layout::One(Node { host, port })))
}

/// `CLUSTER SLOTS`.
async fn ask_cluster(dialer: &Dialer, node: &Node) -> Result<Option<Layout>, RedisError> {
    let mut connection = dialer.ask(node).await?;
    let answer = redis::cmd("CLUSTER")
        .arg("SLOTS")
        .query_async(&mut connection)
        .await?;
    Ok(SlotMap::parse(answer, node).map(Layout::Slots))
}
