//! Listening to the sentinels, which publish each step of a failover at once (Redis Sentinel, "Pub/Sub messages").
//!
//! From `SENTINEL FAILOVER` to the promotion of a replica it takes a quarter of a second, and then another second until
//! a sentinel names it. What the old master takes in that second is forgotten. Asking for the master's address, once a
//! second, sees none of it in time; and a sentinel that doesn't lead the failover knows nothing before its end, so all
//! are listened to.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::StreamExt as _;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use redis::Value;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::hold::End;
use super::servers::Nodes;
use crate::address::{Node, Topology};
use crate::commit::metric_names;
use crate::error::StoreError;

/// After that much silence a sentinel is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(5);

/// The pause before a sentinel is listened to again.
const PAUSE: Duration = Duration::from_secs(1);

/// A failover begins: now nothing is lost yet.
const BEGINS: &str = "+try-failover";
/// The sentinel that says so names the new master from here on. The leader says the first of them, the others the second.
const IS_DECIDED: [&str; 2] = ["+failover-state-reconf-slaves", "+switch-master"];
/// Nothing comes of it.
const IS_GIVEN_UP: [&str; 3] = [
    "-failover-abort-not-elected",
    "-failover-abort-no-good-slave",
    "-failover-abort-slave-timeout",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    end: &'static str,
}

/// What is told of failovers.
#[derive(Debug, Clone)]
struct Metrics {
    listening: Gauge,
    holding: Gauge,
    holds: Family<EndLabels, Counter>,
}

impl Metrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            listening: Gauge::default(),
            holding: Gauge::default(),
            holds: Family::default(),
        };
        registry.register(
            "vote_sentinels_listened_to",
            "Sentinels that tell of a failover as soon as it begins",
            metrics.listening.clone(),
        );
        registry.register(
            "vote_failover_holding",
            "1 while lanes hold votes back because a failover is under way",
            metrics.holding.clone(),
        );
        registry.register(
            metric_names::FAILOVER_HOLDS,
            "Failovers for which lanes held votes back, by how they ended",
            metrics.holds.clone(),
        );
        for end in End::ALL {
            metrics.of(end);
        }
        metrics
    }

    fn of(&self, end: End) -> impl std::ops::Deref<Target = Counter> + '_ {
        self.holds.get_or_create(&EndLabels { end: end.as_str() })
    }
}

impl Nodes {
    /// Listens to all sentinels on the current tokio runtime, until `cancel`. Where the address names none, there
    /// is nothing to do: in a cluster, and with `FAILOVER` of a server alone, the master itself makes its clients wait.
    pub(crate) fn listen_for_failovers(&self, registry: &mut Registry, cancel: &CancellationToken) {
        let metrics = Metrics::register(registry);
        let address = self.dialer().address();
        let Topology::Sentinel { master } = &address.topology else {
            return;
        };
        for sentinel in &address.hosts {
            let listener = Listener {
                nodes: self.clone(),
                sentinel: sentinel.clone(),
                master: master.clone(),
                metrics: metrics.clone(),
                cancel: cancel.clone(),
            };
            tokio::spawn(cancel.clone().run_until_cancelled_owned(listener.run()));
        }
    }

    /// Waits while a failover is under way, at most [`HOLD_AT_MOST`](super::hold::HOLD_AT_MOST) for each.
    pub(crate) async fn no_failover(&self) {
        self.hold().over().await;
    }
}

/// Listens to one sentinel.
struct Listener {
    nodes: Nodes,
    sentinel: Node,
    master: String,
    metrics: Metrics,
    cancel: CancellationToken,
}

impl Listener {
    async fn run(self) {
        let mut failing = false;
        loop {
            let mut listened = false;
            let Err(error) = self.listen(&mut listened).await;
            if listened {
                self.metrics.listening.dec();
                failing = false;
            }
            if !failing {
                failing = true;
                tracing::warn!(
                    sentinel = %self.sentinel, %error,
                    "a sentinel can't be listened to: votes are not held back during a failover that it leads; \
                     if it has users, ours needs +subscribe and the channels"
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// `listened` says whether it came to listening.
    async fn listen(&self, listened: &mut bool) -> Result<Infallible, StoreError> {
        let silent = |_| StoreError::Connect("it does not answer".to_owned());
        let patience = self.nodes.response_timeout();
        let mut events = self.nodes.dialer().listen(&self.sentinel).await?;
        for channel in [BEGINS].iter().chain(&IS_DECIDED).chain(&IS_GIVEN_UP) {
            let subscribed = timeout(patience, events.subscribe(*channel)).await;
            subscribed.map_err(silent)??;
        }
        *listened = true;
        self.metrics.listening.inc();
        tracing::debug!(sentinel = %self.sentinel, "listening for failovers");
        let (mut sink, mut messages) = events.split();
        loop {
            match timeout(SILENCE, messages.next()).await {
                Ok(Some(message)) => {
                    let text = message.get_payload::<String>()?;
                    if is_about(&text, &self.master) {
                        self.heard(message.get_channel_name()).await;
                    }
                }
                Ok(None) => return Err(StoreError::Connect("the connection ended".to_owned())),
                Err(_) => {
                    let answer = timeout(patience, sink.ping::<Value>()).await;
                    answer.map_err(silent)??;
                }
            }
        }
    }

    async fn heard(&self, channel: &str) {
        if channel == BEGINS {
            if self.nodes.hold().begin() {
                self.metrics.holding.set(1);
                let tell = self.telling();
                tokio::spawn(self.cancel.clone().run_until_cancelled_owned(tell));
            }
        } else if IS_DECIDED.contains(&channel) {
            // Lanes must know the new master before they go on.
            if let Err(error) = self.nodes.learn_from_sentinel(&self.sentinel).await {
                tracing::debug!(%error, "the sentinel does not say where the new master is");
            }
            self.nodes.hold().end(End::Followed);
        } else {
            self.nodes.hold().end(End::GivenUp);
        }
    }

    /// Says in log and metrics that lanes hold back, and when they go on.
    fn telling(&self) -> impl Future<Output = ()> + 'static {
        let (nodes, metrics) = (self.nodes.clone(), self.metrics.clone());
        let sentinel = self.sentinel.to_string();
        async move {
            let began = Instant::now();
            tracing::warn!(
                sentinel,
                "votes are held back: a failover of Redis is under way"
            );
            let end = nodes.hold().over().await;
            metrics.holding.set(0);
            metrics.of(end).inc();
            let held_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(held_ms, end = end.as_str(), "votes go on after a failover");
        }
    }
}

/// Whether an event's text is about our master: `master <name> <address> <port>`, and of a switch
/// `<name> <old address> <port> <new address> <port>`.
fn is_about(text: &str, master: &str) -> bool {
    let text = text.strip_prefix("master ").unwrap_or(text);
    text.split(' ').next() == Some(master)
}

#[cfg(test)]
mod tests {
    use super::is_about;

    #[test]
    fn an_event_is_about_the_master_that_it_names() {
        assert!(is_about("master vote 127.0.0.1 6379", "vote"));
        assert!(is_about("vote 127.0.0.1 6379 127.0.0.1 6380", "vote"));
        for other in [
            "master vote2 127.0.0.1 6379",
            "vote2 127.0.0.1 6379 127.0.0.1 6380",
            "slave 127.0.0.1:6380 127.0.0.1 6380 @ vote 127.0.0.1 6379",
            "master",
            "",
        ] {
            assert!(!is_about(other, "vote"), "{other}");
        }
    }
}
