//! A Redis cluster: masters that share the slots, each with replicas.

pub(crate) mod slot_move;
mod table;

use std::path::PathBuf;

use crate::ask::{PATIENCE, ask, command, field};
use crate::cluster::table::Table;
use crate::eventually::eventually;
use crate::redis_server::{RedisServer, RedisServerBuilder};

/// How many masters share the slots: the fewest that can elect.
const MASTERS: usize = 3;

/// How many slots a cluster has.
const SLOTS: usize = 16_384;

/// How long a node is silent until the others take it for down.
const NODE_TIMEOUT_MS: &str = "2000";

/// Options of a [`RedisCluster`].
#[derive(Debug, Clone)]
pub struct RedisClusterBuilder {
    node: RedisServerBuilder,
    replicas: usize,
}

impl RedisClusterBuilder {
    /// How many replicas each master has; 1 otherwise.
    #[must_use]
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// Another program than the `redis-server` in `PATH`.
    #[must_use]
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.node = self.node.binary(path);
        self
    }

    /// The nodes' users, as the text of an ACL file: one `user …` a line. The test kit itself comes as `default`.
    #[must_use]
    pub fn acl(mut self, text: &str) -> Self {
        self.node = self.node.acl(text);
        self
    }

    /// One more directive for the nodes.
    #[must_use]
    pub fn config(mut self, directive: &str, value: &str) -> Self {
        self.node = self.node.config(directive, value);
        self
    }

    /// Turns the append-only files on.
    #[must_use]
    pub fn append_only(mut self, on: bool) -> Self {
        self.node = self.node.append_only(on);
        self
    }

    /// Starts the nodes, makes them a cluster, and returns as [`RedisCluster::wait_until_ok`] does.
    ///
    /// # Panics
    /// When the cluster doesn't come together within a minute.
    pub async fn start(self) -> RedisCluster {
        let node = self
            .node
            .clone()
            .cluster()
            .config("cluster-node-timeout", NODE_TIMEOUT_MS)
            // A replica stays with the master that the test knows it by.
            .config("cluster-allow-replica-migration", "no");
        let mut cluster = RedisCluster {
            nodes: Vec::new(),
            ids: Vec::new(),
        };
        for _ in 0..MASTERS * (1 + self.replicas) {
            let node = node.clone().start().await;
            cluster.ids.push(command(&node, &["CLUSTER", "MYID"]).await);
            cluster.nodes.push(node);
        }
        cluster.share_slots().await;
        cluster.introduce().await;
        cluster.attach_replicas().await;
        cluster.wait_until_ok().await;
        cluster
    }
}

/// A running cluster. Dropping it kills all nodes.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    /// What the cluster calls each node; it keeps that name across restarts.
    ids: Vec<String>,
}

impl RedisCluster {
    /// Three masters (nodes 0 to 2) with a replica each (nodes 3 to 5).
    ///
    /// # Panics
    /// As [`RedisClusterBuilder::start`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Options first, then [`RedisClusterBuilder::start`].
    #[must_use]
    pub fn builder() -> RedisClusterBuilder {
        RedisClusterBuilder {
            node: RedisServer::builder(),
            replicas: 1,
        }
    }

    /// `redis+cluster://<node>,<node>,…`, with all nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()))
            .collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// All nodes: the masters of the start first, then their replicas in the same order.
    #[must_use]
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// One node, for example to freeze it.
    ///
    /// # Panics
    /// When there is none of that number.
    #[must_use]
    pub fn node(&self, index: usize) -> &RedisServer {
        &self.nodes[index]
    }

    /// One node, to kill or restart it.
    ///
    /// # Panics
    /// When there is none of that number.
    #[must_use]
    pub fn node_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.nodes[index]
    }

    /// The slot of a key, with regard to its hash tag.
    ///
    /// # Panics
    /// When no node answers within a minute.
    pub async fn slot_of(&self, key: &str) -> u16 {
        eventually(PATIENCE, || async {
            let mut problem = String::new();
            for node in &self.nodes {
                match ask(node, &["CLUSTER", "KEYSLOT", key]).await {
                    Ok(slot) => return Ok(slot),
                    Err(why) => problem = why,
                }
            }
            Err(problem)
        })
        .await
    }

    /// The number of the master that serves a slot now. While an election goes on, waits for its end; of two that
    /// claim the slot it is the one elected last.
    ///
    /// # Panics
    /// When nobody serves it within a minute.
    pub async fn owner_of(&self, slot: u16) -> usize {
        eventually(PATIENCE, || async {
            let tables = self.tables().await;
            let claims = tables.iter().filter_map(|(index, table)| {
                let mine = table.myself().ok()?;
                mine.serves(slot).then_some((mine.epoch, *index))
            });
            claims.max().map(|(_epoch, index)| index)
        })
        .await
    }

    /// The number of a running replica of that node, if it has one.
    pub async fn replica_of(&self, index: usize) -> Option<usize> {
        let master = Some(self.id(index));
        let tables = self.tables().await;
        let replica = tables.iter().find(|(_, table)| {
            table
                .myself()
                .is_ok_and(|mine| mine.master.as_deref() == master)
        });
        replica.map(|(index, _)| *index)
    }

    /// Makes a replica the master in its master's place, by its own `CLUSTER FAILOVER`: the master makes writes wait until
    /// the replica has all of them. Returns when it is master.
    ///
    /// # Panics
    /// When the node refuses, or is not master within a minute.
    pub async fn fail_over_to(&self, replica: usize) {
        let node = self.node(replica);
        let _: String = command(node, &["CLUSTER", "FAILOVER"]).await;
        eventually(PATIENCE, || async {
            let table = Table::of(node).await?;
            match table.myself()?.is("master") {
                true => Ok(()),
                false => Err(format!("port {} is no master yet", node.port())),
            }
        })
        .await;
    }

    /// Waits until each slot is served by one node that runs, all nodes that run say that the cluster is well and
    /// agree on who does what, and each replica is in step with its master. Frozen nodes must be resumed before.
    ///
    /// # Panics
    /// When that isn't so within a minute.
    pub async fn wait_until_ok(&self) {
        eventually(PATIENCE, || self.check()).await;
    }

    fn id(&self, index: usize) -> &str {
        &self.ids[index]
    }

    fn running(&self) -> impl Iterator<Item = (usize, &RedisServer)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, node)| node.pid().is_some())
    }

    /// What each node says that answers.
    async fn tables(&self) -> Vec<(usize, Table)> {
        let mut tables = Vec::new();
        for (index, node) in self.running() {
            if let Ok(table) = Table::of(node).await {
                tables.push((index, table));
            }
        }
        tables
    }

    /// Before they know each other: as `redis-cli --cluster create` does it.
    async fn share_slots(&self) {
        for index in 0..MASTERS {
            let first = (SLOTS * index / MASTERS).to_string();
            let last = (SLOTS * (index + 1) / MASTERS - 1).to_string();
            let epoch = (index + 1).to_string();
            let node = self.node(index);
            let _: String = command(node, &["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            let _: String = command(node, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        }
    }

    /// Each meets each, which is quicker than to wait for the gossip.
    async fn introduce(&self) {
        for (index, node) in self.nodes.iter().enumerate() {
            for other in &self.nodes[index + 1..] {
                let (port, bus) = (other.port().to_string(), other.bus_port().to_string());
                let words = ["CLUSTER", "MEET", "127.0.0.1", &port, &bus];
                let _: String = command(node, &words).await;
            }
        }
        eventually(PATIENCE, || async {
            let tables = self.tables().await;
            let know = |table: &Table| self.ids.iter().all(|id| table.row(id).is_some());
            tables.len() == self.nodes.len() && tables.iter().all(|(_, table)| know(table))
        })
        .await;
    }

    async fn attach_replicas(&self) {
        for (index, node) in self.nodes.iter().enumerate().skip(MASTERS) {
            let words = ["CLUSTER", "REPLICATE", self.id(index % MASTERS)];
            let _: String = eventually(PATIENCE, || ask(node, &words)).await;
        }
    }

    async fn check(&self) -> Result<(), String> {
        let mut tables = Vec::new();
        let mut rows = Vec::new();
        for (_, node) in self.running() {
            let info: String = ask(node, &["CLUSTER", "INFO"]).await?;
            if field(&info, "cluster_state") != Some("ok") {
                return Err(format!("port {} is not well:\n{info}", node.port()));
            }
            let table = Table::of(node).await?;
            let mine = table.myself()?.clone();
            if mine.is("slave") {
                let info: String = ask(node, &["INFO", "replication"]).await?;
                if field(&info, "master_link_status") != Some("up") {
                    return Err(format!("port {} is not in step", node.port()));
                }
            }
            rows.push(mine);
            tables.push(table);
        }
        let ranges = rows.iter().flat_map(|row| &row.slots);
        let served: usize = ranges.map(|range| range.len()).sum();
        if served != SLOTS {
            return Err(format!("{served} slots are claimed"));
        }
        for row in &rows {
            let agrees = |table: &Table| {
                table.row(&row.id).is_some_and(|seen| {
                    let well = !seen.is("fail") && !seen.is("fail?") && !seen.is("handshake");
                    well && seen.slots == row.slots && seen.master == row.master
                })
            };
            if !tables.iter().all(agrees) {
                return Err(format!("not all nodes agree on node {}", row.id));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::RedisCluster;
    use crate::ask::command;
    use redis::AsyncCommands;

    #[tokio::test]
    async fn the_replica_of_a_killed_master_takes_its_slots_and_the_master_returns_as_its_replica()
    {
        let mut cluster = RedisCluster::start().await;
        assert_eq!(cluster.url().matches("127.0.0.1:").count(), 6);
        let slot = cluster.slot_of("vote").await;
        let master = cluster.owner_of(slot).await;
        let replica = cluster.replica_of(master).await.expect("it has a replica");
        let mut connection = cluster.node(master).connection().await;
        let _: () = connection.set("vote", 7).await.expect("Redis answers");
        let copies: usize = redis::cmd("WAIT")
            .arg(&[1, 5_000])
            .query_async(&mut connection)
            .await
            .expect("Redis answers");
        assert_eq!(copies, 1);

        cluster.node_mut(master).kill9();
        assert_eq!(cluster.owner_of(slot).await, replica);
        cluster.wait_until_ok().await;
        let vote: u32 = cluster
            .node(replica)
            .connection()
            .await
            .get("vote")
            .await
            .expect("Redis answers");
        assert_eq!(vote, 7);

        cluster.node_mut(master).restart().await;
        cluster.wait_until_ok().await;
        assert_eq!(cluster.owner_of(slot).await, replica);
        assert_eq!(cluster.replica_of(replica).await, Some(master));
    }

    #[tokio::test]
    async fn a_slot_moves_with_its_keys_and_asks_at_both_nodes_on_the_way() {
        let cluster = RedisCluster::builder().replicas(0).start().await;
        let slot = cluster.slot_of("{vote}").await;
        let from = cluster.owner_of(slot).await;
        let to = (from + 1) % 3;
        let mut source = cluster.node(from).connection().await;
        for number in 0..250 {
            let key = format!("{{vote}}:{number}");
            let _: () = source.set(key, number).await.expect("Redis answers");
        }

        let moving = cluster.begin_move(slot, to).await;
        assert_eq!(moving.move_keys(1).await, 1);
        let missing = source
            .get::<_, u32>("{vote}:none")
            .await
            .expect_err("the slot is on the move");
        assert_eq!(missing.code(), Some("ASK"));
        moving.finish().await;

        assert_eq!(cluster.owner_of(slot).await, to);
        let slot = slot.to_string();
        let count = ["CLUSTER", "COUNTKEYSINSLOT", &slot];
        assert_eq!(command::<u32>(cluster.node(from), &count).await, 0);
        assert_eq!(command::<u32>(cluster.node(to), &count).await, 250);
        cluster.wait_until_ok().await;
    }
}
