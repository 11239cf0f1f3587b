//! Asking sentinels and cluster nodes where the masters are.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::RedisError;

use super::dial::Dialer;
use super::layout::{Layout, SlotMap};
use super::shards;
use crate::address::{Node, Topology};
use crate::error::StoreError;
use crate::forbidden::is_forbidden;

/// How long one may think about it before the next is asked as well: one that hangs must not keep the
/// lanes from their new master.
const HEAD_START: Duration = Duration::from_millis(200);

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
        for node in known {
            if !candidates.contains(node) {
                candidates.push(node.clone());
            }
        }
    }
    let start = first % candidates.len().max(1);
    candidates.rotate_left(start);
    let mut reasons = Vec::new();
    let mut asked = FuturesUnordered::new();
    let mut candidates = candidates.into_iter();
    loop {
        let next = candidates.next();
        let more = next.is_some();
        asked.extend(next.map(|node| ask(dialer, node)));
        let answer = if more {
            tokio::time::timeout(HEAD_START, asked.next()).await
        } else {
            Ok(asked.next().await)
        };
        match answer {
            Ok(Some((_, Ok(Some(layout))))) => return Ok(layout),
            Ok(Some((node, Ok(None)))) => reasons.push(format!("{node} does not know")),
            Ok(Some((node, Err(error)))) => reasons.push(format!("{node}: {error}")),
            Ok(None) => break,
            // It goes on thinking, and the next one is asked.
            Err(_) => {}
        }
    }
    Err(StoreError::Connect(format!(
        "nobody says where the data is: {}",
        reasons.join("; ")
    )))
}

/// What one of them says; `None` where it does not know.
pub(super) async fn ask(dialer: &Dialer, node: Node) -> (Node, Result<Option<Layout>, RedisError>) {
    let answer = match &dialer.address().topology {
        Topology::Standalone => Ok(Some(Layout::One(node.clone()))),
        Topology::Sentinel { master } => ask_sentinel(dialer, &node, master).await,
        Topology::Cluster => ask_cluster(dialer, &node).await,
    };
    (node, answer)
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

/// `CLUSTER SLOTS`; where that is forbidden, `CLUSTER SHARDS`, its successor.
async fn ask_cluster(dialer: &Dialer, node: &Node) -> Result<Option<Layout>, RedisError> {
    let mut connection = dialer.ask(node).await?;
    let mut ask = redis::cmd("CLUSTER");
    ask.arg("SLOTS");
    let forbidden = match ask.query_async(&mut connection).await {
        Ok(answer) => return Ok(SlotMap::parse(answer, node).map(Layout::Slots)),
        Err(error) if is_forbidden(&error) => error,
        Err(error) => return Err(error),
    };
    let mut ask = redis::cmd("CLUSTER");
    ask.arg("SHARDS");
    let answer = ask.query_async(&mut connection).await;
    // What to allow is the one that was asked first.
    let answer = answer.map_err(|error| {
        if is_forbidden(&error) {
            forbidden
        } else {
            error
        }
    })?;
    let map = shards::parse(answer, node, dialer.address().tls);
    Ok(map.map(Layout::Slots))
}
