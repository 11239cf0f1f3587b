//! Votes that were set aside: what an operator sees of them, and decides.

use crate::support::{fails, json, opened, run, service, service_with, vote, vote_with};
use serde_json::json as value;

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
