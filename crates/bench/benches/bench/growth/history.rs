//! Polls that have votes behind them: written to Redis as if they had come, by one writer in each shard.

use std::fmt::Write as _;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use vote_domain::Clock as _;
use vote_runtime::SystemClock;
use vote_testkit::RedisServer;

use crate::poll::open_poll_of;
use crate::poll_text::poll_text;

const SECONDS_OF_A_MINUTE: i64 = 60;
/// Votes that one call writes, at most: others wait meanwhile.
const AT_ONCE: usize = 50_000;
/// What a call may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a table of a hash of many fields, as `commit.lua` does.
const WIDEN: &str = "
local function widen(key, field)
  if #ARGV > 2 + 16 and redis.call('EXISTS', key) == 0 then
    redis.call('HSET', key, field, string.rep('0', 65))
    redis.call('HSET', key, field, '0')
  end
end
";

/// A vote of each kind in so many minutes from the first one on, in the tally and in the ledger.
const FILL: &str = "
local votes = {}
widen(KEYS[2], ARGV[3])
for i = 3, #ARGV do
  votes[#votes + 1] = ARGV[i]
  votes[#votes + 1] = '1'
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[2])
end
for minute = tonumber(ARGV[1]), ARGV[1] + ARGV[2] - 1 do
  local key = KEYS[1] .. string.format('%.0f', minute)
  widen(key, ARGV[3])
  redis.call('HSET', key, unpack(votes))
end
redis.call('HINCRBY', KEYS[3], '00000000000000aa/sequence', 1)
redis.call('HINCRBY', KEYS[3], '00000000000000aa/votes', (#ARGV - 2) * ARGV[2])
";

/// A vote of each kind, received now.
const CHANGE: &str = "
widen(KEYS[1], ARGV[2])
for i = 2, #ARGV do
  redis.call('HINCRBY', KEYS[1], ARGV[i], 1)
  redis.call('HINCRBY', KEYS[2], ARGV[i], 1)
end
redis.call('HINCRBY', KEYS[3], '00000000000000aa/sequence', 1)
redis.call('HINCRBY', KEYS[3], '00000000000000aa/votes', #ARGV - 1)
redis.call('HSET', KEYS[4], 'received_at', ARGV[1])
";

/// Such a poll.
#[derive(Clone)]
pub(super) struct History {
    id: &'static str,
    shards: u16,
    channels: Vec<String>,
    candidates: Vec<String>,
}

impl History {
    /// Of one channel and four candidates, in one shard.
    pub(super) fn plain(id: &'static str) -> Self {
        Self {
            id,
            shards: 1,
            channels: vec!["torcida".to_owned()],
            candidates: ["ana", "bia", "caio", "davi"].map(str::to_owned).into(),
        }
    }

    /// Of so many channels, and of so many candidates whose ids begin so.
    pub(super) fn wide(
        id: &'static str,
        shards: u16,
        channels: u16,
        (candidates, name): (u16, &str),
    ) -> Self {
        Self {
            id,
            shards,
            channels: (1..=channels).map(|it| format!("canal-{it}")).collect(),
            candidates: (1..=candidates).map(|it| format!("{name}-{it}")).collect(),
        }
    }

    /// How many kinds of votes there are.
    pub(super) fn kinds(&self) -> usize {
        self.channels.len() * self.candidates.len()
    }

    /// Opens the poll: for so many days, by now.
    pub(super) async fn open(&self, redis: &RedisServer, days: i64) -> anyhow::Result<()> {
        let text = poll_text(self.id, self.shards, days, SystemClock.now())?;
        // All that stands before its candidates and channels.
        let (head, _) = text.split_once("candidates:").unwrap_or((&text, ""));
        let mut text = format!("{head}candidates:\n");
        for id in &self.candidates {
            writeln!(text, "  - {{ id: {id}, name: {id} }}")?;
        }
        text.push_str("channels:\n");
        for id in &self.channels {
            writeln!(text, "  - {{ id: {id}, weight: 1, eligibility: open }}")?;
        }
        open_poll_of(&redis.url(), &text).await
    }

    /// Writes a vote of each kind into each of the last so many minutes of each shard, but for the one that is.
    pub(super) async fn fill(&self, redis: &RedisServer, minutes: i64) -> anyhow::Result<()> {
        let mut connection = connection(redis).await?;
        let end = minute_of_now();
        let most = i64::try_from((AT_ONCE / self.kinds()).max(1))?;
        for shard in 0..self.shards {
            let mut from = end - minutes;
            while from < end {
                let part = (end - from).min(most);
                redis::cmd("EVAL")
                    .arg(format!("{WIDEN}{FILL}"))
                    .arg(3)
                    .arg(self.key(shard, "minutes:"))
                    .arg(self.key(shard, "tally"))
                    .arg(self.key(shard, "writers"))
                    .arg(&[from, part])
                    .arg(self.fields())
                    .exec_async(&mut connection)
                    .await?;
                from += part;
            }
        }
        Ok(())
    }

    /// Lets a vote of each kind come to each shard, now.
    pub(super) async fn change(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> anyhow::Result<()> {
        let minute = format!("minutes:{}", minute_of_now());
        let mut pipeline = redis::pipe();
        for shard in 0..self.shards {
            pipeline
                .cmd("EVAL")
                .arg(format!("{WIDEN}{CHANGE}"))
                .arg(4)
                .arg(self.key(shard, &minute))
                .arg(self.key(shard, "tally"))
                .arg(self.key(shard, "writers"))
                .arg(self.key(shard, "state"))
                .arg(SystemClock.now().as_millisecond())
                .arg(self.fields())
                .ignore();
        }
        Ok(pipeline.exec_async(connection).await?)
    }

    fn key(&self, shard: u16, name: &str) -> String {
        format!("vote:{{{}/{shard}}}:{name}", self.id)
    }

    fn fields(&self) -> Vec<String> {
        let of = |channel: &String| {
            let each = self.candidates.iter();
            each.map(|candidate| format!("{channel}/{candidate}"))
                .collect::<Vec<_>>()
        };
        self.channels.iter().flat_map(of).collect()
    }
}

/// A connection that waits for long answers.
pub(super) async fn connection(redis: &RedisServer) -> anyhow::Result<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    let client = redis.client();
    Ok(client
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}

fn minute_of_now() -> i64 {
    SystemClock.now().as_second() / SECONDS_OF_A_MINUTE
}
