//! A process whose clock is wrong: it says so, and takes no votes.

use std::sync::Arc;

use reqwest::StatusCode;
use vote_testkit::eventually;

use crate::app::{App, DEADLINE, POLL, SetClock, Show};

#[tokio::test]
async fn a_repeat_never_counts_again_in_a_process_whose_clock_is_wrong() {
    let show = Show::open().await;
    let right = show.app().await;
    assert!(right.vote("ana", Some("k")).await.is_accepted());

    let clock = Arc::new(SetClock::ahead_by(300));
    let wrong = App::start_by(clock.clone(), &show.redis.url(), &[]).await;
    let said = eventually(DEADLINE, || async {
        let (status, said) = wrong.ready().await;
        let is_known = said.contains("ahead of Redis', and may be off by 10 s");
        let polls_are_read = said.contains(r#""name":"lanes","status":"ok""#);
        (status == StatusCode::SERVICE_UNAVAILABLE && is_known && polls_are_read).then_some(said)
    })
    .await;
    assert!(
        said.contains(r#""name":"clock","status":"failed""#),
        "{said}"
    );
    for key in [Some("k"), Some("other"), None] {
        let answer = wrong.vote("ana", key).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (503, "not-recorded"),
            "{answer:?}"
        );
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    }
    let form = wrong
        .client
        .post(format!("{}/polls/{POLL}/votes", wrong.url))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("candidate=ana&key=k")
        .send()
        .await
        .expect("an answer");
    assert_eq!(form.status(), StatusCode::SERVICE_UNAVAILABLE);
    let metrics = wrong.metrics().await;
    assert!(metrics.contains("\nvote_clock_wrong 1\n"), "{metrics}");
    assert!(
        metrics.contains("vote_clock_difference_seconds{server="),
        "{metrics}"
    );
    assert_eq!(show.total().await, 1);

    clock.set(0);
    eventually(DEADLINE, || async {
        wrong.vote("ana", Some("k")).await.is_repeat()
    })
    .await;
    assert_eq!(show.total().await, 1);
}
