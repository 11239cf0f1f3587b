//! The other way to learn a cluster's slots: `CLUSTER SHARDS` (Redis 7.0), for where `CLUSTER SLOTS` is forbidden.

use std::collections::HashMap;

use redis::{FromRedisValue as _, Value};

use super::layout::SlotMap;
use crate::address::Node;

/// Parses the answer: shards, each with ranges of slots and its nodes. `tls` says which of a node's ports is ours; a node
/// without an address is the one that was asked.
pub(super) fn parse(answer: Value, asked: &Node, tls: bool) -> Option<SlotMap> {
    let mut map = SlotMap::empty();
    for shard in Vec::<Value>::from_redis_value(answer).ok()? {
        let mut shard = members(shard)?;
        let slots = Vec::<u16>::from_redis_value(shard.remove("slots")?).ok()?;
        let nodes = Vec::<Value>::from_redis_value(shard.remove("nodes")?).ok()?;
        let masters = nodes.into_iter().filter_map(members);
        let mut masters = masters.filter(|node| text(node, "role").as_deref() == Some("master"));
        // One that has failed is still named beside the one that was promoted.
        let Some(master) = masters
            .clone()
            .find(|node| text(node, "health").as_deref() == Some("online"))
            .or_else(|| masters.next())
        else {
            continue;
        };
        let host = match text(&master, "endpoint").as_deref() {
            Some("?") => continue,
            None | Some("") => asked.host.clone(),
            Some(host) => host.to_owned(),
        };
        let port = if tls { "tls-port" } else { "port" };
        let port = u16::from_redis_value(master.get(port)?.clone()).ok()?;
        for range in slots.chunks_exact(2) {
            map.fill(
                range[0],
                range[1],
                Node {
                    host: host.clone(),
                    port,
                },
            )?;
        }
    }
    map.if_known()
}

/// A map as RESP2 has it, a list of names and values, or as RESP3 has it.
fn members(value: Value) -> Option<HashMap<String, Value>> {
    HashMap::from_redis_value(value).ok()
}

fn text(node: &HashMap<String, Value>, name: &str) -> Option<String> {
    Option::<String>::from_redis_value(node.get(name)?.clone()).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn list(members: Vec<(&str, Value)>) -> Value {
        let flat = members
            .into_iter()
            .flat_map(|(name, value)| [bulk(name), value]);
        Value::Array(flat.collect())
    }

    fn node(port: i64, endpoint: Value, role: &str, health: &str) -> Value {
        list(vec![
            ("id", bulk("x")),
            ("port", Value::Int(port)),
            ("tls-port", Value::Int(port + 1)),
            ("ip", bulk("10.0.0.1")),
            ("endpoint", endpoint),
            ("role", bulk(role)),
            ("replication-offset", Value::Int(7)),
            ("health", bulk(health)),
        ])
    }

    fn shard(slots: &[i64], nodes: Vec<Value>) -> Value {
        let slots = slots.iter().map(|slot| Value::Int(*slot)).collect();
        list(vec![
            ("slots", Value::Array(slots)),
            ("nodes", Value::Array(nodes)),
        ])
    }

    fn at(port: u16) -> Node {
        Node {
            host: "h".to_owned(),
            port,
        }
    }

    #[test]
    fn each_slot_has_the_master_that_is_well() {
        let answer = || {
            Value::Array(vec![
                shard(
                    &[0, 100, 200, 300],
                    vec![
                        node(9, bulk("h"), "replica", "online"),
                        node(1, bulk("h"), "master", "online"),
                    ],
                ),
                shard(
                    &[101, 199],
                    vec![
                        node(8, bulk("h"), "master", "failed"),
                        node(2, Value::Nil, "master", "online"),
                    ],
                ),
                shard(&[301, 400], vec![node(3, bulk("?"), "master", "online")]),
                shard(&[], vec![node(4, bulk("h"), "master", "online")]),
            ])
        };
        let map = parse(answer(), &at(7), false).expect("slots");
        for (slot, port) in [(0, 1), (100, 1), (150, 2), (300, 1)] {
            assert_eq!(map.node_of(slot), Some(&at(port)), "{slot}");
        }
        assert_eq!(map.node_of(350), None, "nobody knows its address");
        let map = parse(answer(), &at(7), true).expect("slots");
        assert_eq!(map.node_of(250), Some(&at(2)), "the port for TLS");
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        let beyond = Value::Array(vec![shard(
            &[0, 20_000],
            vec![node(1, bulk("h"), "master", "online")],
        )]);
        for answer in [Value::Nil, bulk("x"), Value::Array(vec![bulk("x")]), beyond] {
            assert!(parse(answer, &at(1), false).is_none());
        }
        assert!(parse(Value::Array(Vec::new()), &at(1), false).is_none());
    }
}
