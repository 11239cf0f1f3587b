//! In which form Redis keeps a poll's hashes, with the settings that it comes with: what is searched at every batch is a table where it is
//! large, and what there is a million of is one piece of memory.

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use vote_domain::VoterDigest;
use vote_store::VoteToCast;
use vote_testkit::fixtures::demo_poll;
use vote_testkit::{RedisServer, eventually};

use crate::support::{ANA, DEADLINE, Show, closes_at, is_accepted, key, opens_at, vote, voting_ms};

const CANDIDATES: u8 = 64;
const CHANNELS: u8 = 8;

/// A poll with all the candidates and channels that there can be, of which the last counts voters.
async fn full() -> Show {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let candidates: Vec<_> = (1..=CANDIDATES)
        .map(|number| serde_json::json!({ "id": format!("candidate-{number}"), "name": "A" }))
        .collect();
    let mut channels: Vec<_> = (1..CHANNELS)
        .map(|number| serde_json::json!({ "id": format!("c{number}"), "weight": 1, "eligibility": "open" }))
        .collect();
    channels.push(
        serde_json::json!({ "id": "unico", "weight": 1, "eligibility": "voter", "votes_per_voter": 1 }),
    );
    let definition = demo_poll()
        .between(opens_at(), closes_at())
        .with("candidates", candidates)
        .with("channels", channels)
        .shards(1)
        .definition();
    Show::open_as(redis, url, definition).await
}

async fn encoding(redis: &mut MultiplexedConnection, key: &str) -> String {
    let mut ask = redis::cmd("OBJECT");
    ask.arg("ENCODING").arg(key);
    ask.query_async(redis).await.expect("it answers")
}

/// The forms of a shard's hashes.
async fn forms(show: &Show, names: &[&str]) -> Vec<String> {
    let mut redis = show.redis.connection().await;
    let mut forms = Vec::new();
    for name in names {
        let key = format!("vote:{{{}/0}}:{name}", show.id);
        forms.push(encoding(&mut redis, &key).await);
    }
    forms
}

#[tokio::test]
async fn what_is_large_and_searched_at_every_batch_is_a_table() {
    let show = full().await;
    let voting = show.voting().await;
    let all = || {
        let channels = 0..CHANNELS;
        channels.flat_map(|channel| (0..CANDIDATES).map(move |candidate| (channel, candidate)))
    };
    let votes = all().enumerate().map(|(n, (channel, candidate))| {
        let voter = VoterDigest::new(&[7; 32], &show.id, &format!("voter-{n}"));
        let is_counted = channel + 1 == CHANNELS;
        voting.cast(VoteToCast {
            channel,
            candidate,
            key: Some(key(&format!("key-{n}"))),
            voter: is_counted.then_some(voter),
            ..vote(ANA)
        })
    });
    let outcomes = join_all(votes).await;
    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");
    // Twice as many keys as Redis keeps as one piece.
    let more = (0..600).map(|n| {
        voting.cast(VoteToCast {
            key: Some(key(&format!("more-{n}"))),
            ..vote(ANA)
        })
    });
    let outcomes = join_all(more).await;
    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");

    let minute = format!("minutes:{}", voting_ms() / 60_000);
    let forms = forms(&show, &["tally", &minute, "seen", "writers", "state"]).await;
    assert_eq!(
        forms,
        [
            "hashtable",
            "hashtable",
            "hashtable",
            "listpack",
            "listpack"
        ]
    );
    let mut redis = show.redis.connection().await;
    let pattern = format!("vote:{{{}/0}}:voters:unico:*", show.id);
    let mut keys = redis::cmd("KEYS");
    let buckets: Vec<String> = keys
        .arg(pattern)
        .query_async(&mut redis)
        .await
        .expect("keys");
    assert!(!buckets.is_empty());
    for bucket in buckets {
        assert_eq!(encoding(&mut redis, &bucket).await, "listpack", "{bucket}");
    }

    // What makes the tables is in no figure.
    eventually(DEADLINE, || async { show.audit().await.passed }).await;
    let figures = show
        .operator
        .figures(&show.poll().await)
        .await
        .expect("figures");
    let [shard] = figures.as_slice() else {
        panic!("{} shards", figures.len());
    };
    for (channel, candidate) in all() {
        let more = if (channel, candidate) == (0, 0) {
            600
        } else {
            0
        };
        let votes = shard
            .tally
            .get(usize::from(channel), usize::from(candidate));
        assert_eq!(votes, 1 + more, "{channel} {candidate}");
    }
    assert_eq!(shard.minutes.sum().as_ref(), Ok(&shard.tally));
}

#[tokio::test]
async fn what_is_small_is_one_piece_of_memory() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let outcomes = join_all((0..40).map(|_| voting.cast(vote(ANA)))).await;
    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");
    let minute = format!("minutes:{}", voting_ms() / 60_000);
    let forms = forms(&show, &["tally", &minute, "writers"]).await;
    assert_eq!(forms, ["listpack"; 3]);
}
