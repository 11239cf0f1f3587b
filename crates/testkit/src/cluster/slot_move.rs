//! Moving a slot from one master to another while both serve it.

use crate::ask::{PATIENCE, command};
use crate::cluster::RedisCluster;
use crate::cluster::table::Table;
use crate::eventually::eventually;

/// How many keys one `MIGRATE` takes along.
const BATCH: usize = 100;

/// A slot on its way: its keys are asked for at both nodes, until [`SlotMove::finish`].
#[derive(Debug)]
pub struct SlotMove<'a> {
    cluster: &'a RedisCluster,
    slot: String,
    from: usize,
    to: usize,
}

impl RedisCluster {
    /// Moves a slot with all its keys to another master, key by key, while clients go on; nothing where it is there already.
    ///
    /// # Panics
    /// When a node refuses, or when they don't agree within a minute.
    pub async fn move_slot(&self, slot: u16, to: usize) {
        if self.owner_of(slot).await != to {
            self.begin_move(slot, to).await.finish().await;
        }
    }

    /// Moves a slot by Valkey 9's own means, `CLUSTER MIGRATESLOTS`, which its present master is told: the slot is copied,
    /// then writes wait for a moment, and from then on its clients are sent on by `MOVED`. There is no step in between.
    ///
    /// # Panics
    /// When the node refuses, or when they don't agree within a minute.
    pub async fn migrate_slot(&self, slot: u16, to: usize) {
        let (from, number) = (self.owner_of(slot).await, slot.to_string());
        let words = [
            "CLUSTER",
            "MIGRATESLOTS",
            "SLOTSRANGE",
            &number,
            &number,
            "NODE",
            self.id(to),
        ];
        let _: String = command(self.node(from), &words).await;
        self.wait_for_owner(slot, to).await;
    }

    /// Moves a slot by Redis 8.4's own means, `CLUSTER MIGRATION IMPORT`, which its future master is told; it goes as
    /// [`RedisCluster::migrate_slot`] does.
    ///
    /// # Panics
    /// When the node refuses, or when they don't agree within a minute.
    pub async fn import_slot(&self, slot: u16, to: usize) {
        let number = slot.to_string();
        let words = ["CLUSTER", "MIGRATION", "IMPORT", &number, &number];
        let _task: redis::Value = command(self.node(to), &words).await;
        self.wait_for_owner(slot, to).await;
    }

    /// Waits until every node that runs knows that the slot is there.
    async fn wait_for_owner(&self, slot: u16, owner: usize) {
        let id = self.id(owner);
        eventually(PATIENCE, || async {
            let tables = self.tables().await;
            let knows = |table: &Table| table.row(id).is_some_and(|row| row.serves(slot));
            tables.iter().all(|(_, table)| knows(table))
        })
        .await;
    }

    /// Begins such a move, and leaves it to the caller how far it goes.
    ///
    /// # Panics
    /// When the slot is there already, or a node refuses.
    pub async fn begin_move(&self, slot: u16, to: usize) -> SlotMove<'_> {
        let from = self.owner_of(slot).await;
        assert_ne!(from, to, "slot {slot} is where it should go");
        let moving = SlotMove {
            cluster: self,
            slot: slot.to_string(),
            from,
            to,
        };
        moving.set_slot(to, &["IMPORTING", self.id(from)]).await;
        moving.set_slot(from, &["MIGRATING", self.id(to)]).await;
        moving
    }
}

impl SlotMove<'_> {
    /// Moves up to that many keys over, and says how many it were; 0 when none is left.
    ///
    /// # Panics
    /// When a node refuses.
    pub async fn move_keys(&self, at_most: usize) -> usize {
        let source = self.cluster.node(self.from);
        let count = at_most.to_string();
        let keys: Vec<Vec<u8>> =
            command(source, &["CLUSTER", "GETKEYSINSLOT", &self.slot, &count]).await;
        if keys.is_empty() {
            return 0;
        }
        let mut migrate = redis::cmd("MIGRATE");
        migrate
            .arg("127.0.0.1")
            .arg(self.cluster.node(self.to).port());
        migrate.arg("").arg(0).arg(5_000).arg("KEYS").arg(&keys);
        let mut connection = source.connection().await;
        // `NOKEY` where all of them were deleted in the meantime.
        let _: String = migrate
            .query_async(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("slot {} doesn't move: {error}", self.slot));
        keys.len()
    }

    /// Moves the rest of the keys, gives the slot to its new node and waits until every node that runs knows it.
    ///
    /// # Panics
    /// When a node refuses, or when they don't agree within a minute.
    pub async fn finish(self) {
        while self.move_keys(BATCH).await > 0 {}
        let owner = self.cluster.id(self.to);
        // The new node first: a crash in between leaves a slot with one owner, not with none.
        self.set_slot(self.to, &["NODE", owner]).await;
        self.set_slot(self.from, &["NODE", owner]).await;
        for (index, table) in self.cluster.tables().await {
            let other = index != self.to && index != self.from;
            if other && table.myself().is_ok_and(|mine| mine.is("master")) {
                self.set_slot(index, &["NODE", owner]).await;
            }
        }
        let slot = self.slot.parse().unwrap_or(u16::MAX);
        self.cluster.wait_for_owner(slot, self.to).await;
    }

    async fn set_slot(&self, index: usize, rest: &[&str]) {
        let words = [&["CLUSTER", "SETSLOT", &self.slot], rest].concat();
        let _: String = command(self.cluster.node(index), &words).await;
    }
}
