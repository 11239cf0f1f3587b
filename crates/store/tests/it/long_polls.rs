//! The largest polls that are accepted: they are read, and hold up nobody meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use vote_domain::{Poll, PollDefinition, PollId, Transition};
use vote_store::{PollOperator, Progress, RedisConfig, Store};
use vote_testkit::fixtures::demo_poll;
use vote_testkit::{RedisServer, eventually};

use crate::snapshots::Reading;
use crate::support::{ANA, DEADLINE, Show, at, opens_at, vote};

/// The most of Redis that a call may take, in microseconds; by the mean of all of them, since in each there may be what a
/// busy machine adds.
const MOST_US: u64 = 10_000;
/// The most fields that a call reads, and the most minutes that it names.
const MOST_FIELDS: u64 = 1_024 + 512;
const MOST_MINUTES: u64 = 120;
const FIRST_MINUTE: i64 = 1_763_942_400 / 60;

/// So many minutes, one in `every`, with a vote for each channel and candidate.
const FILL: &str = "
local votes, first = {}, tonumber(ARGV[1])
for channel = 1, ARGV[4] do
  for candidate = 1, ARGV[5] do
    votes[#votes + 1] = 'channel-' .. channel .. '/candidate-' .. candidate
    votes[#votes + 1] = '1'
  end
end
for minute = first, first + ARGV[2] - 1, ARGV[3] do
  redis.call('HSET', KEYS[1] .. ':minutes:' .. string.format('%.0f', minute), unpack(votes))
end
return #votes / 2
";

pub(crate) fn definition(
    id: &str,
    candidates: usize,
    channels: usize,
    days: i64,
) -> PollDefinition {
    let candidates = (1..=candidates)
        .map(|number| serde_json::json!({ "id": format!("candidate-{number}"), "name": "A" }));
    let channels = (1..=channels).map(|number| {
        serde_json::json!({ "id": format!("channel-{number}"), "weight": 1, "eligibility": "open" })
    });
    let closes_at = opens_at() + jiff::SignedDuration::from_hours(24 * days);
    demo_poll()
        .id(id)
        .between(opens_at(), closes_at)
        .with("candidates", candidates.collect::<Vec<_>>())
        .with("channels", channels.collect::<Vec<_>>())
        .shards(1)
        .definition()
}

/// Opens a poll with a vote for each channel and candidate in one of `every` minutes; gives its votes.
async fn filled(
    operator: &PollOperator,
    redis: &RedisServer,
    poll: PollDefinition,
    every: i64,
) -> u64 {
    let minutes = (poll.closes_at().as_second() - poll.opens_at().as_second()) / 60;
    let (channels, candidates) = (poll.channels().len(), poll.candidates().len());
    let draft = Poll::draft(poll, opens_at(), "test");
    operator.save(&draft, 0).await.expect("saved");
    let open = draft.transition(Transition::Open, opens_at(), "test");
    let open = open.expect("legal");
    operator.save(&open, draft.revision).await.expect("saved");

    let mut connection = redis.connection().await;
    let shard = format!("{}/0", open.definition.id());
    let mut from = FIRST_MINUTE;
    while from < FIRST_MINUTE + minutes {
        let part = (FIRST_MINUTE + minutes - from).min(every * 200);
        redis::cmd("EVAL")
            .arg(FILL)
            .arg(1)
            .arg(format!("vote:{{{shard}}}"))
            .arg(&[from, part, every])
            .arg(&[channels, candidates])
            .exec_async(&mut connection)
            .await
            .expect("filled");
        from += part;
    }
    let each = u64::try_from((minutes + every - 1) / every).expect("positive");
    let votes = each * (channels * candidates) as u64;
    let mut pipeline = redis::pipe();
    let tally = pipeline.cmd("HSET").arg(format!("vote:{{{shard}}}:tally"));
    for channel in 1..=channels {
        for candidate in 1..=candidates {
            let field = format!("channel-{channel}/candidate-{candidate}");
            tally.arg(field).arg(each);
        }
    }
    pipeline
        .cmd("HSET")
        .arg(format!("vote:{{{shard}}}:writers"))
        .arg(&["00000000000000aa/sequence", "1", "00000000000000aa/votes"])
        .arg(votes)
        .exec_async(&mut connection)
        .await
        .expect("filled");
    votes
}

/// From here on calls are counted.
async fn count_from_here(connection: &mut MultiplexedConnection) {
    let mut reset = redis::cmd("CONFIG");
    let reset = reset.arg("RESETSTAT").exec_async(connection).await;
    reset.expect("reset");
}

/// Whether minutes with so many fields were read in calls of which each kept Redis for a moment.
async fn took_small_calls(connection: &mut MultiplexedConnection, minutes: u64, fields: u64) {
    let (calls, us) = reads(connection).await;
    assert!(calls * MOST_FIELDS >= fields && calls * MOST_MINUTES >= minutes);
    assert!(us / calls < MOST_US, "{us} us in {calls} calls");
}

/// Calls of scripts that read, and the microseconds that they have taken.
async fn reads(connection: &mut MultiplexedConnection) -> (u64, u64) {
    calls_of(connection, "evalsha_ro").await
}

/// Calls of a command, within scripts too, and the microseconds that they have taken.
async fn calls_of(connection: &mut MultiplexedConnection, command: &str) -> (u64, u64) {
    let mut info = redis::cmd("INFO");
    let answer = info.arg("commandstats").query_async(connection).await;
    let stats: String = answer.expect("it answers");
    let name = format!("cmdstat_{command}:");
    let line = stats.lines().find_map(|line| line.strip_prefix(&name));
    let figures = line.unwrap_or_default().split(',');
    let figures: BTreeMap<&str, &str> = figures.filter_map(|one| one.split_once('=')).collect();
    let figure = |name| {
        let text = figures.get(name);
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    (figure("calls"), figure("usec"))
}

/// The long poll's figures are read by a results service, and another poll's meanwhile.
async fn is_read(show: &Show, long: &str, minutes: u64, votes: u64, now: &str) {
    let mut connection = show.redis.connection().await;
    let voting = show.voting().await;
    voting.cast(vote(ANA)).await;
    count_from_here(&mut connection).await;
    let reading = Reading::start_every(Duration::from_millis(250), &show.url);
    reading.clock.set(at(now));
    let snapshot = || {
        let snapshots = reading.snapshots.borrow();
        snapshots
            .polls
            .get(long)
            .map(|poll| Arc::clone(&poll.snapshot))
    };
    reading.total(1).await;
    let is_unknown = snapshot().is_none();
    assert!(
        is_unknown,
        "the short poll was to be read before the long one"
    );
    let long = eventually(DEADLINE * 3, || async { snapshot() }).await;
    assert_eq!(long.tally.total(), u128::from(votes));
    assert_eq!(long.minutes.sum().as_ref(), Ok(&long.tally));
    took_small_calls(&mut connection, minutes, votes).await;

    // From here on a tick's reading is as large as that of a poll that has just opened: some hashes, and some minutes.
    count_from_here(&mut connection).await;
    voting.cast(vote(ANA)).await;
    reading.total(2).await;
    let (hashes, _us) = calls_of(&mut connection, "hgetall").await;
    assert!(hashes < minutes / 10, "{hashes} hashes of {minutes}");
}

/// How far a reading was told to be.
#[derive(Default, Clone)]
struct Told(Arc<Mutex<Vec<(u64, u64)>>>);

impl Told {
    /// What `votectl` has of the store, and tells how far it is.
    fn operator(&self, show: &Show) -> PollOperator {
        let telling = Arc::clone(&self.0);
        let tell: Arc<Progress> =
            Arc::new(move |read, all| telling.lock().expect("not poisoned").push((read, all)));
        let mut config = RedisConfig::new(&show.url).expect("an address");
        config.response_timeout = DEADLINE;
        let operator = Store::new(&config).expect("usable").operator();
        operator.telling(tell)
    }

    /// Whether it was told all along, and to the end, of each reading: a sealing has several. From then on others are told.
    fn was_told_to_the_end(&self) {
        let told = std::mem::take(&mut *self.0.lock().expect("not poisoned"));
        assert!(told.len() > 10, "{told:?}");
        for reading in told.chunk_by(|before, after| before <= after) {
            let ended = reading.last().is_some_and(|(read, all)| read == all);
            assert!(ended, "{reading:?}");
        }
    }
}

/// `votectl export` and `votectl poll seal` read it, and tell how far they are.
async fn is_exported_and_sealed(show: &Show, long: &str, minutes: u64, votes: u64) {
    let mut connection = show.redis.connection().await;
    let told = Told::default();
    let operator = told.operator(show);
    let id = PollId::parse(long).expect("an id");
    let poll = operator.get(&id).await.expect("it answers");
    let poll = poll.expect("the poll is there");
    count_from_here(&mut connection).await;
    let figures = operator.figures(&poll).await.expect("figures");
    let [shard] = figures.as_slice() else {
        panic!("{} shards", figures.len());
    };
    assert_eq!(shard.tally.total(), u128::from(votes));
    assert_eq!(shard.minutes.sum().as_ref(), Ok(&shard.tally));
    told.was_told_to_the_end();
    took_small_calls(&mut connection, minutes, votes).await;

    let now = poll.closes_at;
    let closed = poll.transition(Transition::Close, now, "test");
    let closed = closed.expect("legal");
    operator.save(&closed, poll.revision).await.expect("saved");
    // The one writer that there is has ended without a word.
    let abandoned = shard.writers.keys().copied().collect();
    count_from_here(&mut connection).await;
    let sealed = operator.seal(&closed, &abandoned, now, "test").await;
    let sealed = sealed.expect("sealed");
    assert_eq!(sealed.standing.total_votes, Some(u128::from(votes)));
    assert_eq!(sealed.verify(), Ok(()));
    told.was_told_to_the_end();
    took_small_calls(&mut connection, minutes, votes).await;
}

/// `votectl` reads it, and tells how far it is.
async fn is_audited(show: &Show, long: &str, minutes: u64, votes: u64) {
    let mut connection = show.redis.connection().await;
    count_from_here(&mut connection).await;
    let told = Told::default();
    let operator = told.operator(show);
    let id = PollId::parse(long).expect("an id");
    let audit = operator.audit(&id).await.expect("it answers");
    let audit = audit.expect("the poll is there");
    assert!(audit.passed, "{:?}", audit.differences);
    assert_eq!(audit.total, u128::from(votes));
    told.was_told_to_the_end();
    took_small_calls(&mut connection, minutes, votes).await;
}

#[tokio::test]
async fn two_days_of_all_candidates_and_channels_are_read() {
    let show = Show::open().await;
    let poll = definition("longa", 64, 8, 2);
    let votes = filled(&show.operator, &show.redis, poll, 1).await;
    is_read(&show, "longa", 2 * 1_440, votes, "2025-11-25T23:59:30Z").await;
    is_audited(&show, "longa", 2 * 1_440, votes).await;
}

#[tokio::test]
async fn a_year_is_read() {
    let show = Show::open().await;
    let poll = definition("longa", 4, 2, 365);
    let votes = filled(&show.operator, &show.redis, poll, 10).await;
    is_read(&show, "longa", 365 * 1_440, votes, "2026-11-23T23:59:30Z").await;
    is_audited(&show, "longa", 365 * 1_440, votes).await;
    is_exported_and_sealed(&show, "longa", 365 * 1_440, votes).await;
}
