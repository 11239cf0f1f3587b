//! Votes that wait for the keys of their tokens.

use reqwest::StatusCode;
use serde_json::json;
use vote_domain::Transition;
use vote_testkit::eventually;
use vote_testkit::fixtures::demo_poll;

use super::{Place, claims, key};
use crate::app::{Answer, App, DEADLINE, POLL, Show, ago};

#[tokio::test]
async fn a_vote_that_waits_for_keys_until_its_own_key_is_forgotten_is_not_recorded() {
    // A voter may vote as often as it likes.
    let channels = json!([{ "id": "livre", "weight": 1, "eligibility": "voter" }]);
    let poll = demo_poll()
        .between(ago(60), ago(-3_600))
        .with("channels", channels);
    let show = Show::with(poll.definition(), Some(Transition::Open)).await;
    let (old, new) = (key(1), key(2));
    let place = Place::at(0, old.public_jwks(), None).await;
    let app = App::forgetful(
        &show.redis.url(),
        &[
            ("VOTE__VOTERS__JWKS_URL", &place.url),
            ("VOTE__VOTERS__JWKS_MIN_PAUSE_MS", "100"),
            ("VOTE__VOTERS__JWKS_TIMEOUT_MS", "25000"),
            ("VOTE__VOTERS__AUDIENCE", "paredao"),
        ],
    )
    .await;
    let vote = |token: String| {
        let ballot = json!({ "candidate": "ana", "channel": "livre" });
        let request = app.post(POLL).json(&ballot).bearer_auth(token);
        Answer::of(request.header("Idempotency-Key", "k"))
    };
    let (first, again) = (old.sign(&claims("maria")), new.sign(&claims("maria")));
    eventually(DEADLINE, || async {
        let answer = vote(first.clone()).await;
        if answer.is_accepted() {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    })
    .await;
    place.answers.send_replace(false);
    *place.keys.lock() = new.public_jwks();
    let before = place.readings();
    // The same vote with a newer token. Its key is looked for, and that takes longer than Redis remembers the vote's.
    let waiting = async {
        eventually(DEADLINE, || async { place.readings() > before }).await;
        show.forgets_keys().await;
        place.answers.send_replace(true);
    };
    // Keys that were read just now are not read again at once.
    let answered = eventually(DEADLINE, || async {
        let answer = vote(again.clone()).await;
        (answer.code() != "invalid-voter-token").then_some(answer)
    });
    let (answer, ()) = tokio::join!(answered, waiting);
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::SERVICE_UNAVAILABLE, "not-recorded"),
        "{answer:?}"
    );
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    assert_eq!(show.total().await, 1);
}
