use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use redis::AsyncCommands as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vote_domain::Poll;
use vote_testkit::fixtures::demo_poll;
use vote_testkit::{RedisServer, eventually};

use super::*;
use crate::commit::books::ReplayBudget;
use crate::commit::config::LaneConfig;
use crate::commit::heartbeats::Heartbeats;
use crate::commit::lane::{Lane, LaneParts};
use crate::commit::metrics::{LaneMetrics, WriterMetrics};
use crate::commit::outcome::Outcome;
use crate::commit::queue::{Pending, Queue};
use crate::commit::shared::LaneShared;
use crate::commit::target::Target;
use crate::commit::ticket::{Ticket, Waiting};
use crate::commit::traffic::Traffic;
use crate::commit::vote::VoteToCast;
use crate::config::RedisConfig;
use crate::keys::ShardKeys;
use crate::nodes::Nodes;
use crate::script::FENCE;

const DEADLINE: Duration = Duration::from_secs(20);

/// A lane of a poll of its own that has had one vote accepted.
struct LaneAtWork {
    keys: ShardKeys,
    metrics: LaneMetrics,
    drain: CancellationToken,
    abort: CancellationToken,
    task: JoinHandle<Vec<SpilledLane>>,
}

impl LaneAtWork {
    async fn start(id: &str, redis: &RedisServer, heartbeats: &Arc<Heartbeats>) -> Self {
        let poll: Poll = demo_poll().id(id).open();
        let keys = ShardKeys::new(poll.definition.id(), 0);
        let (opens_at, closes_at) = (
            poll.definition.opens_at().as_millisecond(),
            poll.closes_at.as_millisecond(),
        );
        let mut connection = redis.connection().await;
        let mut fence = FENCE.command(1);
        fence
            .arg(keys.state())
            .arg("open")
            .arg(opens_at)
            .arg(closes_at)
            .arg(1);
        FENCE.load(&mut connection).await.expect("loaded");
        let answer: String = fence.query_async(&mut connection).await.expect("fenced");
        assert_eq!(answer, "ok");

        let config = LaneConfig::default();
        let metrics = WriterMetrics::register(&mut Registry::default(), &config);
        let metrics = metrics.lane(&metrics.poll(&poll.definition), 0);
        let shared = Arc::new(LaneShared::new(Queue::new(16), closes_at, NOT_CLOSED));
        let nodes = RedisConfig::new(redis.url()).expect("an address");
        let (drain, abort) = (CancellationToken::new(), CancellationToken::new());
        let lane = Lane::new(LaneParts {
            shared: Arc::clone(&shared),
            target: Target::new(&poll, 0, 120_000),
            nodes: Nodes::new(&nodes).expect("nothing to refuse"),
            writer: WriterId::from_bytes([1; 8]),
            new_writer: Arc::new(|| WriterId::from_bytes([2; 8])),
            replay_budget: ReplayBudget::new(config.replay_window_bytes),
            heartbeats: Arc::clone(heartbeats),
            traffic: Arc::new(Traffic::new(Duration::ZERO)),
            metrics: metrics.clone(),
            drain: drain.clone(),
            abort: abort.clone(),
            config,
        });
        let task = tokio::spawn(lane.run());
        let ticket = Ticket::new();
        let pending = Pending::new(VoteToCast::plain(opens_at), Arc::clone(&ticket));
        shared.queue.push(pending).expect("there is room");
        let outcome = Waiting(ticket).await;
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        Self {
            keys,
            metrics,
            drain,
            abort,
            task,
        }
    }
}

#[tokio::test]
async fn a_lane_that_waits_for_its_fence_keeps_no_other_from_ending() {
    let redis = RedisServer::start().await;
    let heartbeats = Heartbeats::with_last_questions(1);
    let waiting = LaneAtWork::start("waiting", &redis, &heartbeats).await;
    let other = LaneAtWork::start("other", &redis, &heartbeats).await;
    let mut connection = redis.connection().await;
    let all = waiting.keys.state().replace(":state", ":*");
    let all: Vec<String> = connection.keys(all).await.expect("read");
    let _deleted: u64 = connection.del(all).await.expect("deleted");
    waiting.drain.cancel();
    let has_found_out = || async { waiting.metrics.missing_votes.get() == 1 };
    eventually(DEADLINE, has_found_out).await;

    other.drain.cancel();
    let left = tokio::time::timeout(DEADLINE, other.task).await;
    assert!(left.expect("it ends").expect("in order").is_empty());
    assert!(
        !waiting.task.is_finished(),
        "it may still get its fence back"
    );
    waiting.abort.cancel();
    let left = waiting.task.await.expect("in order");
    assert_eq!(left.iter().map(SpilledLane::votes).sum::<u64>(), 1);
}
