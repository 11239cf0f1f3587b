//! Documents of polls that can't be read, since their servers are away, and all that goes on meanwhile.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use vote_domain::{Poll, PollDefinition, PollState, Transition};
use vote_store::{Confirmed, SaveError, UnreadPoll, VoteWriter, VoteWriterConfig};
use vote_testkit::fixtures::random_bytes;
use vote_testkit::{RedisCluster, RedisServer, eventually};

use crate::snapshots::Reading;
use crate::support::{
    ANA, DEADLINE, Show, Voting, at, definition, is_accepted, lane_config, opens_at, store, vote,
};

/// The master that has this draft's document, and nothing else.
const VICTIM: usize = 0;
const DRAFT: &str = "paredao-05";

/// Three masters, which go on by themselves where one is away.
async fn masters() -> RedisCluster {
    RedisCluster::builder()
        .replicas(0)
        .append_only(true)
        .config("cluster-require-full-coverage", "no")
        .start()
        .await
}

/// An open poll and a draft on three masters, which go on by themselves where one is away. Of the first, and of what all polls
/// need, nothing is on the victim.
async fn show() -> (Show<RedisCluster>, Poll) {
    let redis = masters().await;
    let url = redis.url();
    let show = Show::open_at(redis, url, 1).await;
    let draft = show.draft(DRAFT).await;
    for (key, is_there) in [
        (format!("vote:poll:{DRAFT}"), true),
        (format!("{{{DRAFT}/0}}"), false),
        (format!("{{{DRAFT}/1}}"), false),
        (format!("vote:poll:{}", show.id), false),
        (format!("{{{}/0}}", show.id), false),
        ("vote:polls".to_owned(), false),
        ("vote:receipts:key".to_owned(), false),
    ] {
        let slot = show.redis.slot_of(&key).await;
        assert_eq!(show.redis.owner_of(slot).await == VICTIM, is_there, "{key}");
    }
    (show, draft)
}

impl Show<RedisCluster> {
    async fn kill_victim(&mut self) {
        self.redis.node_mut(VICTIM).kill9();
    }

    async fn restart_victim(&mut self) {
        self.redis.node_mut(VICTIM).restart().await;
        self.redis.wait_until_ok().await;
    }
}

impl Voting {
    /// The revision at which it knows the draft.
    fn draft(&self) -> Option<u64> {
        let found = self.writer.find(DRAFT).ok().flatten();
        found.map(|open| open.poll().revision)
    }

    fn is_unread(&self, poll: &str) -> bool {
        self.metric(&format!("vote_poll_unread{{poll=\"{poll}\"}}")) > 0.5
    }
}

#[tokio::test]
async fn a_master_with_a_drafts_document_that_is_away_keeps_no_vote_and_no_change_of_others_out() {
    let (mut show, draft) = show().await;
    let voting = show.voting().await;
    eventually(DEADLINE, || async { voting.draft() }).await;
    assert!(is_accepted(&voting.cast(vote(ANA)).await));

    show.kill_victim().await;
    let paused = show.change(Transition::Pause, opens_at()).await;
    voting.sees(paused.revision).await;
    let resumed = show.change(Transition::Resume, opens_at()).await;
    voting.sees(resumed.revision).await;
    eventually(DEADLINE, || async { voting.is_unread(DRAFT) }).await;
    eventually(DEADLINE, || async { voting.writer.ready() }).await;
    assert!(!voting.is_unread(show.id.as_str()));
    assert_eq!(voting.draft(), Some(draft.revision), "as it was known");
    assert!(is_accepted(&voting.cast(vote(ANA)).await));

    show.restart_victim().await;
    eventually(DEADLINE, || async { !voting.is_unread(DRAFT) }).await;
    let opened = draft.transition(Transition::Open, opens_at(), "test");
    let opened = opened.expect("legal");
    let saved = show.operator.save(&opened, draft.revision).await;
    saved.expect("saved");
    eventually(DEADLINE, || async {
        voting.draft() == Some(opened.revision)
    })
    .await;
    assert!(voting.writer.ready().is_ok());
}

#[tokio::test]
async fn a_process_that_starts_meanwhile_knows_the_others_and_says_what_it_waits_for() {
    let (mut show, draft) = show().await;
    show.kill_victim().await;
    let voting = show.voting().await;
    let waits = eventually(DEADLINE, || async {
        voting
            .writer
            .ready()
            .err()
            .filter(|why| why.contains(DRAFT))
    })
    .await;
    assert!(waits.contains("has not been read yet"), "{waits}");
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    // It may be an open poll: nobody is told that there is none.
    let found = voting.writer.find(DRAFT);
    assert!(found.is_err_and(|why| why.contains("away")));
    assert!(matches!(voting.writer.find("nobodys"), Ok(None)));
    assert!(voting.is_unread(DRAFT));

    show.restart_victim().await;
    eventually(DEADLINE, || async { voting.writer.ready() }).await;
    assert_eq!(voting.draft(), Some(draft.revision));
    assert!(!voting.is_unread(DRAFT));
}

#[tokio::test]
async fn figures_of_a_poll_whose_document_is_away_age_and_others_are_confirmed() {
    let (mut show, draft) = show().await;
    let voting = Voting::start(&show.url, lane_config(), show.id.as_str()).await;
    let reading = Reading::start(&show.url);
    let confirmed = |reading: &Reading| -> Option<Confirmed> {
        let snapshots = reading.snapshots.borrow();
        snapshots.polls.get(DRAFT).cloned()
    };
    eventually(DEADLINE, || async {
        reading.poll().is_some() && confirmed(&reading).is_some()
    })
    .await;

    show.kill_victim().await;
    // What is read again from here on is confirmed at another time.
    eventually(DEADLINE, || async {
        reading.snapshots.borrow().is_incomplete
    })
    .await;
    let later = at("2025-11-24T01:30:00Z");
    reading.clock.set(later);
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    let others = reading.total(1).await;
    assert!(others.confirmed_at >= later);
    // All of its shards are there, and so might be an order to hold it, or to close it.
    let kept = confirmed(&reading).expect("the last figures stay");
    assert!(kept.confirmed_at < later, "{}", kept.confirmed_at);
    assert!(reading.count("vote_snapshot_failures_total") > 0);
    let started = Reading::start(&show.url);
    started.total(1).await;
    let unread: Option<UnreadPoll> = started.snapshots.borrow().unread.get(DRAFT).cloned();
    assert!(unread.is_some_and(|unread| unread.is_open), "it may be");

    show.restart_victim().await;
    for reading in [&reading, &started] {
        reading.clock.set(at("2025-11-24T01:40:00Z"));
        let back = eventually(DEADLINE, || async {
            let again = |poll: &Confirmed| poll.confirmed_at == at("2025-11-24T01:40:00Z");
            confirmed(reading).filter(again)
        })
        .await;
        assert_eq!(back.snapshot.poll, draft);
        eventually(DEADLINE, || async {
            !reading.snapshots.borrow().is_incomplete
        })
        .await;
    }
}

/// The master that has the list of polls.
const WITH_LIST: usize = 2;
/// The one that has the document and the shard of [`ELSEWHERE`], an open poll of which the other has nothing.
const WITH_DOCUMENT: usize = 1;
const ELSEWHERE: &str = "paredao-02";

async fn show_without_its_list() -> Show<RedisCluster> {
    let redis = masters().await;
    let mut json = serde_json::to_value(definition(1)).expect("JSON");
    json["id"] = ELSEWHERE.into();
    let definition = PollDefinition::parse_json(json.to_string().as_bytes()).expect("valid");
    let url = redis.url();
    let show = Show::open_as(redis, url, definition).await;
    for (key, is_there) in [
        ("vote:polls", true),
        ("vote:poll:paredao-02", false),
        ("{paredao-02/0}", false),
        ("vote:voters:paredao-02", false),
        ("vote:receipts:key", false),
    ] {
        let slot = show.redis.slot_of(key).await;
        let owner = show.redis.owner_of(slot).await;
        assert_eq!(owner == WITH_LIST, is_there, "{key}");
    }
    show
}

#[tokio::test]
async fn a_master_with_the_list_that_is_away_keeps_no_vote_for_polls_that_are_known_out() {
    let mut show = show_without_its_list().await;
    let voting = show.voting().await;
    eventually(DEADLINE, || async { voting.writer.ready() }).await;
    assert!(matches!(voting.writer.find("nobodys"), Ok(None)));

    show.redis.node_mut(WITH_LIST).kill9();
    // It may have been opened just now.
    eventually(DEADLINE, || async {
        voting.writer.find("nobodys").is_err()
    })
    .await;
    let poll = show.poll().await;
    let paused = poll.transition(Transition::Pause, opens_at(), "test");
    let paused = paused.expect("legal");
    // The list is looked at between the document and its fences.
    let saved = show.operator.save(&paused, poll.revision).await;
    assert!(matches!(saved, Err(SaveError::HalfWritten(_))), "{saved:?}");
    voting.sees(paused.revision).await;
    let resumed = paused.transition(Transition::Resume, opens_at(), "test");
    let resumed = resumed.expect("legal");
    let saved = show.operator.save(&resumed, paused.revision).await;
    assert!(matches!(saved, Err(SaveError::HalfWritten(_))), "{saved:?}");
    show.operator.fence(&resumed).await.expect("fenced");
    voting.sees(resumed.revision).await;
    voting.writer.ready().expect("its documents can be read");
    assert!(is_accepted(&voting.cast(vote(ANA)).await));

    // A process that has never read the list knows no poll.
    let config = VoteWriterConfig {
        lane: lane_config(),
        refresh_interval: std::time::Duration::from_millis(20),
        receipt_key: None,
        random: random_bytes,
    };
    let started = VoteWriter::start(&store(&show.url), config, &mut Registry::default());
    assert!(started.ready().is_err());
    show.redis.node_mut(WITH_DOCUMENT).kill9();
    // With none of its documents in reach, a process has nothing to go by.
    eventually(DEADLINE, || async { voting.writer.ready().is_err() }).await;
    assert!(started.ready().is_err());
    for node in [WITH_DOCUMENT, WITH_LIST] {
        show.redis.node_mut(node).restart().await;
    }
    show.redis.wait_until_ok().await;
    for writer in [&voting.writer, &started] {
        eventually(DEADLINE, || async { writer.ready() }).await;
        // A server that was asked as it came back may be asked again a moment later only.
        let knows_all = || async { matches!(writer.find("nobodys"), Ok(None)) };
        eventually(DEADLINE, knows_all).await;
    }
}

#[tokio::test]
async fn figures_are_confirmed_while_the_list_is_away_and_the_list_ages() {
    let mut show = show_without_its_list().await;
    let voting = show.voting().await;
    let reading = Reading::start(&show.url);
    let confirmed = || -> Option<Confirmed> {
        let snapshots = reading.snapshots.borrow();
        snapshots.polls.get(ELSEWHERE).cloned()
    };
    eventually(DEADLINE, || async { confirmed() }).await;

    show.redis.node_mut(WITH_LIST).kill9();
    eventually(DEADLINE, || async {
        reading.count("vote_snapshot_failures_total") > 0
    })
    .await;
    let later = at("2025-11-24T01:30:00Z");
    reading.clock.set(later);
    assert!(is_accepted(&voting.cast(vote(ANA)).await));
    eventually(DEADLINE, || async {
        confirmed().filter(|poll| poll.confirmed_at >= later && poll.snapshot.tally.total() == 1)
    })
    .await;
    let read_at = || reading.snapshots.borrow().polls_read_at;
    assert!(read_at().is_some_and(|at| at < later), "{:?}", read_at());

    show.redis.node_mut(WITH_LIST).restart().await;
    show.redis.wait_until_ok().await;
    eventually(DEADLINE, || async { read_at() == Some(later) }).await;
}

/// Lets nobody read some keys, as a server does that is away for them alone.
async fn refuse(redis: &RedisServer, others: &[&str]) {
    let mut command = redis::cmd("ACL");
    command
        .arg(&["SETUSER", "default", "resetkeys"])
        .arg(others);
    let done = command.exec_async(&mut redis.connection().await).await;
    done.expect("it has users");
}

/// A server that answers all questions but for one document says itself that nothing was written to it since.
#[tokio::test]
async fn a_document_that_could_not_be_read_is_read_again_though_nothing_was_written() {
    let show = Show::open().await;
    let draft = show.draft(DRAFT).await;
    let is_there = |reading: &Reading| reading.snapshots.borrow().polls.contains_key(DRAFT);
    refuse(
        &show.redis,
        &["~vote:poll*s", "~vote:{*", "~vote:poll:paredao-01*"],
    )
    .await;
    let reading = Reading::start(&show.redis.url());
    eventually(DEADLINE, || async {
        reading.poll().is_some() && reading.snapshots.borrow().unread.contains_key(DRAFT)
    })
    .await;
    refuse(&show.redis, &["allkeys"]).await;
    eventually(DEADLINE, || async { is_there(&reading) }).await;
    assert!(reading.knows(&draft));
}

#[tokio::test]
async fn figures_are_read_while_the_receipts_key_is_away() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let reading = Reading::start(&show.redis.url());
    let key = || reading.snapshots.borrow().receipt_key.clone();
    let known = eventually(DEADLINE, || async { key() }).await;
    refuse(&show.redis, &["~vote:poll*", "~vote:{*", "~vote:voters*"]).await;
    let closed = show
        .change(Transition::Close, at("2025-11-24T02:00:00Z"))
        .await;
    let read = eventually(DEADLINE, || async {
        let poll = reading.poll()?;
        (poll.snapshot.poll.revision == closed.revision).then_some(poll)
    })
    .await;
    assert_eq!(read.snapshot.poll.state, PollState::Closed);
    assert!(key().is_some_and(|key| Arc::ptr_eq(&key, &known)));
    eventually(DEADLINE, || async {
        voting.poll().poll().revision == closed.revision
    })
    .await;
    assert!(voting.writer.ready().is_ok());
}
