//! A process whose clock is wrong: it says so, and takes no votes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use vote_domain::Clock;
use vote_testkit::eventually;

use crate::app::{App, DEADLINE, POLL, Show, now};

/// The machine's clock, or another one by so many seconds.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        now() + SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_repeat_never_counts_again_in_a_process_whose_clock_is_wrong() {
    let show = Show::open().await;
    let right = show.app().await;
    assert!(right.vote("ana", Some("k")).await.is_accepted());

    let clock = Arc::new(SetClock(AtomicI64::new(300)));
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

    clock.0.store(0, Ordering::Relaxed);
    eventually(DEADLINE, || async {
        wrong.vote("ana", Some("k")).await.is_repeat()
    })
    .await;
    assert_eq!(show.total().await, 1);
}
