//! The largest poll that is accepted, of two days with all candidates and channels: its figures are exported, and it is sealed.

use crate::support::{json, run};
use jiff::SignedDuration;
use serde_json::{Value, json as value};
use vote_domain::{Clock as _, Minute, wire_time};
use vote_runtime::SystemClock;
use vote_testkit::RedisServer;

const POLL: &str = "longa";
const CANDIDATES: u64 = 64;
const CHANNELS: u64 = 8;
const MINUTES: u64 = 2 * 1_440;

/// So many minutes, each with a vote for each channel and candidate; with tally and ledger that agree with all of them until then.
const FILL: &str = "
local pairs_of, first, minutes = {}, tonumber(ARGV[1]), tonumber(ARGV[2])
for channel = 1, ARGV[3] do
  for candidate = 1, ARGV[4] do
    pairs_of[#pairs_of + 1] = 'channel-' .. channel .. '/candidate-' .. candidate
  end
end
local function all(votes)
  local fields = {}
  for _, field in ipairs(pairs_of) do
    fields[#fields + 1] = field
    fields[#fields + 1] = votes
  end
  return unpack(fields)
end
for minute = first, first + minutes - 1 do
  local key = KEYS[1] .. ':minutes:' .. string.format('%.0f', minute)
  -- As a batch makes a table of it, which is written faster.
  redis.call('HSET', key, pairs_of[1], string.rep('0', 65))
  redis.call('HSET', key, all('1'))
end
redis.call('HSET', KEYS[1] .. ':tally', all(ARGV[5]))
local writer = '00000000000000aa'
redis.call('HSET', KEYS[1] .. ':writers', writer .. '/sequence', '1', writer .. '/votes', #pairs_of * ARGV[5])
";

/// A Redis with the poll, open, with all its votes.
async fn filled() -> (RedisServer, u64) {
    let server = RedisServer::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = Minute::from_timestamp(SystemClock.now()).start() - SignedDuration::from_hours(48);
    let time = |at| wire_time::format(at);
    let candidates = (1..=CANDIDATES).map(
        |number| value!({ "id": format!("candidate-{number}"), "name": format!("N{number}") }),
    );
    let channels = (1..=CHANNELS).map(
        |number| value!({ "id": format!("channel-{number}"), "weight": 1, "eligibility": "open" }),
    );
    let definition = value!({
        "id": POLL, "title": "Longa", "direction": "eliminate", "kind": "live",
        "opens_at": time(first), "closes_at": time(first + SignedDuration::from_hours(72)),
        "timezone": "America/Sao_Paulo", "visibility": "public", "shards": 1,
        "candidates": candidates.collect::<Vec<_>>(), "channels": channels.collect::<Vec<_>>(),
    });
    let file = dir.path().join("longa.json");
    std::fs::write(&file, definition.to_string()).expect("written");
    json(&server, &format!("poll apply {}", file.display())).await;
    json(&server, &format!("poll open {POLL}")).await;
    let mut redis = server.connection().await;
    let first = first.as_second() / 60;
    for (from, until) in (first..).step_by(60).zip((60..=MINUTES).step_by(60)) {
        redis::cmd("EVAL")
            .arg(FILL)
            .arg(1)
            .arg(format!("vote:{{{POLL}/0}}"))
            .arg(from)
            .arg(&[60, CHANNELS, CANDIDATES, until])
            .exec_async(&mut redis)
            .await
            .expect("filled");
    }
    (server, MINUTES * CHANNELS * CANDIDATES)
}

/// The total of each line that has votes.
fn totals(csv: &str) -> Vec<u64> {
    let lines = csv.lines().skip(1);
    let totals = lines.filter_map(|line| line.split(',').nth(1)?.parse().ok());
    totals.filter(|votes| *votes > 0).collect()
}

#[tokio::test]
async fn the_figures_of_a_long_poll_are_exported_and_it_is_sealed() {
    let (server, votes) = filled().await;
    let export = |what: &str| format!("export {POLL} --what {what}");
    let csv = run(&server, &export("minutely")).await;
    assert_eq!(csv.code(), Some(0), "{}", csv.stderr());
    let each = CHANNELS * CANDIDATES;
    assert_eq!(totals(&csv.stdout()), vec![each; 2_880]);
    let minutely = json(&server, &export("minutely")).await;
    let rows = minutely["rows"].as_array().expect("rows").iter();
    let of_one = rows.filter_map(|row| row["candidates"]["candidate-64"].as_u64());
    assert_eq!(of_one.sum::<u64>(), MINUTES * CHANNELS);
    let csv = run(&server, &export("hourly")).await;
    assert_eq!(totals(&csv.stdout()).iter().sum::<u64>(), votes);

    json(&server, &format!("poll close {POLL} --yes")).await;
    // Its one writer has ended without a word.
    let seal = format!("poll seal {POLL} --abandon 00000000000000aa --now --yes");
    let sealed = json(&server, &seal).await;
    assert_eq!(sealed["standing"]["total_votes"], votes, "{sealed}");
    let audit = json(&server, &format!("audit {POLL}")).await;
    assert_eq!(
        (&audit["passed"], &audit["total"]),
        (&value!(true), &value!(votes))
    );
    let document = json(&server, &export("sealed")).await;
    assert_eq!(document["standing"]["total_votes"], votes);
    let results = json(&server, &export("results")).await;
    let Value::String(sha256) = &results["sha256"] else {
        panic!("{results}");
    };
    assert_eq!(document["sha256"], **sha256);
    let after = run(&server, &export("minutely")).await;
    assert_eq!(totals(&after.stdout()), vec![each; 2_880]);
}
