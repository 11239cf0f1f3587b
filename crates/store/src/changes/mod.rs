//! Whether what was read can have changed: one question to each server, in place of one for each poll and shard.
//!
//! A server says two things. By its counters ([`Stamp`](crate::server::Stamp)), that nothing at all was written to it; and over
//! the connection by which something was read ([`Watch`](crate::nodes::Watch)), that this is as it was, whatever else was written.

mod basis;
mod server;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::Value;
use redis::aio::MultiplexedConnection;
use vote_domain::PollId;

use self::basis::Asked;
pub(crate) use self::basis::{Basis, Probe};
use self::server::{Heard, Server};
use crate::address::Node;
use crate::fence::Fence;
use crate::keys::{self, ShardKeys};
use crate::nodes::{Layout, Nodes, Silent, Told};

/// The pause before others are asked again where all is, while a server gives no answer.
const PAUSE_OF_LEARNING: Duration = Duration::from_secs(1);

/// What the servers have said last.
pub(crate) struct Changes {
    nodes: Nodes,
    layout: Arc<Layout>,
    asked: Asked,
    /// Since which question who serves what has been the same.
    layout_since: Asked,
    servers: HashMap<Node, Server>,
    /// Since which question all servers have told of all changes.
    watched_since: Option<Asked>,
    /// By which question each of these ([`keys::changed_name`]) was known to have changed.
    changed: HashMap<String, Asked>,
    /// A server has changed without saying so: none is believed any more.
    is_distrusted: bool,
    /// When it was asked last where all is, for a server that gives no answer.
    learnt_at: Option<Instant>,
}

impl Changes {
    pub(crate) fn new(nodes: Nodes) -> Self {
        let layout = nodes.layout();
        Self {
            nodes,
            layout,
            asked: Asked::default(),
            layout_since: Asked::default(),
            learnt_at: None,
            servers: HashMap::new(),
            watched_since: None,
            changed: HashMap::new(),
            is_distrusted: false,
        }
    }

    /// Asks all masters, before anything else is read; gives the basis of what is read after that. Of `probes` those are
    /// looked at of which no server says that they have changed.
    pub(crate) async fn ask(&mut self, probes: &[Probe]) -> Basis {
        self.asked = Asked(self.asked.0 + 1);
        let basis = Basis {
            asked: self.asked,
            is_watched: false,
        };
        if self.is_distrusted {
            return basis;
        }
        let masters = self.nodes.masters().await.unwrap_or_default();
        let layout = self.nodes.layout();
        if !Arc::ptr_eq(&layout, &self.layout) {
            (self.layout, self.layout_since) = (layout, self.asked);
        }
        let mut servers = std::mem::take(&mut self.servers);
        let hangs = |node: &Node| servers.get(node).is_some_and(Server::has_just_hung);
        // Else nobody is kept waiting.
        let is_any_up = masters.iter().any(|node| !hangs(node));
        let questions = masters.into_iter().map(|node| {
            let mut server = servers.remove(&node).unwrap_or_default();
            // Only where it was read since the last change that the server has said.
            let is_due = |probe: &&Probe| {
                self.layout.node_of(&probe.shard.state()) == Some(&node)
                    && (server.is_unchanged(probe.basis.asked)
                        || self.is_untold(probe.basis, probe.poll.as_str()))
            };
            let probes: Vec<Probe> = probes.iter().filter(is_due).cloned().collect();
            let (nodes, asked) = (&self.nodes, self.asked);
            async move {
                let heard = if is_any_up && server.has_just_hung() {
                    Heard::default()
                } else {
                    server.ask(nodes, &node, asked, &probes).await
                };
                (node, server, heard)
            }
        });
        let mut others = Vec::new();
        for (node, server, heard) in join_all(questions).await {
            self.servers.insert(node, server);
            self.note(heard.told);
            others.extend(heard.others);
        }
        self.note_watched();
        let may_learn = self
            .learnt_at
            .is_none_or(|at| at.elapsed() >= PAUSE_OF_LEARNING);
        if may_learn && !self.silent().is_empty() {
            self.learnt_at = Some(Instant::now());
            self.nodes.learn_anew().await;
        }
        if others.iter().any(|probe| self.is_still_believed(probe)) {
            self.distrust();
        }
        basis
    }

    /// The servers that gave no answer in time when they were asked last.
    pub(crate) fn silent(&self) -> Silent {
        let mut silent = Silent::default();
        for (node, server) in &self.servers {
            if let Some(why) = server.silent() {
                silent.note(node.clone(), why.to_owned());
            }
        }
        silent
    }

    /// Why a shard of a poll can't be read, if its server is one of them.
    pub(crate) fn silent_shard(&self, poll: &PollId, shards: u16) -> Option<String> {
        let silent = self.silent();
        if silent.is_empty() {
            return None;
        }
        let mut states = (0..shards).map(|shard| ShardKeys::new(poll, shard).state());
        states.find_map(|state| silent.why(&self.nodes, &state).cloned())
    }

    /// What all servers have told since they were asked counts from now on.
    fn hear(&mut self) {
        self.asked = Asked(self.asked.0 + 1);
        let asked = self.asked;
        let told: Vec<Told> = self
            .servers
            .values_mut()
            .map(|server| server.hear(asked))
            .collect();
        told.into_iter().for_each(|told| self.note(told));
        self.note_watched();
    }

    fn note(&mut self, told: Told) {
        for key in told.keys {
            let name = keys::changed_name(&key).to_owned();
            self.changed.insert(name, self.asked);
        }
    }

    fn note_watched(&mut self) {
        let since = self.servers.values().map(Server::watched_since);
        let since: Option<Vec<Asked>> = since.collect();
        self.watched_since = since.and_then(|since| since.into_iter().max());
    }

    fn is_still_believed(&self, probe: &Probe) -> bool {
        let node = self.layout.node_of(&probe.shard.state());
        node.is_some_and(|node| self.is_unchanged(node, probe.basis.asked))
            || self.is_untold(probe.basis, probe.poll.as_str())
    }

    /// A server has said something that is not true.
    fn distrust(&mut self) {
        if !std::mem::replace(&mut self.is_distrusted, true) {
            tracing::warn!(
                "a Redis server does not say all changes, neither in INFO nor by CLIENT TRACKING: everything is read at \
                 each tick"
            );
        }
        self.servers.clear();
        self.changed.clear();
        self.watched_since = None;
    }

    /// What was read at that key is another one than before, though no change of it was known: it may have been told
    /// meanwhile.
    pub(crate) fn has_found_other(&mut self, basis: Basis, key: &str) {
        self.hear();
        if self.is_untold(basis, key) {
            self.distrust();
        }
    }

    /// Whether no server has changed since then, as far as they say.
    pub(crate) fn is_all_unchanged_since(&self, basis: Basis) -> bool {
        let nodes = self.layout.nodes();
        self.layout_since <= basis.asked
            && !self.is_distrusted
            && !nodes.is_empty()
            && nodes
                .iter()
                .all(|node| self.is_unchanged(node, basis.asked))
    }

    fn is_unchanged(&self, node: &Node, asked: Asked) -> bool {
        let server = self.servers.get(node);
        !self.is_distrusted && server.is_some_and(|server| server.is_unchanged(asked))
    }

    /// Whether all servers would have told of a change of what was read so, but for what they did.
    pub(crate) fn is_watched(&self, basis: Basis) -> bool {
        !self.is_distrusted
            && basis.is_watched
            && self.layout_since <= basis.asked
            && self.watched_since.is_some_and(|since| since <= basis.asked)
    }

    /// Whether that of which a change is called so was watched, and no change was told.
    fn is_untold(&self, basis: Basis, name: &str) -> bool {
        let changed = || self.changed.get(name).is_none_or(|at| *at <= basis.asked);
        self.is_watched(basis) && changed()
    }

    /// Whether this key is as it was read.
    pub(crate) fn is_kept(&self, basis: Basis, key: &str) -> bool {
        self.is_untold(basis, keys::changed_name(key))
    }

    /// Whether all shards of a poll are as they were read.
    pub(crate) fn are_shards_kept(&self, basis: Basis, poll: &PollId, shards: u16) -> bool {
        if self.is_all_unchanged_since(basis) || self.is_untold(basis, poll.as_str()) {
            return true;
        }
        if self.layout_since > basis.asked || self.layout.nodes().len() < 2 {
            return false;
        }
        (0..shards).all(|shard| {
            let state = ShardKeys::new(poll, shard).state();
            let node = self.layout.node_of(&state);
            node.is_some_and(|node| self.is_unchanged(node, basis.asked))
        })
    }

    /// The connections over which servers tell of changes of what is read.
    pub(crate) fn connections(&self) -> HashMap<Node, MultiplexedConnection> {
        let servers = self.servers.iter();
        let connections = servers.map(|(node, server)| Some((node.clone(), server.connection()?)));
        connections.flatten().collect()
    }

    /// Reads a little of all shards of a poll, so that changes of them are told; says whether they will be. It comes before
    /// the figures, and whatever changes those changes what is read here.
    pub(crate) async fn watch_shards(&self, poll: &PollId, shards: u16) -> bool {
        let mut by_node: HashMap<&Node, redis::Pipeline> = HashMap::new();
        for shard in 0..shards {
            let keys = ShardKeys::new(poll, shard);
            let state = keys.state();
            let Some(node) = self.layout.node_of(&state) else {
                return false;
            };
            let pipeline = by_node.entry(node).or_default();
            // The tally and late votes change with the ledger, unless somebody changes them by hand.
            for key in [state, keys.writers(), keys.tally(), keys.late()] {
                pipeline.cmd("HMGET").arg(key).arg(Fence::RECEIVED_AT);
            }
        }
        let reading = by_node.into_iter().map(|(node, pipeline)| {
            let server = self.servers.get(node);
            let connection = server.and_then(Server::connection);
            async move {
                let mut connection = connection?;
                let read = pipeline.query_async::<Vec<Value>>(&mut connection).await;
                read.ok()
            }
        });
        join_all(reading).await.iter().all(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use vote_testkit::RedisServer;

    use super::*;
    use crate::config::RedisConfig;

    const POLL: &str = "vote:poll:p";

    async fn set(redis: &RedisServer, key: &str) {
        let mut connection = redis.connection().await;
        let written = redis::Cmd::set(key, "1").exec_async(&mut connection).await;
        written.expect("written");
    }

    fn changes(redis: &RedisServer) -> Changes {
        let config = RedisConfig::new(redis.url()).expect("an address");
        Changes::new(Nodes::new(&config).expect("nothing to refuse"))
    }

    /// Asks, and reads the poll; gives how it was read.
    async fn read(changes: &mut Changes) -> Basis {
        let basis = changes.ask(&[]).await;
        let connections = changes.connections();
        let (_, mut connection) = connections.into_iter().next().expect("it tells of changes");
        let read = redis::Cmd::get(POLL).exec_async(&mut connection).await;
        read.expect("read");
        basis.watched(true)
    }

    #[tokio::test]
    async fn what_was_read_is_kept_until_its_change_is_told() {
        let mut redis = RedisServer::builder().append_only(true).start().await;
        let mut changes = changes(&redis);
        let basis = read(&mut changes).await;
        set(&redis, "vote:poll:other").await;
        changes.ask(&[]).await;
        assert!(!changes.is_all_unchanged_since(basis));
        assert!(changes.is_kept(basis, POLL));
        assert!(!changes.is_kept(basis.watched(false), POLL));
        set(&redis, POLL).await;
        changes.ask(&[]).await;
        assert!(!changes.is_kept(basis, POLL));
        assert!(changes.is_watched(basis));
        let basis = read(&mut changes).await;
        changes.ask(&[]).await;
        assert!(changes.is_kept(basis, POLL));
        // It was told by the time of an answer, and so nobody has been deceived.
        set(&redis, POLL).await;
        read(&mut changes).await;
        changes.has_found_other(basis, POLL);
        assert!(!changes.is_distrusted);
        assert!(!changes.is_kept(basis, POLL));
        // A server that was started anew may have forgotten anything.
        let basis = read(&mut changes).await;
        redis.restart().await;
        changes.ask(&[]).await;
        assert!(!changes.is_kept(basis, POLL));
        let basis = read(&mut changes).await;
        changes.ask(&[]).await;
        assert!(changes.is_kept(basis, POLL));
    }

    #[tokio::test]
    async fn a_server_that_has_not_told_of_a_change_is_not_believed_any_more() {
        let redis = RedisServer::start().await;
        let mut changes = changes(&redis);
        let basis = read(&mut changes).await;
        set(&redis, POLL).await;
        let mut connection = changes
            .connections()
            .into_values()
            .next()
            .expect("it is there");
        let answer = redis::cmd("PING").exec_async(&mut connection).await;
        answer.expect("it answers");
        for server in changes.servers.values_mut() {
            assert!(!server.hear(Asked(1)).keys.is_empty());
        }
        changes.ask(&[]).await;
        assert!(changes.is_kept(basis, POLL), "nobody could know");
        changes.has_found_other(basis, POLL);
        assert!(!changes.is_kept(basis, POLL));
        let basis = changes.ask(&[]).await;
        changes.ask(&[]).await;
        assert!(!changes.is_all_unchanged_since(basis));
        assert!(changes.connections().is_empty());
    }
}
