use std::time::Duration;

use vote_domain::Poll;
use vote_testkit::fixtures::demo_poll;
use vote_testkit::{RedisCluster, RedisServer};

use super::*;
use crate::config::RedisConfig;

async fn run(redis: &RedisServer, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    let done = command.exec_async(&mut redis.connection().await).await;
    done.expect("done");
}

/// Writes a poll's document, and its entry in the list.
async fn write(redis: &RedisServer, poll: &Poll) {
    let id = poll.definition.id();
    let json = serde_json::to_string(poll).expect("JSON");
    run(redis, &["SET", &keys::poll(id), &json]).await;
    run(redis, &["SADD", keys::POLLS, id.as_str()]).await;
}

fn draft(id: &str, revision: u64) -> Poll {
    let mut poll = demo_poll().id(id).draft();
    poll.revision = revision;
    poll
}

/// A process that reads.
struct Process {
    nodes: Nodes,
    changes: Changes,
    known: KnownPolls,
}

impl Process {
    fn on(redis: &RedisServer) -> Self {
        Self::at(redis.url())
    }

    fn at(url: String) -> Self {
        let mut config = RedisConfig::new(url).expect("an address");
        config.connect_timeout = Duration::from_millis(300);
        config.response_timeout = Duration::from_millis(300);
        let nodes = Nodes::new(&config).expect("nothing to refuse");
        Self {
            changes: Changes::new(nodes.clone()),
            nodes,
            known: KnownPolls::default(),
        }
    }

    async fn read(&mut self) -> News {
        let basis = self.changes.ask(&[]).await;
        let read = self.known.read(&self.nodes, &mut self.changes, basis).await;
        read.expect("the list is there")
    }

    /// The revision at which a poll's document is known now.
    fn revision(&self, id: &str) -> Option<u64> {
        let id = PollId::parse(id).expect("an id");
        let known = self.known.polls.get(&id)?;
        known.document.as_ref().ok().map(|poll| poll.revision)
    }
}

#[tokio::test]
async fn a_document_that_is_refused_keeps_none_of_the_others_from_being_read() {
    let redis = RedisServer::start().await;
    let mut process = Process::on(&redis);
    write(&redis, &draft("away", 1)).await;
    write(&redis, &draft("there", 1)).await;
    assert!(!process.read().await.is_partial);
    assert!(
        process
            .known
            .is_kept(&PollId::parse("away").expect("an id"), &process.changes)
    );
    run(
        &redis,
        &[
            "ACL",
            "SETUSER",
            "default",
            "resetkeys",
            "~vote:polls",
            "~vote:poll:there",
        ],
    )
    .await;
    assert!(process.read().await.is_partial, "read anyway, in its turn");
    assert_eq!(process.revision("away"), None);
    // It was not another one: the server is believed as before.
    assert!(!process.changes.connections().is_empty());
    write(&redis, &draft("there", 2)).await;
    assert!(process.read().await.is_partial);
    assert_eq!(process.revision("there"), Some(2));
    // Of the document no change is told, and it is read all the same.
    run(&redis, &["ACL", "SETUSER", "default", "allkeys"]).await;
    let news = process.read().await;
    assert!(!news.is_partial);
    assert_eq!(news.regressions, []);
    assert_eq!(process.revision("away"), Some(1));
    assert_eq!(process.revision("there"), Some(2));
}

#[tokio::test]
async fn a_draft_that_is_gone_is_known_until_its_mark_can_be_read() {
    let redis = RedisServer::start().await;
    let mut process = Process::on(&redis);
    let gone = draft("gone", 1);
    write(&redis, &gone).await;
    write(&redis, &draft("there", 1)).await;
    process.read().await;
    let mut acl = vec!["ACL", "SETUSER", "default", "resetkeys"];
    acl.extend(["~vote:polls", "~vote:poll:there", "~vote:poll:gone"]);
    for delete in [
        &["SREM", keys::POLLS, "gone"][..],
        &["DEL", "vote:poll:gone"],
    ] {
        run(&redis, delete).await;
    }
    run(&redis, &acl).await;
    write(&redis, &draft("there", 2)).await;
    let news = process.read().await;
    assert!(news.is_partial);
    assert_eq!((news.regressions, news.deleted.len()), (vec![], 0));
    assert_eq!(process.revision("there"), Some(2));
    assert!(process.known.knows(gone.definition.id()));
    run(&redis, &["ACL", "SETUSER", "default", "allkeys"]).await;
    let made_at = vote_domain::wire_time::format(gone.created_at().expect("it was made"));
    run(&redis, &["SET", "vote:poll:gone:deleted", &made_at]).await;
    let news = process.read().await;
    assert_eq!(news.regressions, []);
    assert!(news.deleted.contains(gone.definition.id()));
    assert!(!process.known.knows(gone.definition.id()));
}

#[tokio::test]
async fn a_draft_that_was_never_read_is_looked_for_until_its_mark_can_be_read() {
    for is_listed_still in [false, true] {
        let redis = RedisServer::start().await;
        let mut process = Process::on(&redis);
        write(&redis, &draft("there", 1)).await;
        // It is being deleted: its document goes last.
        let gone = draft("gone", 1);
        let id = gone.definition.id();
        run(&redis, &["SADD", keys::POLLS, "gone"]).await;
        let mut acl = vec!["ACL", "SETUSER", "default", "resetkeys"];
        acl.extend(["~vote:polls", "~vote:poll:there", "~vote:poll:gone"]);
        run(&redis, &acl).await;
        for _ in 0..2 {
            let news = process.read().await;
            assert!(news.is_partial);
            assert_eq!((news.regressions, news.deleted.len()), (vec![], 0));
            assert!(process.known.knows(id), "it may be there");
        }
        run(&redis, &["ACL", "SETUSER", "default", "allkeys"]).await;
        let made_at = vote_domain::wire_time::format(gone.created_at().expect("it was made"));
        run(&redis, &["SET", "vote:poll:gone:deleted", &made_at]).await;
        if !is_listed_still {
            run(&redis, &["SREM", keys::POLLS, "gone"]).await;
        }
        let news = process.read().await;
        assert_eq!(news.regressions, [], "listed: {is_listed_still}");
        assert!(!news.is_partial);
        assert!(!process.known.knows(id));
    }
}

/// How often anybody has come to a server.
async fn came(connection: &mut redis::aio::MultiplexedConnection) -> u64 {
    let mut info = redis::cmd("INFO");
    let info: String = info.arg("stats").query_async(connection).await.expect("up");
    let mut lines = info.lines();
    let count = lines.find_map(|line| line.strip_prefix("total_connections_received:"));
    count.expect("counted").trim().parse().expect("a number")
}

#[tokio::test]
async fn a_server_that_hangs_is_not_asked_for_each_of_its_documents() {
    let cluster = RedisCluster::builder()
        .replicas(0)
        .config("cluster-require-full-coverage", "no")
        .start()
        .await;
    let with_list = cluster.owner_of(cluster.slot_of(keys::POLLS).await).await;
    let victim = cluster.node((with_list + 1) % 3);
    let mut process = Process::at(cluster.url());
    for n in 0..1200 {
        let poll = draft(&format!("p{n}"), 1);
        let id = poll.definition.id();
        let json = serde_json::to_string(&poll).expect("JSON");
        let list = redis::Cmd::sadd(keys::POLLS, id.as_str());
        let listed = process.nodes.query::<()>(keys::POLLS, &list).await;
        listed.expect("listed");
        let key = keys::poll(id);
        let written = process.nodes.set_if_absent(&key, json.as_bytes()).await;
        assert!(written.expect("written"));
    }
    assert!(!process.read().await.is_partial);
    let mut connection = victim.connection().await;
    let before = came(&mut connection).await;
    let id = PollId::parse("p0").expect("an id");
    victim.pause();
    for _ in 0..2 {
        let news = process.read().await;
        assert!(news.is_partial);
        assert_eq!(news.regressions, []);
        // Nor for figures: one of so many shards is there.
        assert!(process.changes.silent_shard(&id, 64).is_some());
    }
    victim.resume();
    // Not again so soon, and at most twice to ask where all is.
    let came = came(&mut connection).await - before;
    assert!(came <= 3, "{came} connections");
    let away = process.known.polls.values().filter(|poll| poll.is_away());
    assert!(away.count() > 300);
    while process.read().await.is_partial {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(process.changes.silent_shard(&id, 64), None);
}
