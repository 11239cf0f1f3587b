//! Limits of voters: whom a token names is held to them, from wherever it comes, and in whichever channel that asks for one.

use serde_json::json;
use vote_domain::{PollDefinition, Transition};
use vote_testkit::eventually;
use vote_testkit::fixtures::demo_poll;

use crate::app::{Answer, App, DEADLINE, POLL, Show, ago, now};
use crate::voters::Identity;

const BURST: (&str, &str) = ("VOTE__LIMITS__VOTER_BURST", "3/1h");

/// A voter has as many votes by one channel as they like, by the other two of them.
fn definition() -> PollDefinition {
    demo_poll()
        .between(ago(60), ago(-3_600))
        .with(
            "channels",
            json!([
                { "id": "torcida", "weight": 1, "eligibility": "open" },
                { "id": "quantos", "weight": 1, "eligibility": "voter" },
                { "id": "dois", "weight": 1, "eligibility": "voter", "votes_per_voter": 2 },
            ]),
        )
        .definition()
}

async fn show() -> (Show, Identity) {
    let show = Show::with(definition(), Some(Transition::Open)).await;
    (show, Identity::new())
}

async fn app(show: &Show, identity: &Identity, more: &[(&str, &str)]) -> App {
    let mut settings = identity.settings();
    settings.extend_from_slice(more);
    show.app_with(&settings).await
}

/// A vote by that channel; without a token where it is empty.
async fn vote(app: &App, channel: &str, token: &str, connection: &str) -> Answer {
    let ballot = json!({ "candidate": "ana", "channel": channel });
    let mut request = app.post(POLL).json(&ballot);
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    Answer::of(request.header("Connection", connection)).await
}

#[tokio::test]
async fn a_voter_beyond_a_limit_is_told_so_and_others_go_on() {
    let (show, identity) = show().await;
    let app = app(&show, &identity, &[BURST]).await;
    let maria = identity.token("maria");
    for _ in 0..3 {
        assert!(
            vote(&app, "quantos", &maria, "keep-alive")
                .await
                .is_accepted()
        );
    }
    // Another token of the same voter is the same voter, whichever way the vote comes.
    let later = identity.token_with("exp", json!(now().as_second() + 900));
    for (token, connection) in [(&maria, "keep-alive"), (&maria, "close"), (&later, "close")] {
        let answer = vote(&app, "quantos", token, connection).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (429, "rate-limited")
        );
        assert!(answer.detail().contains("of this voter"), "{answer:?}");
        let header = |name: &str| answer.headers[name].to_str().expect("text").to_owned();
        assert_eq!(header("ratelimit-policy"), r#""voter-burst";q=3;w=3600"#);
        let wait: u32 = header("retry-after").parse().expect("seconds");
        assert!((1100..=1200).contains(&wait), "{wait}");
        let rate = format!(r#""voter-burst";r=0;t={wait}"#);
        assert_eq!(header("ratelimit"), rate);
    }
    let joao = identity.token("joao");
    assert!(vote(&app, "quantos", &joao, "close").await.is_accepted());
    // A channel that asks for no token knows no voter.
    assert!(vote(&app, "torcida", &maria, "close").await.is_accepted());
    assert_eq!(show.total().await, 5);
    let metrics = app.metrics().await;
    for line in [
        "vote_limits_limited_votes_total{kind=\"voter\",class=\"burst\"} 3",
        "vote_limits_limited_votes_total{kind=\"address\",class=\"burst\"} 0",
        "vote_limits_untracked_votes_total{kind=\"voter\"} 0",
        "vote_limits_slots{kind=\"voter\"} 1523712",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("maria"), "{metrics}");
}

#[tokio::test]
async fn a_limited_vote_uses_none_of_the_polls_votes_and_its_key_stays_free() {
    let (show, identity) = show().await;
    let patient = ("VOTE__LIMITS__VOTER_BURST", "1/1s");
    let app = app(&show, &identity, &[patient]).await;
    let token = identity.token("maria");
    let cast = async |key: &str| {
        let ballot = json!({ "candidate": "ana", "channel": "dois" });
        let request = app.post(POLL).json(&ballot).bearer_auth(&token);
        Answer::of(request.header("Idempotency-Key", key)).await
    };
    // As its client does: the same key again, for as long as it is told to wait.
    let ended = async |key: &'static str| {
        let ends = || async {
            let answer = cast(key).await;
            (answer.code() != "rate-limited").then_some(answer)
        };
        eventually(DEADLINE, ends).await
    };
    for key in ["k1", "k2"] {
        let answer = ended(key).await;
        assert!(answer.is_accepted(), "{answer:?}");
    }
    assert_eq!(ended("k3").await.code(), "vote-limit-reached");
    assert_eq!(show.total().await, 2);
}

#[tokio::test]
async fn who_shows_no_good_token_is_counted_for_no_voter() {
    let (show, identity) = show().await;
    let app = app(&show, &identity, &[BURST]).await;
    let expired = identity.token_with("exp", json!(now().as_second() - 600));
    let stranger = identity.forged("maria");
    for token in ["", &expired, &stranger] {
        for _ in 0..5 {
            assert_eq!(vote(&app, "quantos", token, "close").await.status, 401);
        }
    }
    let maria = identity.token("maria");
    assert!(vote(&app, "quantos", &maria, "close").await.is_accepted());
}

#[tokio::test]
async fn both_classes_of_a_voter_count_beside_those_of_addresses() {
    let (show, identity) = show().await;
    let sustained = ("VOTE__LIMITS__VOTER_SUSTAINED", "2/24h");
    let address = ("VOTE__LIMITS__ADDRESS_BURST", "4/1h");
    let app = app(&show, &identity, &[BURST, sustained, address]).await;
    let mut policies = Vec::new();
    for (voter, status) in [("a", 201), ("a", 201), ("a", 429), ("b", 201), ("b", 429)] {
        let answer = vote(&app, "quantos", &identity.token(voter), "close").await;
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        if let Some(policy) = answer.headers.get("ratelimit-policy") {
            policies.push(policy.to_str().expect("text").to_owned());
        }
    }
    assert_eq!(
        policies,
        [
            r#""voter-sustained";q=2;w=86400"#,
            r#""address-burst";q=4;w=3600"#
        ]
    );
}
