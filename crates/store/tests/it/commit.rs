//! What one batch does.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use vote_domain::Refusal;
use vote_store::{Acceptance, LaneConfig, Outcome, Place, VoteToCast};
use vote_testkit::RedisServer;

use crate::support::{
    ANA, BIA, DEADLINE, Show, by_voter, is_accepted, keyed, lane_config, repeated, tally_of, vote,
    voter, voting_ms,
};

#[tokio::test]
async fn accepted_votes_are_in_tally_minutes_and_ledger() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let votes = (0..500).map(|n| voting.cast(vote(if n % 5 == 0 { BIA } else { ANA })));
    let outcomes = join_all(votes).await;
    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");
    assert_eq!(
        show.tally().await,
        tally_of(&[("torcida/ana", 400), ("torcida/bia", 100)])
    );
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    assert_eq!(audit.shards[0].tally, 500);
    assert_eq!(audit.shards[0].minutes, 500);
    assert_eq!(audit.shards[0].ledger, 500);
}

#[tokio::test]
async fn every_accepted_vote_has_a_place_of_its_own_that_the_ledger_has_reached() {
    let show = Show::open_on(RedisServer::start().await, 3).await;
    let voting = show.voting().await;
    let outcomes = join_all((0..300).map(|_| voting.cast(vote(ANA)))).await;
    let figures = show
        .operator
        .figures(&show.poll().await)
        .await
        .expect("figures");
    let mut places = BTreeSet::new();
    for outcome in outcomes {
        let Outcome::Accepted(Acceptance { place, .. }) = outcome else {
            panic!("{outcome:?}");
        };
        let ledger = figures[usize::from(place.shard)].writers[&place.writer];
        assert!(place.sequence <= ledger.last_sequence);
        places.insert((place.shard, place.sequence, place.place));
    }
    assert_eq!(places.len(), 300);
    assert!(
        figures.iter().all(|shard| shard.tally.total() == 100),
        "votes without a key go round"
    );
}

#[tokio::test]
async fn many_votes_share_a_batch() {
    let show = Show::open().await;
    let voting = show.voting().await;
    join_all((0..2_000).map(|_| voting.cast(vote(ANA)))).await;
    let batches = voting.metric("vote_batch_votes_count");
    assert!(batches <= 200.0, "2000 votes took {batches} batches");
}

#[tokio::test]
async fn votes_that_nobody_waits_for_are_recorded_and_say_so_to_who_asks_later() {
    let show = Show::open_on(RedisServer::start().await, 3).await;
    let voting = show.voting().await;
    let open = voting.poll();
    let mut sent: Vec<_> = (0..500)
        .map(|n| open.send(keyed(ANA, &format!("k{}", n % 250))))
        .collect();
    for (n, vote) in sent.iter_mut().enumerate() {
        let outcome = vote.outcome().await;
        match n {
            0..250 => assert!(is_accepted(&outcome), "{n}: {outcome:?}"),
            _ => {
                repeated(&outcome);
            }
        }
        // Asked again it says the same.
        assert_eq!(is_accepted(&vote.outcome().await), n < 250);
    }
    drop(open.send(keyed(BIA, "nobody-waits")));
    assert!(is_accepted(&voting.cast(keyed(BIA, "after")).await));
    let mut repeat = open.send(keyed(BIA, "nobody-waits"));
    repeated(&repeat.outcome().await);
    assert_eq!(
        show.tally().await,
        tally_of(&[("torcida/ana", 250), ("torcida/bia", 2)])
    );
}

#[tokio::test]
async fn a_repeated_key_is_counted_once() {
    let show = Show::open().await;
    let voting = show.voting().await;
    assert!(is_accepted(&voting.cast(keyed(ANA, "k1")).await));
    assert!(matches!(
        voting.cast(keyed(ANA, "k1")).await,
        Outcome::Duplicate(_)
    ));
    assert!(matches!(
        voting.cast(keyed(BIA, "k1")).await,
        Outcome::Mismatch
    ));
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 1)]));
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_repeat_and_its_repeat_are_proved_by_the_batch_that_found_them() {
    let show = Show::open().await;
    let (one, other) = (show.voting().await, show.voting().await);
    let first = one.cast(keyed(ANA, "k1")).await;
    let Outcome::Accepted(Acceptance { place: first, .. }) = first else {
        panic!("{first:?}");
    };
    let mut places = vec![first];
    for voting in [&one, &other, &other] {
        let place = repeated(&voting.cast(keyed(ANA, "k1")).await);
        assert!(!places.contains(&place), "{place:?}");
        assert!(show.proves(place).await, "{place:?}");
        let beyond = Place {
            sequence: place.sequence + 1,
            ..place
        };
        assert!(!show.proves(beyond).await, "{beyond:?}");
        places.push(place);
    }
    assert_eq!((places[1].writer, places[1].sequence), (first.writer, 2));
    assert_ne!(places[2].writer, first.writer);
    assert_eq!((places[2].sequence, places[3].sequence), (1, 2));
    assert!(matches!(
        other.cast(keyed(BIA, "k1")).await,
        Outcome::Mismatch
    ));
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 1)]));
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_key_repeated_within_one_batch_is_counted_once() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let votes = (0..300).map(|n| voting.cast(keyed(ANA, &format!("k{}", n % 100))));
    let outcomes = join_all(votes).await;
    let accepted = outcomes
        .iter()
        .filter(|outcome| is_accepted(outcome))
        .count();
    let duplicates = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Duplicate(_)))
        .count();
    assert_eq!((accepted, duplicates), (100, 200));
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 100)]));
}

#[tokio::test]
async fn more_keys_than_lua_can_unpack_and_than_a_batch_may_hold_are_all_counted() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let outcomes = join_all((0..10_000).map(|n| voting.cast(keyed(ANA, &format!("k{n}"))))).await;
    assert!(outcomes.iter().all(is_accepted));
    let again = join_all((0..10_000).map(|n| voting.cast(keyed(ANA, &format!("k{n}"))))).await;
    assert!(
        again
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Duplicate(_)))
    );
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 10_000)]));
}

#[tokio::test]
async fn a_key_is_known_to_another_process_and_across_windows_and_clocks() {
    let show = Show::open().await;
    let (one, other) = (show.voting().await, show.voting().await);
    let window_ms = 120_000;
    let boundary = (voting_ms() / window_ms + 1) * window_ms;
    let at = |text: &str, received_at_ms| VoteToCast {
        received_at_ms,
        ..keyed(ANA, text)
    };
    // Recorded at the end of a window, repeated in the next one.
    assert!(is_accepted(&one.cast(at("k1", boundary - 1)).await));
    assert!(matches!(
        other.cast(at("k1", boundary + window_ms - 1)).await,
        Outcome::Duplicate(_)
    ));
    // Recorded by a process whose clock is ahead, repeated at one whose clock is behind.
    assert!(is_accepted(&one.cast(at("k2", boundary + 1)).await));
    assert!(matches!(
        other.cast(at("k2", boundary - 1)).await,
        Outcome::Duplicate(_)
    ));
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", 2)]));
}

/// A vote for a candidate of whom its process knows that it has left the poll.
fn withdrawn(vote: VoteToCast) -> VoteToCast {
    VoteToCast {
        is_withdrawn: true,
        ..vote
    }
}

#[tokio::test]
async fn a_vote_for_a_withdrawn_candidate_is_looked_up_and_never_counted() {
    let show = Show::open().await;
    let (one, other) = (show.voting().await, show.voting().await);
    let is_refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(Refusal::Withdrawn));
    assert!(is_accepted(&one.cast(keyed(ANA, "k1")).await));
    for voting in [&one, &other] {
        let repeat = voting.cast(withdrawn(keyed(ANA, "k1"))).await;
        assert!(matches!(repeat, Outcome::Duplicate(_)), "{repeat:?}");
        let reused = voting.cast(withdrawn(keyed(BIA, "k1"))).await;
        assert!(matches!(reused, Outcome::Mismatch), "{reused:?}");
        let new = voting.cast(withdrawn(keyed(ANA, "k2"))).await;
        assert!(is_refused(&new), "{new:?}");
    }
    // In one batch with votes for others, and by a voter: neither key nor limit is used up.
    let outcomes = join_all((0..200).map(|n| {
        let key = format!("of-{n}");
        one.cast(match n % 2 {
            0 => withdrawn(keyed(ANA, &key)),
            _ => keyed(BIA, &key),
        })
    }))
    .await;
    let refused = outcomes
        .iter()
        .filter(|outcome| is_refused(outcome))
        .count();
    let accepted = outcomes
        .iter()
        .filter(|outcome| is_accepted(outcome))
        .count();
    assert_eq!((refused, accepted), (100, 100));
    assert!(is_refused(
        &one.cast(withdrawn(by_voter(ANA, "maria"))).await
    ));
    for _ in 0..2 {
        assert!(is_accepted(&one.cast(by_voter(BIA, "maria")).await));
    }
    assert!(
        is_accepted(&other.cast(keyed(ANA, "k2")).await),
        "taken back"
    );
    assert_eq!(
        show.tally().await,
        tally_of(&[("torcida/ana", 2), ("torcida/bia", 100), ("unico/bia", 2)])
    );
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn remembered_keys_expire_once_nobody_can_find_them() {
    let show = Show::open().await;
    let voting = show.voting().await;
    voting.cast(keyed(ANA, "k1")).await;
    let mut redis = show.redis.connection().await;
    let left: i64 = redis::cmd("PTTL")
        .arg("vote:{paredao-01/0}:seen")
        .query_async(&mut redis)
        .await
        .expect("an answer");
    assert!(left > 120_000 && left <= 150_000, "{left}");
}

#[tokio::test]
async fn a_voter_has_so_many_votes_and_no_more() {
    let show = Show::open().await;
    let voting = show.voting().await;
    assert!(is_accepted(&voting.cast(by_voter(ANA, "maria")).await));
    assert!(is_accepted(&voting.cast(by_voter(BIA, "maria")).await));
    assert!(matches!(
        voting.cast(by_voter(ANA, "maria")).await,
        Outcome::LimitReached
    ));
    assert!(is_accepted(&voting.cast(by_voter(ANA, "joao")).await));
    assert_eq!(
        show.tally().await,
        tally_of(&[("unico/ana", 2), ("unico/bia", 1)])
    );
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn a_voters_limit_holds_within_one_batch_and_a_retry_does_not_use_it_up() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let first = VoteToCast {
        voter: Some(voter("maria")),
        channel: 1,
        ..keyed(ANA, "k1")
    };
    for _ in 0..3 {
        voting.cast(first.clone()).await;
    }
    assert!(
        is_accepted(&voting.cast(by_voter(ANA, "maria")).await),
        "retries used the limit up"
    );
    let crowd =
        join_all((0..1_000).map(|n| voting.cast(by_voter(ANA, &format!("v{}", n % 100))))).await;
    assert_eq!(
        crowd.iter().filter(|outcome| is_accepted(outcome)).count(),
        200
    );
    assert_eq!(show.tally().await, tally_of(&[("unico/ana", 202)]));
}

#[tokio::test]
async fn votes_count_in_the_minute_in_which_they_were_received() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let minute = voting_ms() / 60_000 * 60_000;
    let votes = [
        minute - 1,
        minute,
        minute + 59_999,
        minute + 60_000,
        minute + 3_600_000,
    ];
    join_all(votes.map(|received_at_ms| {
        voting.cast(VoteToCast {
            received_at_ms,
            ..vote(ANA)
        })
    }))
    .await;
    let figures = show
        .operator
        .figures(&show.poll().await)
        .await
        .expect("figures");
    let minutes: Vec<_> = figures[0]
        .minutes
        .iter()
        .map(|(minute, tally)| (minute.start().to_string(), tally.total()))
        .collect();
    assert_eq!(
        minutes,
        [
            ("2025-11-24T01:01:00Z".to_owned(), 1),
            ("2025-11-24T01:02:00Z".to_owned(), 2),
            ("2025-11-24T01:03:00Z".to_owned(), 1),
            ("2025-11-24T02:02:00Z".to_owned(), 1),
        ]
    );
    assert!(show.audit().await.passed);
}

#[tokio::test]
async fn the_script_runs_on_a_cluster() {
    let redis = RedisServer::builder()
        .config("cluster-enabled", "yes")
        .start()
        .await;
    let mut connection = redis.connection().await;
    redis::cmd("CLUSTER")
        .arg("ADDSLOTSRANGE")
        .arg(0)
        .arg(16_383)
        .exec_async(&mut connection)
        .await
        .expect("slots");
    vote_testkit::eventually(crate::support::DEADLINE, || async {
        let info: String = redis::cmd("CLUSTER")
            .arg("INFO")
            .query_async(&mut redis.connection().await)
            .await
            .expect("an answer");
        info.contains("cluster_state:ok")
    })
    .await;
    let show = Show::open_on(redis, 4).await;
    let voting = show.voting().await;
    let votes = (0..200).map(|n| voting.cast(keyed(ANA, &format!("k{n}"))));
    assert!(join_all(votes).await.iter().all(is_accepted));
    let voters = (0..200).map(|n| voting.cast(by_voter(BIA, &format!("v{n}"))));
    assert!(join_all(voters).await.iter().all(is_accepted));
    let audit = show.audit().await;
    assert!(audit.passed, "{:?}", audit.differences);
    assert_eq!(audit.total, 400);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let show = Show::open().await;
    let config = LaneConfig {
        queue_capacity: 8,
        ..lane_config()
    };
    let voting = show.voting_with(&show.redis.url(), config).await;
    voting.cast(vote(ANA)).await;
    show.redis.pause();
    let poll = voting.poll();
    // One batch in flight, eight votes in the queue; with Redis stopped no more can leave.
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            let poll = poll.clone();
            tokio::spawn(async move { poll.cast(vote(ANA)).await })
        })
        .collect();
    vote_testkit::eventually(crate::support::DEADLINE, || async {
        voting.metric("vote_votes_total{poll=\"paredao-01\",outcome=\"queue_full\"}") > 0.0
    })
    .await;
    show.redis.resume();
    let mut accepted = 0;
    let mut full = 0;
    for vote in waiting {
        match vote.await.expect("no panic") {
            Outcome::Accepted(_) => accepted += 1,
            Outcome::QueueFull => full += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(full > 0);
    assert_eq!(
        show.tally().await,
        tally_of(&[("torcida/ana", accepted + 1)])
    );
}

#[tokio::test]
async fn redis_sees_at_most_a_tenth_of_a_command_a_vote() {
    let show = Show::open().await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    let mut redis = show.redis.connection().await;
    redis::cmd("CONFIG")
        .arg("RESETSTAT")
        .exec_async(&mut redis)
        .await
        .expect("reset");
    let poll = voting.poll();
    // A closed loop of 256 clients, as a load of that many connections would be.
    let clients = (0..=255_u8).map(|n| {
        let poll = poll.clone();
        async move {
            for _ in 0..40 {
                assert!(is_accepted(&poll.cast(vote(n % 2)).await));
            }
        }
    });
    join_all(clients).await;
    let info: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut redis)
        .await
        .expect("stats");
    let calls: u32 = info
        .lines()
        .filter_map(|line| {
            line.split_once("calls=")?
                .1
                .split(',')
                .next()?
                .parse::<u32>()
                .ok()
        })
        .sum();
    assert!(calls <= 1_024, "{calls} commands for 10240 votes:\n{info}");
}

#[tokio::test]
async fn draining_sends_what_waits() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let poll = voting.poll();
    let waiting: Vec<_> = (0..500)
        .map(|_| {
            let poll = poll.clone();
            tokio::spawn(async move { poll.cast(vote(ANA)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    voting.writer.drain(DEADLINE).await;
    let mut accepted = 0;
    for vote in waiting {
        accepted += u64::from(is_accepted(&vote.await.expect("no panic")));
    }
    assert_eq!(show.tally().await, tally_of(&[("torcida/ana", accepted)]));
    assert!(accepted > 0);
}
