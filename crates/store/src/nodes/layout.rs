//! Which node serves which key, as last heard.

use redis::{FromRedisValue as _, Value};

use crate::address::Node;

/// The slots of a cluster (Redis Cluster specification, "Key distribution model").
const SLOTS: u16 = 16_384;
/// No node serves this slot.
const NOBODY: u16 = u16::MAX;

/// Who serves what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Nobody was asked yet.
    Unknown,
    /// One master serves all keys.
    One(Node),
    /// Each slot has a master of its own.
    Slots(SlotMap),
}

impl Layout {
    /// The master that serves `key`.
    pub(crate) fn node_of(&self, key: &str) -> Option<&Node> {
        match self {
            Self::Unknown => None,
            Self::One(node) => Some(node),
            Self::Slots(map) => map.node_of(slot_of(key)),
        }
    }

    /// All masters.
    pub(crate) fn nodes(&self) -> &[Node] {
        match self {
            Self::Unknown => &[],
            Self::One(node) => std::slice::from_ref(node),
            Self::Slots(map) => &map.nodes,
        }
    }

    /// The same with another master of the slot of `key`.
    pub(crate) fn moved(&self, key: &str, to: Node) -> Self {
        match self {
            Self::Slots(map) => Self::Slots(map.moved(slot_of(key), to)),
            Self::Unknown | Self::One(_) => self.clone(),
        }
    }
}

/// The masters of a cluster, by slot.
#[derive(Clone, PartialEq, Eq, derive_more::Debug)]
pub(crate) struct SlotMap {
    nodes: Vec<Node>,
    /// An index of `nodes` per slot.
    #[debug(skip)]
    slots: Box<[u16]>,
}

impl SlotMap {
    /// Parses the answer to `CLUSTER SLOTS`. A node without an address is the one that was asked.
    pub(crate) fn parse(answer: Value, asked: &Node) -> Option<Self> {
        let mut map = Self::empty();
        for range in Vec::<Vec<Value>>::from_redis_value(answer).ok()? {
            let mut range = range.into_iter();
            let first = u16::from_redis_value(range.next()?).ok()?;
            let last = u16::from_redis_value(range.next()?).ok()?;
            let mut master = Vec::<Value>::from_redis_value(range.next()?)
                .ok()?
                .into_iter();
            let host = Option::<String>::from_redis_value(master.next()?).ok()?;
            let port = u16::from_redis_value(master.next()?).ok()?;
            let host = match host.as_deref() {
                Some("?") => continue,
                None | Some("") => asked.host.clone(),
                Some(host) => host.to_owned(),
            };
            map.fill(first, last, Node { host, port })?;
        }
        map.if_known()
    }

    /// Nobody serves anything yet.
    pub(super) fn empty() -> Self {
        Self {
            nodes: Vec::new(),
            slots: vec![NOBODY; usize::from(SLOTS)].into_boxed_slice(),
        }
    }

    /// `node` serves the slots from `first` to `last`; `None` where there are no such slots.
    pub(super) fn fill(&mut self, first: u16, last: u16, node: Node) -> Option<()> {
        let index = self.index_of(node);
        let slots = usize::from(first)..=usize::from(last);
        self.slots.get_mut(slots)?.fill(index);
        Some(())
    }

    /// The map, unless it has no masters.
    pub(super) fn if_known(self) -> Option<Self> {
        (!self.nodes.is_empty()).then_some(self)
    }

    fn index_of(&mut self, node: Node) -> u16 {
        let index = self.nodes.iter().position(|known| *known == node);
        let index = index.unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        });
        u16::try_from(index).unwrap_or(NOBODY)
    }

    pub(super) fn node_of(&self, slot: u16) -> Option<&Node> {
        self.nodes
            .get(usize::from(*self.slots.get(usize::from(slot))?))
    }

    fn moved(&self, slot: u16, to: Node) -> Self {
        let mut map = self.clone();
        let index = map.index_of(to);
        if let Some(place) = map.slots.get_mut(usize::from(slot)) {
            *place = index;
        }
        map
    }
}

/// The slot of a key: of its hash tag, where it has one (Redis Cluster specification, "Hash tags").
fn slot_of(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty());
    crc16::State::<crc16::XMODEM>::calculate(tag.unwrap_or(key).as_bytes()) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(port: u16) -> Node {
        Node {
            host: "h".to_owned(),
            port,
        }
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let master = Value::Array(vec![host, Value::Int(port), text("id")]);
        Value::Array(vec![Value::Int(first), Value::Int(last), master])
    }

    /// The examples of the specification, and what `CLUSTER KEYSLOT` says.
    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(slot_of("123456789"), 0x31C3);
        assert_eq!(slot_of("foo"), 12_182);
        assert_eq!(slot_of("{user1000}.following"), slot_of("user1000"));
        assert_eq!(
            slot_of("foo{}{bar}"),
            crc16::State::<crc16::XMODEM>::calculate(b"foo{}{bar}") % SLOTS
        );
        assert_eq!(slot_of("foo{bar}{zap}"), slot_of("bar"));
    }

    #[test]
    fn each_slot_has_the_master_that_the_cluster_names() {
        let answer = Value::Array(vec![
            range(0, 8_000, text("h"), 1),
            range(8_001, 16_000, Value::Nil, 2),
            range(16_001, 16_383, text("?"), 3),
        ]);
        let map = SlotMap::parse(answer, &node(9)).expect("slots");
        assert_eq!(map.node_of(0), Some(&node(1)));
        assert_eq!(map.node_of(16_000), Some(&node(2)));
        assert_eq!(map.node_of(16_383), None);
        let layout = Layout::Slots(map).moved("foo", node(7));
        assert_eq!(layout.node_of("foo"), Some(&node(7)));
        assert_eq!(layout.nodes().len(), 3);
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        let beyond = Value::Array(vec![range(0, 20_000, text("h"), 1)]);
        for answer in [Value::Nil, text("x"), Value::Array(vec![text("x")]), beyond] {
            assert_eq!(SlotMap::parse(answer, &node(1)), None);
        }
    }
}
