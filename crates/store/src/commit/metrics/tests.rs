use vote_testkit::fixtures::demo_poll;

use super::*;

struct Metrics {
    registry: Registry,
    metrics: WriterMetrics,
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::default();
        let metrics = WriterMetrics::register(&mut registry, &LaneConfig::default());
        Self { registry, metrics }
    }

    /// The lanes' series of a poll, of families that begin so.
    fn series(&self, family: &str, poll: &str) -> Vec<String> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("a text");
        let of_poll = format!("poll=\"{poll}\"");
        let of_poll = |line: &&str| line.starts_with(family) && line.contains(&of_poll);
        text.lines().filter(of_poll).map(str::to_owned).collect()
    }

    /// A handle of each lane.
    fn lanes(&self, definition: &PollDefinition) -> Vec<LaneMetrics> {
        let of_poll = self.metrics.poll(definition);
        let shards = 0..definition.shards();
        shards
            .map(|shard| self.metrics.lane(&of_poll, shard))
            .collect()
    }
}

#[test]
fn what_votes_are_for_is_told_of_accepted_ones_alone_and_once_for_all_shards() {
    let show = Metrics::new();
    let poll = demo_poll().shards(256).definition();
    let pairs = poll.channels().len() * poll.candidates().len();
    let lanes = show.lanes(&poll);
    let (first, last) = (&lanes[0].poll, &lanes[255].poll);
    first.vote(0, 1, &Verdict::Accepted(()));
    last.vote(0, 1, &Verdict::Accepted(()));
    last.vote(0, 1, &Verdict::Duplicate(()));
    let id = poll.id().as_str();
    let accepted = show.series("vote_accepted_votes_total", id);
    assert_eq!(accepted.len(), pairs);
    let counted: Vec<_> = accepted.iter().filter(|it| it.ends_with(" 2")).collect();
    let candidate = format!("candidate=\"{}\"", poll.candidates()[1].id);
    assert_eq!(counted.len(), 1, "{accepted:?}");
    assert!(counted[0].contains(&candidate), "{counted:?}");
    let votes = show.series("vote_votes_total", id);
    assert_eq!(votes.len(), Verdict::LABELS.len());
    for counted in ["outcome=\"accepted\"} 2", "outcome=\"duplicate\"} 1"] {
        assert!(votes.iter().any(|it| it.ends_with(counted)), "{votes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn series_of_a_poll_stay_for_some_time_after_its_lanes_and_then_go() {
    let show = Metrics::new();
    let (ended, other) = (
        demo_poll().id("ended").definition(),
        demo_poll().id("other").definition(),
    );
    let _other = show.lanes(&other);
    let lanes = show.lanes(&ended);
    lanes[0].poll.unrecoverable_votes.inc();
    let (all, others) = (show.series("", "ended"), show.series("", "other"));
    let sweep = || show.metrics.forget_ended(Instant::now());
    sweep();
    tokio::time::advance(KEPT).await;
    sweep();
    assert_eq!(show.series("", "ended"), all, "it has lanes");
    drop(lanes);
    sweep();
    tokio::time::advance(KEPT - Duration::from_secs(1)).await;
    sweep();
    assert_eq!(
        show.series("", "ended"),
        all,
        "what it said last is scraped"
    );
    // Lanes that come meanwhile count on.
    let lanes = show.lanes(&ended);
    tokio::time::advance(Duration::from_secs(1)).await;
    sweep();
    assert_eq!(lanes[0].poll.unrecoverable_votes.get(), 1);
    drop(lanes);
    sweep();
    tokio::time::advance(KEPT).await;
    sweep();
    assert_eq!(show.series("", "ended"), Vec::<String>::new());
    assert_eq!(show.series("", "other"), others);
}

#[tokio::test(start_paused = true)]
async fn another_poll_of_the_same_id_takes_nothing_away_from_lanes_that_end() {
    let show = Metrics::new();
    let (first, second) = (
        demo_poll().id("p").shards(8).definition(),
        demo_poll().id("p").shards(2).definition(),
    );
    let old = show.lanes(&first);
    let new = show.lanes(&second);
    old[7].missing_votes.set(3);
    old[7].poll.unrecoverable_votes.inc();
    new[0].poll.vote(0, 0, &Verdict::Accepted(()));
    let said = |family: &str, value: &str| {
        let series = show.series(family, "p");
        series.iter().filter(|it| it.ends_with(value)).count()
    };
    assert_eq!(said("vote_missing_votes", " 3"), 1);
    assert_eq!(said("vote_unrecoverable_votes_total", " 1"), 1);
    assert_eq!(said("vote_accepted_votes_total", " 1"), 1);
    drop((old, new));
    show.metrics.forget_ended(Instant::now());
    tokio::time::advance(KEPT).await;
    show.metrics.forget_ended(Instant::now());
    assert_eq!(show.series("", "p"), Vec::<String>::new());
}
