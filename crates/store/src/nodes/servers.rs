//! The servers behind one address: their pools, and who serves what.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use deadpool_redis::{Pool, PoolError};
use parking_lot::Mutex;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::dial::Dialer;
use super::discover::{ask, discover};
use super::hold::Hold;
use super::layout::Layout;
use super::link::Link;
use super::shared::{SharedLink, SharedLinks};
use crate::address::{Node, Topology, parse_host};
use crate::config::RedisConfig;
use crate::error::StoreError;
use crate::server::Greeting;

/// How often sentinels are asked while everything seems well: an old master that is cut off from
/// them answers as ever.
const RECHECK: Duration = Duration::from_secs(1);

/// The servers behind one address. Cheap to clone; all clones share pools and knowledge.
#[derive(Clone, derive_more::Debug)]
#[debug("Nodes {{ .. }}")]
pub(crate) struct Nodes(Arc<Inner>);

struct Inner {
    dialer: Dialer,
    pool_size: usize,
    response_timeout: Duration,
    pools: Mutex<HashMap<Node, Pool>>,
    shared: SharedLinks,
    /// How many have taken a place among the shared connections.
    placed: AtomicUsize,
    layout: ArcSwap<Layout>,
    /// Something went wrong since the layout was learnt.
    suspect: AtomicBool,
    /// When it was learnt. Held while somebody asks.
    learnt: tokio::sync::Mutex<Option<Instant>>,
    /// The same, to look at without waiting.
    recheck_due: Mutex<Instant>,
    asked: AtomicUsize,
    /// Whether votes are held back.
    hold: Hold,
}

impl Nodes {
    /// Prepares; connects to nothing yet.
    pub(crate) fn new(config: &RedisConfig) -> Result<Self, StoreError> {
        let layout = match (&config.url.topology, config.url.hosts.first()) {
            (Topology::Standalone, Some(node)) => Layout::One(node.clone()),
            _ => Layout::Unknown,
        };
        Ok(Self(Arc::new(Inner {
            dialer: Dialer::new(config)?,
            pool_size: config.pool_size,
            response_timeout: config.response_timeout,
            pools: Mutex::default(),
            shared: SharedLinks::default(),
            placed: AtomicUsize::new(0),
            layout: ArcSwap::from_pointee(layout),
            suspect: AtomicBool::new(false),
            learnt: tokio::sync::Mutex::default(),
            recheck_due: Mutex::new(Instant::now() + RECHECK),
            asked: AtomicUsize::new(0),
            hold: Hold::default(),
        })))
    }

    pub(super) fn dialer(&self) -> &Dialer {
        &self.0.dialer
    }

    /// Whether a failover is under way.
    pub(super) fn hold(&self) -> &Hold {
        &self.0.hold
    }

    /// The most connections to one server.
    pub(crate) fn pool_size(&self) -> usize {
        self.0.pool_size
    }

    /// Whether they are the masters of a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.0.dialer.address().topology == Topology::Cluster
    }

    /// How long an answer may take.
    pub(crate) fn response_timeout(&self) -> Duration {
        self.0.response_timeout
    }

    /// A connection to the master that serves `key`.
    pub(crate) async fn connection(&self, key: &str) -> Result<Link, StoreError> {
        let node = self.master(key).await?;
        match self.connection_to(&node).await {
            Ok(link) => Ok(link),
            Err(failed) => {
                let another = self.another_master(key, &node, failed).await?;
                self.connection_to(&another).await
            }
        }
    }

    /// The same, shared with all that have this `place`.
    pub(crate) async fn shared(&self, key: &str, place: usize) -> Result<SharedLink, StoreError> {
        let node = self.master(key).await?;
        match self.shared_to(&node, place).await {
            Ok(link) => Ok(link),
            Err(failed) => {
                let another = self.another_master(key, &node, failed).await?;
                self.shared_to(&another, place).await
            }
        }
    }

    /// A connection to `node`, shared with all that have this `place`.
    pub(crate) async fn shared_to(
        &self,
        node: &Node,
        place: usize,
    ) -> Result<SharedLink, StoreError> {
        let shared = &self.0.shared;
        if let Some(link) = shared.get(node, place) {
            return Ok(link);
        }
        shared
            .get_or_make(node, place, self.connection_to(node))
            .await
    }

    /// A connection to `node` that nobody else has, nor ever will.
    pub(crate) async fn own_connection_to(&self, node: &Node) -> Result<SharedLink, StoreError> {
        self.connection_to(node).await.map(SharedLink::own)
    }

    /// Another place among `places` for each who asks, until all are taken.
    pub(crate) fn next_place(&self, places: usize) -> usize {
        self.0.placed.fetch_add(1, Ordering::Relaxed) % places.max(1)
    }

    /// Lets go of the connections, shared ones and others, that nobody has used since `before`.
    pub(crate) fn let_go_of_unused(&self, before: Instant) {
        self.0.shared.let_go_of_unused(before);
        let unused = before.elapsed();
        for pool in self.0.pools.lock().values() {
            let _ended = pool.retain(|_, of| of.last_used() < unused);
        }
    }

    /// The master that serves `key`, asked for where it may have changed.
    async fn master(&self, key: &str) -> Result<Node, StoreError> {
        if self.0.suspect.load(Ordering::Relaxed) || self.node_of(key).is_none() {
            self.learn().await?;
        }
        self.known_node_of(key)
    }

    /// The master that serves `key` after `node` could not be reached, if that is another one.
    ///
    /// # Errors
    /// `failed`, if it is the same.
    async fn another_master(
        &self,
        key: &str,
        node: &Node,
        failed: StoreError,
    ) -> Result<Node, StoreError> {
        if !self.0.suspect.load(Ordering::Relaxed) {
            return Err(failed);
        }
        self.learn().await?;
        let another = self.known_node_of(key)?;
        if another == *node {
            return Err(failed);
        }
        Ok(another)
    }

    fn known_node_of(&self, key: &str) -> Result<Node, StoreError> {
        self.node_of(key)
            .ok_or_else(|| StoreError::Connect("no node of the cluster serves the slot".to_owned()))
    }

    /// A connection to `node`.
    pub(crate) async fn connection_to(&self, node: &Node) -> Result<Link, StoreError> {
        let pool = self.pool(node)?;
        match pool.get().await {
            Ok(connection) => Ok(Link::new(connection, node.clone())),
            Err(error) => {
                self.suspect();
                if matches!(error, PoolError::PostCreateHook(_)) {
                    // Its other connections lead to the same server.
                    self.let_go(node);
                }
                let error = error.to_string();
                Err(StoreError::Connect(format!("{node}: {}", error.trim_end())))
            }
        }
    }

    /// Takes note of what an error says about who serves `key`; gives the node that an `ASK` names.
    pub(crate) fn learn_from(&self, key: &str, error: &RedisError) -> Option<Node> {
        let named = || {
            let (address, _slot) = error.redirect_node()?;
            let mut node = parse_host(address, 0).ok()?;
            if node.host == "?" || node.port == 0 {
                return None;
            }
            node.host = node.host.trim_matches(['[', ']']).to_owned();
            Some(node)
        };
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::Ask) => return named(),
            // From a cluster behind the address of one server: the error says so to whoever reads it.
            ErrorKind::Server(ServerErrorKind::Moved) => match named() {
                _ if self.0.dialer.address().topology != Topology::Cluster => {}
                Some(node) => {
                    let layout = self.0.layout.load().moved(key, node);
                    self.0.layout.store(Arc::new(layout));
                }
                None => self.suspect(),
            },
            ErrorKind::Server(
                ServerErrorKind::ReadOnly
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown,
            ) => self.suspect(),
            ErrorKind::Server(_) => {}
            _ if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() => {
                self.suspect();
            }
            _ => {}
        }
        None
    }

    /// The layout may have changed: asks before the next connection is made.
    pub(super) fn suspect(&self) {
        if self.0.dialer.address().topology != Topology::Standalone {
            self.0.suspect.store(true, Ordering::Relaxed);
        }
    }

    fn node_of(&self, key: &str) -> Option<Node> {
        self.recheck();
        self.0.layout.load().node_of(key).cloned()
    }

    /// Who serves what, as last heard; another one as soon as anything else is heard.
    pub(crate) fn layout(&self) -> Arc<Layout> {
        self.recheck();
        self.0.layout.load_full()
    }

    /// All masters, asked for where nobody has yet.
    pub(crate) async fn masters(&self) -> Result<Vec<Node>, StoreError> {
        if self.0.layout.load().nodes().is_empty() {
            self.learn().await?;
        }
        Ok(self.0.layout.load().nodes().to_vec())
    }

    /// Asks in the background, when it is time, whether the master still is one: the sentinels, or the one server
    /// itself. In a cluster the others' answers say it.
    fn recheck(&self) {
        let topology = &self.0.dialer.address().topology;
        if *topology == Topology::Cluster {
            return;
        }
        let has_sentinels = topology.names_masters();
        {
            let mut due = self.0.recheck_due.lock();
            if Instant::now() < *due {
                return;
            }
            *due = Instant::now() + RECHECK;
        }
        let nodes = self.clone();
        tokio::spawn(async move {
            if !has_sentinels {
                nodes.greet_again().await;
            } else if let Err(error) = nodes.learn().await {
                tracing::debug!(%error, "no sentinel says where the master is");
            }
        });
    }

    /// Ends all connections to a server, those that are out when they come back.
    fn let_go(&self, node: &Node) {
        self.0.pools.lock().remove(node);
        self.0.shared.retain(|other| other != node);
    }

    /// Lets go of all connections to a server that has become a replica: it would answer as ever, with what is old.
    /// New ones are refused for as long as it is one.
    async fn greet_again(&self) {
        let layout = self.0.layout.load_full();
        for node in layout.nodes() {
            let Ok(mut link) = self.connection_to(node).await else {
                continue;
            };
            if let Ok(greeting) = Greeting::ask(&mut link).await
                && let Some(refusal) = greeting.refusal()
            {
                tracing::error!(server = %node, refusal, "the Redis server can't be used any more");
                link.discard();
                self.let_go(node);
            }
        }
    }

    /// Asks who serves what, unless somebody else has asked meanwhile.
    async fn learn(&self) -> Result<(), StoreError> {
        let called = Instant::now();
        let mut learnt = self.0.learnt.lock().await;
        if learnt.is_some_and(|at| at > called) {
            return Ok(());
        }
        let first = self.0.asked.fetch_add(1, Ordering::Relaxed);
        let known = self.0.layout.load_full();
        // What fails from here on is a new suspicion.
        self.0.suspect.store(false, Ordering::Relaxed);
        let found = discover(&self.0.dialer, known.nodes(), first).await;
        let layout = match found {
            Ok(layout) => layout,
            Err(error) => {
                self.suspect();
                return Err(error);
            }
        };
        *learnt = Some(Instant::now());
        self.adopt(layout);
        Ok(())
    }

    /// Asks who serves what, since a server has given no answer. Where nobody says, all is as it was.
    pub(crate) async fn learn_anew(&self) {
        if let Err(error) = self.learn().await {
            tracing::debug!(%error, "nobody says who serves what");
        }
    }

    /// Asks the sentinel that has just told of a new master, and nobody else: the others may not know yet.
    pub(super) async fn learn_from_sentinel(&self, sentinel: &Node) -> Result<(), StoreError> {
        let mut learnt = self.0.learnt.lock().await;
        let (_, answer) = ask(&self.0.dialer, sentinel.clone()).await;
        if let Some(layout) = answer? {
            let hosts = &self.0.dialer.address().hosts;
            if let Some(place) = hosts.iter().position(|host| host == sentinel) {
                // Who asks next asks it, too.
                self.0.asked.store(place, Ordering::Relaxed);
            }
            *self.0.recheck_due.lock() = Instant::now() + RECHECK;
            *learnt = Some(Instant::now());
            self.adopt(layout);
        }
        Ok(())
    }

    /// Who serves what from now on.
    fn adopt(&self, layout: Layout) {
        if layout == **self.0.layout.load() {
            return;
        }
        let masters: Vec<String> = layout.nodes().iter().map(Node::to_string).collect();
        tracing::info!(masters = masters.join(" "), "Redis is served by");
        // A pool ends its connections when those that are out come back.
        self.0
            .pools
            .lock()
            .retain(|node, _| layout.nodes().contains(node));
        self.0.shared.retain(|node| layout.nodes().contains(node));
        self.0.layout.store(Arc::new(layout));
    }

    fn pool(&self, node: &Node) -> Result<Pool, StoreError> {
        let mut pools = self.0.pools.lock();
        if let Some(pool) = pools.get(node) {
            return Ok(pool.clone());
        }
        let pool = self.0.dialer.pool(node)?;
        pools.insert(node.clone(), pool.clone());
        Ok(pool)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use vote_testkit::{RedisServer, eventually};

    use super::*;
    use crate::store::Store;

    const DEADLINE: Duration = Duration::from_secs(20);

    async fn connections(redis: &RedisServer) -> usize {
        let mut asking = redis.connection().await;
        let list: String = redis::cmd("CLIENT")
            .arg("LIST")
            .query_async(&mut asking)
            .await
            .expect("the clients");
        // But for the one that asks.
        list.lines().count() - 1
    }

    #[tokio::test]
    async fn what_a_busy_moment_has_opened_ends_once_it_is_not_used_any_more() {
        let redis = RedisServer::start().await;
        let config = RedisConfig::new(redis.url()).expect("an address");
        let store = Store::new(&config).expect("a store");
        let nodes = store.nodes();
        let at_once = join_all((0..8).map(|_| nodes.connection("key"))).await;
        let links: Vec<Link> = at_once.into_iter().map(|link| link.expect("one")).collect();
        assert_eq!(connections(&redis).await, 8);
        drop(links);
        let rests = Instant::now();
        for _ in 0..4 {
            drop(nodes.connection("key").await.expect("one of them"));
        }
        nodes.let_go_of_unused(rests);
        // A server hears of it a little later.
        eventually(DEADLINE, || async { connections(&redis).await == 1 }).await;
        nodes.let_go_of_unused(Instant::now());
        eventually(DEADLINE, || async { connections(&redis).await == 0 }).await;
        drop(nodes.connection("key").await.expect("a new one"));
    }
}
