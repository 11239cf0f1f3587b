//! Votes for a candidate who has left the show.

use reqwest::StatusCode;
use serde_json::json;
use vote_domain::Transition;
use vote_testkit::eventually;

use crate::app::{App, DEADLINE, Show};

#[tokio::test]
async fn a_vote_for_a_withdrawn_candidate_is_refused_and_says_since_when() {
    let show = Show::open().await;
    let app = show.app().await;
    assert!(app.vote("ana", None).await.is_accepted());
    let poll = show.withdraw("ana").await;
    let answer = app.sees("candidate-withdrawn").await;
    let before = show.total().await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let at = vote_domain::wire_time::format(poll.withdrawn[0].at);
    assert_eq!(answer.body["candidate"], "ana");
    assert_eq!(answer.body["withdrawn_at"], at);
    assert_eq!(
        answer.detail(),
        format!("candidate: ana left the poll at {at}; the vote was not recorded.")
    );
    for key in [None, Some("a-new-key")] {
        let refused = app.vote("ana", key).await;
        assert_eq!(refused.code(), "candidate-withdrawn", "{refused:?}");
    }
    assert_eq!(show.total().await, before, "what was accepted stays");
    assert!(app.vote("bia", Some("of-bia")).await.is_accepted());
    let metrics = app.metrics().await;
    let mut votes = metrics
        .lines()
        .filter(|line| line.starts_with("vote_votes_total"));
    let refused = votes.find(|line| line.contains(r#"outcome="refused""#));
    assert!(
        refused.is_some_and(|line| !line.ends_with(" 0")),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_repeat_of_a_recorded_vote_is_still_told_that_it_counts() {
    let show = Show::open().await;
    let (one, other) = (show.app().await, show.app().await);
    assert!(one.vote("ana", Some("first")).await.is_accepted());
    show.withdraw("ana").await;
    for app in [&one, &other] {
        app.sees("candidate-withdrawn").await;
        let repeat = app.vote("ana", Some("first")).await;
        assert!(repeat.is_repeat(), "{repeat:?}");
        let refused = app.vote("ana", Some("second")).await;
        assert_eq!(refused.code(), "candidate-withdrawn", "{refused:?}");
    }
    // The key was not used up by a vote that was refused.
    assert!(other.vote("bia", Some("second")).await.is_accepted());
    let reused = other.vote("ana", Some("second")).await;
    assert_eq!(reused.code(), "idempotency-key-reused");
}

#[tokio::test]
async fn taken_back_a_candidate_takes_votes_again() {
    let show = Show::open().await;
    let app = show.app().await;
    show.withdraw("ana").await;
    app.sees("candidate-withdrawn").await;
    show.readmit("ana").await;
    eventually(DEADLINE, || async {
        app.vote("ana", None).await.is_accepted()
    })
    .await;
}

/// A poll that takes no votes at all says so first.
#[tokio::test]
async fn the_poll_is_judged_before_the_candidate_and_others_names_are_no_less_unknown() {
    let show = Show::open().await;
    let app = show.app().await;
    show.withdraw("ana").await;
    app.sees("candidate-withdrawn").await;
    let unknown = app.send(json!({ "candidate": "zoe" })).await;
    assert_eq!(unknown.code(), "unknown-candidate");
    let direction = app
        .send(json!({ "candidate": "ana", "direction": "save" }))
        .await;
    assert_eq!(direction.code(), "direction-mismatch");
    show.change(Transition::Pause).await;
    app.sees("poll-paused").await;
    keyed_is(&app, "poll-paused").await;
    show.change(Transition::Close).await;
    keyed_is(&app, "poll-closed").await;
}

/// A vote with a key for the withdrawn candidate is answered as the fence says.
async fn keyed_is(app: &App, code: &str) {
    eventually(DEADLINE, || async {
        app.vote("ana", Some("late")).await.code() == code
    })
    .await;
}
