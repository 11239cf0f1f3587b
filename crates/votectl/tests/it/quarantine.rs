//! Votes that were set aside: what an operator sees of them, and decides.

use crate::support::{fails, json, opened, run, service, service_with, vote, vote_with};
use crate::two_operators::insisting;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json as value};
use std::net::SocketAddr;
use vote_domain::{Clock as _, Minute, wire_time};
use vote_runtime::SystemClock;
use vote_testkit::RedisServer;

const POLL: &str = "paredao-01";

/// The client of these tests sends no User-Agent: enough to be suspect.
const SUSPECT: [(&str, &str); 2] = [
    ("VOTE__SUSPICION__THRESHOLD", "100"),
    ("VOTE__SUSPICION__CLIENT_FIELDS_POINTS", "100"),
];

#[tokio::test]
async fn votes_are_shown_released_and_annulled_and_sealing_waits_for_it() {
    let (server, _dir, _file) = opened().await;
    let (_honest, honest) = service("vote-ingest", &server).await;
    let (_strict, strict) = service_with("vote-ingest", &server.url(), &SUSPECT).await;
    vote(honest, POLL).await;
    for number in 0..3 {
        let key = format!("idempotency-key: suspect-{number}\r\n");
        let (status, answer) = vote_with(strict, POLL, &key).await;
        assert_eq!((status, &answer["status"]), (201, &value!("accepted")));
        assert!(answer["receipt"].is_string());
        let (status, again) = vote_with(honest, POLL, &key).await;
        assert_eq!(
            (status, &again["status"]),
            (200, &value!("already_accepted"))
        );
    }

    let shown = json(&server, &format!("quarantine show {POLL}")).await;
    assert_eq!(shown["undecided"], 3);
    let row = value!({
        "reason": "client_fields", "channel": "torcida", "candidate": "ana",
        "undecided": 3, "released": 0, "annulled": 0,
    });
    assert_eq!(shown["votes"], value!([row]));
    let text = run(&server, &format!("quarantine show {POLL}"))
        .await
        .stdout();
    assert!(
        text.contains("3 votes undecided, 0 released, 0 annulled"),
        "{text}"
    );
    let other = format!("quarantine show {POLL} --reason deny_list");
    assert_eq!(json(&server, &other).await["undecided"], 0);
    let audit = json(&server, &format!("audit {POLL}")).await;
    assert_eq!(
        (&audit["passed"], &audit["total"]),
        (&value!(true), &value!(1))
    );
    let poll = json(&server, &format!("poll show {POLL}")).await;
    let aside = value!({ "undecided": 3, "released": 0, "annulled": 0 });
    assert_eq!(poll["quarantine"], aside);
    let text = run(&server, &format!("poll show {POLL}")).await.stdout();
    let line = "set aside as suspect: 3 undecided, 0 released, 0 annulled";
    assert!(
        text.contains(line) && !text.contains("annulments"),
        "{text}"
    );

    // It asks, and says why it can't.
    let release = format!("quarantine release {POLL} --reason client_fields --why app");
    let asked = fails(&server, &release, 2).await;
    assert!(
        asked.contains("Count 3 votes of poll paredao-01"),
        "{asked}"
    );
    let wrong = fails(
        &server,
        &format!("{release} --from 2026-11-25T23:00:30 --yes"),
        2,
    )
    .await;
    assert!(wrong.contains("whole minute"), "{wrong}");
    let long_ago = format!("{release} --yes --until 2020-01-01T00:00");
    let none = run(&server, &long_ago).await;
    assert!(none.stderr().contains("nothing was changed"), "{none:?}");
    // A time of day is the last one, as `annul` takes it.
    let of_day = format!("quarantine show {POLL} --from 00:00");
    let of_day = run(&server, &of_day).await;
    assert_eq!(of_day.code(), Some(0), "{}", of_day.stderr());

    let released = json(&server, &format!("{release} --yes")).await;
    assert_eq!(
        (&released["votes"], &released["fate"]),
        (&value!(3), &value!("released"))
    );
    let again = run(&server, &format!("{release} --yes")).await;
    assert_eq!(again.code(), Some(0));
    assert!(again.stderr().contains("nothing was changed"), "{again:?}");
    let audit = json(&server, &format!("audit {POLL}")).await;
    assert_eq!(
        (&audit["passed"], &audit["total"]),
        (&value!(true), &value!(4))
    );
    let journal = json(&server, &format!("poll journal {POLL}"))
        .await
        .to_string();
    for part in ["quarantine-release", "client_fields: 3 votes", "app"] {
        assert!(journal.contains(part), "{part}: {journal}");
    }

    vote(strict, POLL).await;
    json(&server, &format!("poll close {POLL} --yes")).await;
    let seal = format!("poll seal {POLL} --now --yes");
    let undecided = fails(&server, &seal, 1).await;
    for part in ["1 votes are in quarantine", "votectl quarantine show"] {
        assert!(undecided.contains(part), "{part}: {undecided}");
    }
    let annul = format!("quarantine annul {POLL} --reason client_fields --why bots --yes");
    assert_eq!(json(&server, &annul).await["votes"], 1);
    let sealed = json(&server, &seal).await;
    assert_eq!(sealed["standing"]["total_votes"], 4);
    let aside = value!({ "undecided": 0, "released": 3, "annulled": 1 });
    assert_eq!(sealed["quarantine"], aside);
    let text = run(&server, &seal).await.stdout();
    let line = "set aside as suspect: 0 undecided, 3 released, 1 annulled";
    assert!(text.contains(line), "{text}");
    let text = run(&server, &format!("audit {POLL}")).await.stdout();
    let line = "set aside as suspect: 0 undecided, 3 released, 1 annulled";
    assert!(text.contains(line) && text.contains("passed"), "{text}");
    let late = fails(&server, &annul, 1).await;
    assert!(late.contains("a poll that is sealed"), "{late}");
}

/// Puts what was set aside since the last time into another minute: the clock of the service is the machine's own.
const MOVE: &str = "
for _, key in ipairs(redis.call('KEYS', KEYS[1] .. ':*')) do
  local minute = tonumber(string.match(key, '%d+$'))
  if minute >= tonumber(ARGV[1]) then
    local fields = redis.call('HGETALL', key)
    for at = 1, #fields, 2 do
      redis.call('HINCRBY', KEYS[1] .. ':' .. ARGV[2], fields[at], fields[at + 1])
    end
    redis.call('DEL', key)
  end
end
";

/// So many suspect votes, recorded as of that minute.
async fn suspects(
    server: &RedisServer,
    strict: SocketAddr,
    votes: u64,
    since: Timestamp,
    minute: i64,
) {
    for number in 0..votes {
        let key = format!("idempotency-key: suspect-{minute}-{number}\r\n");
        let (status, _) = vote_with(strict, POLL, &key).await;
        assert_eq!(status, 201);
    }
    let mut redis = server.connection().await;
    redis::cmd("EVAL")
        .arg(MOVE)
        .arg(1)
        .arg(format!("vote:{{{POLL}/0}}:quarantine"))
        .arg(&[since.as_second().div_euclid(60), minute])
        .exec_async(&mut redis)
        .await
        .expect("moved");
}

/// The votes of each minute that were set aside, by what was decided of them: `minute/fate`.
fn by_minute(shown: &Value) -> Vec<(i64, String, u64)> {
    let rows = shown["minutes"].as_array().expect("a list").iter();
    let mut rows: Vec<_> = rows
        .map(|row| {
            let start: Timestamp = row["start"]
                .as_str()
                .expect("text")
                .parse()
                .expect("a time");
            let fate = row["fate"].as_str().expect("text").to_owned();
            let votes = row["votes"].as_u64().expect("a figure");
            (start.as_second() / 60, fate, votes)
        })
        .collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn a_window_of_minutes_is_decided_of_and_what_is_outside_is_not_by_two_operators_at_once() {
    let (server, _dir, _file) = opened().await;
    let (_strict, strict) = service_with("vote-ingest", &server.url(), &SUSPECT).await;
    let began = SystemClock.now();
    let now = Minute::from_timestamp(began);
    let minute = |ago: i64| (now.start() - SignedDuration::from_mins(ago)).as_second() / 60;
    let at = |ago: i64| wire_time::format(now.start() - SignedDuration::from_mins(ago));
    // Before the window, in its first and its last minute, and in the one that it ends before.
    for (ago, votes) in [(40, 1), (30, 2), (21, 4), (20, 8), (10, 16)] {
        suspects(&server, strict, votes, began, minute(ago)).await;
    }
    let show = format!("quarantine show {POLL}");
    let undecided = |ago, votes| (minute(ago), "undecided".to_owned(), votes);
    let all = [(40, 1), (30, 2), (21, 4), (20, 8), (10, 16)];
    let shown = json(&server, &show).await;
    assert_eq!(
        by_minute(&shown),
        all.map(|(ago, votes)| undecided(ago, votes))
    );

    let window = format!("--from {} --until {}", at(30), at(20));
    let inside = json(&server, &format!("{show} {window}")).await;
    assert_eq!(inside["undecided"], 6);
    let release = format!("quarantine release {POLL} --reason client_fields {window}");
    let released = json(
        &server,
        &format!("--by maria {release} --why app-antigo --yes"),
    )
    .await;
    assert_eq!(released["votes"], 6);
    let fate = |ago, fate: &str, votes| (minute(ago), fate.to_owned(), votes);
    let wanted = [
        undecided(40, 1),
        fate(30, "released", 2),
        fate(21, "released", 4),
        undecided(20, 8),
        undecided(10, 16),
    ];
    assert_eq!(by_minute(&json(&server, &show).await), wanted);
    // They count in the minutes in which they came.
    let minutely = json(&server, &format!("export {POLL} --what minutely")).await;
    let rows = minutely["rows"].as_array().expect("rows").iter();
    let counted = rows.filter(|row| row["total_votes"] != 0).map(|row| {
        let start: Timestamp = row["start"]
            .as_str()
            .expect("text")
            .parse()
            .expect("a time");
        (start.as_second() / 60, row["total_votes"].as_u64())
    });
    let counted: Vec<_> = counted.collect();
    assert_eq!(counted, [(minute(30), Some(2)), (minute(21), Some(4))]);

    // Two operators whose windows share the minute of eight votes.
    let decide = |by: &str, what: &str, from: i64, until: i64| {
        format!(
            "--by {by} quarantine {what} {POLL} --reason client_fields --from {} --until {} --why de-{by} --yes",
            at(from),
            at(until)
        )
    };
    let (ana, rui) = (
        decide("ana", "release", 20, 5),
        decide("rui", "annul", 45, 19),
    );
    let (one, other) = tokio::join!(insisting(&server, &ana), insisting(&server, &rui));
    let votes = |answer: &Value| answer["votes"].as_u64().expect("a figure");
    let shared = match (votes(&one), votes(&other)) {
        (24, 1) => "released",
        (16, 9) => "annulled",
        decided => panic!("{decided:?}"),
    };
    let wanted = [
        fate(40, "annulled", 1),
        fate(30, "released", 2),
        fate(21, "released", 4),
        fate(20, shared, 8),
        fate(10, "released", 16),
    ];
    assert_eq!(by_minute(&json(&server, &show).await), wanted);
    let audit = json(&server, &format!("audit {POLL}")).await;
    let total = 6 + votes(&one);
    assert_eq!(
        (&audit["passed"], &audit["total"]),
        (&value!(true), &value!(total))
    );

    // Who, what, how many, why, and when.
    let journal = json(&server, &format!("poll journal {POLL}")).await;
    let log = journal["journal"].as_array().expect("a list").iter();
    let decided: Vec<&Value> = log
        .filter(|entry| {
            entry["action"]
                .as_str()
                .is_some_and(|it| it.starts_with("quarantine-"))
        })
        .collect();
    assert_eq!(decided.len(), 3, "{journal}");
    for entry in &decided {
        let when: Timestamp = entry["at"].as_str().expect("text").parse().expect("a time");
        assert!(
            when >= wire_time::floor(began) && when <= SystemClock.now(),
            "{entry}"
        );
    }
    for (by, action, why, detail) in [
        ("maria", "quarantine-release", "app-antigo", "client_fields"),
        ("ana", "quarantine-release", "de-ana", "client_fields"),
        ("rui", "quarantine-annul", "de-rui", "client_fields"),
    ] {
        let mut entries = decided.iter();
        let found = entries.find(|entry| entry["by"] == by);
        let found = found.unwrap_or_else(|| panic!("{by}: {journal}"));
        assert_eq!(
            (&found["action"], &found["reason"]),
            (&value!(action), &value!(why))
        );
        assert!(
            found["detail"]
                .as_str()
                .is_some_and(|it| it.contains(detail)),
            "{found}"
        );
    }
    let first = decided[0]["detail"].as_str().expect("text");
    for part in ["6 votes", &at(30), &at(20)] {
        assert!(first.contains(part), "no {part} in {first}");
    }
}
