//! What limits challenges: the limits of addresses and of voters, which votes share, and how many are made and waited for at a time.

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use vote_domain::{PollDefinition, Transition};

use crate::app::{Answer, App, POLL, Show, ago, definition};
use crate::voters::Identity;

/// The tests themselves are the proxy in front.
const TRUSTED: (&str, &str) = ("VOTE__HTTP__TRUSTED_PROXIES", "127.0.0.1");
const LISTED: (&str, &str) = ("VOTE__HTTP__CLIENT_ADDRESS", "x_forwarded_for");

/// The poll of the tests with another channel.
async fn show(channel: Value) -> Show {
    let mut file = serde_json::to_value(definition(ago(60), ago(-3_600))).expect("JSON");
    let channels = file["channels"].as_array_mut().expect("a list");
    channels.push(channel);
    let definition = PollDefinition::parse_json(file.to_string().as_bytes()).expect("legal");
    Show::with(definition, Some(Transition::Open)).await
}

/// Who asks, and from where.
#[derive(Debug, Clone, Copy)]
struct Client<'a> {
    from: &'a str,
    token: Option<&'a str>,
}

impl Client<'_> {
    async fn send(self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.header("x-forwarded-for", self.from);
        Answer::of(match self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }

    async fn challenge(self, app: &App, channel: &str) -> Answer {
        let url = format!("{}/v1/polls/{POLL}/challenge?channel={channel}", app.url);
        self.send(app.client.get(url)).await
    }

    async fn vote(self, app: &App, channel: &str) -> Answer {
        let ballot = json!({ "candidate": "ana", "channel": channel });
        self.send(app.post(POLL).json(&ballot)).await
    }
}

fn assert_limited(answer: &Answer, policy: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (429, "rate-limited"),
        "{answer:?}"
    );
    assert_eq!(answer.headers["ratelimit-policy"], policy);
    let wait = answer.headers["retry-after"].to_str().expect("text");
    let (name, _) = policy.split_once(';').expect("a name");
    let rate = format!("{name};r=0;t={wait}");
    assert_eq!(answer.headers["ratelimit"], rate);
    // Whoever waits for a challenge may not be given an old one.
    assert_eq!(answer.headers["cache-control"], "no-store");
}

async fn assert_told(app: &App, lines: &[String]) {
    let metrics = app.metrics().await;
    for line in lines {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn challenges_and_votes_of_an_address_share_its_limit() {
    let show = Show::open().await;
    let burst = ("VOTE__LIMITS__ADDRESS_BURST", "3/1h");
    let app = show.app_with(&[burst, TRUSTED, LISTED]).await;
    let one = Client {
        from: "198.51.100.1",
        token: None,
    };
    assert_eq!(one.challenge(&app, "prova").await.status, StatusCode::OK);
    assert!(one.vote(&app, "torcida").await.is_accepted());
    // Also one that is no challenge: asking is what is counted.
    assert_eq!(one.challenge(&app, "x").await.code(), "unknown-channel");
    let policy = r#""address-burst";q=3;w=3600"#;
    assert_limited(&one.challenge(&app, "prova").await, policy);
    assert_limited(&one.challenge(&app, "x").await, policy);
    assert_limited(&one.vote(&app, "torcida").await, policy);
    let other = Client {
        from: "198.51.100.2",
        ..one
    };
    assert_eq!(other.challenge(&app, "prova").await.status, StatusCode::OK);
    let labels = format!("poll=\"{POLL}\",channel=\"prova\"");
    assert_told(
        &app,
        &[
            // None was made for who was limited.
            format!("vote_challenges_total{{{labels}}} 2\n"),
            "vote_limits_limited_votes_total{kind=\"address\",class=\"burst\"} 3\n".to_owned(),
        ],
    )
    .await;
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn challenges_and_votes_of_a_voter_share_their_limit_from_wherever_they_come() {
    let show = show(json!({
        "id": "ambos", "weight": 1, "eligibility": "voter_and_proof_of_work", "proof_cost": 1_000
    }))
    .await;
    let identity = Identity::new();
    let mut settings = identity.settings();
    settings.extend([
        ("VOTE__LIMITS__VOTER_BURST", "3/1h"),
        ("VOTE__LIMITS__ADDRESS_BURST", "100/1h"),
        TRUSTED,
        LISTED,
    ]);
    let app = show.app_with(&settings).await;
    let (maria, joao) = (identity.token("maria"), identity.token("joao"));
    let of = |from, token| Client {
        from,
        token: Some(token),
    };
    let first = of("198.51.100.1", &maria).challenge(&app, "ambos").await;
    assert_eq!(first.status, StatusCode::OK);
    let vote = of("198.51.100.2", &maria).vote(&app, "unico").await;
    assert!(vote.is_accepted(), "{vote:?}");
    // A channel that does not ask who votes does not count for her, and a token that is not good for nobody.
    for (channel, token, status) in [("prova", &*maria, 200), ("ambos", "nonsense", 401)] {
        for _ in 0..4 {
            let asked = of("198.51.100.3", token).challenge(&app, channel).await;
            assert_eq!(asked.status.as_u16(), status, "{asked:?}");
        }
    }
    let third = of("2001:db8::1", &maria).challenge(&app, "ambos").await;
    assert_eq!(third.status, StatusCode::OK);
    let policy = r#""voter-burst";q=3;w=3600"#;
    let limited = of("198.51.100.4", &maria).challenge(&app, "ambos").await;
    assert_limited(&limited, policy);
    assert!(limited.detail().contains("of this voter"), "{limited:?}");
    assert_limited(
        &of("198.51.100.4", &maria).vote(&app, "unico").await,
        policy,
    );
    let other = of("198.51.100.4", &joao).challenge(&app, "ambos").await;
    assert_eq!(other.status, StatusCode::OK);
    let labels = format!("poll=\"{POLL}\",channel=\"ambos\"");
    assert_told(
        &app,
        &[
            format!("vote_challenges_total{{{labels}}} 3\n"),
            "vote_limits_limited_votes_total{kind=\"voter\",class=\"burst\"} 2\n".to_owned(),
        ],
    )
    .await;
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn of_more_who_ask_at_once_than_may_wait_some_are_told_to_come_again_and_votes_go_on() {
    // What is dear to solve is as dear to make, for one of its tries.
    let show = show(json!({
        "id": "cara", "weight": 1, "eligibility": "proof_of_work", "proof_cost": 100_000
    }))
    .await;
    let app = show.app().await;
    let client = Client {
        from: "198.51.100.1",
        token: None,
    };
    let asking = join_all((0..800).map(|_| client.challenge(&app, "cara")));
    let voting = join_all((0..20).map(|_| client.vote(&app, "torcida")));
    let (asked, voted) = futures_util::join!(asking, voting);
    assert!(voted.iter().all(Answer::is_accepted), "{voted:?}");
    let (made, refused): (Vec<_>, Vec<_>) = asked
        .iter()
        .partition(|answer| answer.status == StatusCode::OK);
    assert!(!made.is_empty() && !refused.is_empty(), "{}", made.len());
    for answer in &refused {
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (503, "overloaded"),
            "{answer:?}"
        );
        assert_eq!(answer.headers["retry-after"], "1");
    }
    let labels = format!("poll=\"{POLL}\",channel=\"cara\"");
    let counted = format!("vote_challenges_total{{{labels}}} {}\n", made.len());
    assert_told(&app, &[counted]).await;
    // And it is over when they are gone.
    let later = client.challenge(&app, "cara").await;
    assert_eq!(later.status, StatusCode::OK, "{later:?}");
}
