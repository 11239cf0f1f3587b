//! The sustained limits of addresses and prefixes: beside the bursts, whichever is reached first.

use serde_json::json;

use crate::app::{Answer, App, POLL, Show};

const ADDRESS_BURST: &str = "VOTE__LIMITS__ADDRESS_BURST";
const ADDRESS_SUSTAINED: &str = "VOTE__LIMITS__ADDRESS_SUSTAINED";
const PREFIX_BURST: &str = "VOTE__LIMITS__PREFIX_BURST";
const PREFIX_SUSTAINED: &str = "VOTE__LIMITS__PREFIX_SUSTAINED";
/// The tests themselves are the proxy in front.
const TRUSTED: (&str, &str) = ("VOTE__HTTP__TRUSTED_PROXIES", "127.0.0.1");
const LISTED: (&str, &str) = ("VOTE__HTTP__CLIENT_ADDRESS", "x_forwarded_for");

async fn app(show: &Show, limits: &[(&str, &str)]) -> App {
    let mut settings = vec![TRUSTED, LISTED];
    settings.extend_from_slice(limits);
    show.app_with(&settings).await
}

/// The policy of the limit that a vote from there has reached, if it has.
async fn reached(app: &App, from: &str, key: &str) -> Option<String> {
    let vote = app.post(POLL).json(&json!({ "candidate": "ana" }));
    let vote = vote
        .header("x-forwarded-for", from)
        .header("idempotency-key", key);
    let answer = Answer::of(vote).await;
    if answer.is_accepted() {
        return None;
    }
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (429, "rate-limited"),
        "{answer:?}"
    );
    let header = |name: &str| answer.headers[name].to_str().expect("text").to_owned();
    let policy = header("ratelimit-policy");
    let name = policy.split(';').next().expect("a name");
    let wait: u64 = header("retry-after").parse().expect("seconds");
    assert!(wait > 0);
    assert_eq!(header("ratelimit"), format!("{name};r=0;t={wait}"));
    Some(policy)
}

/// The metric says how many votes each limit of addresses and prefixes has refused.
async fn assert_counted(app: &App, counts: [(&str, &str, u32); 4]) {
    let metrics = app.metrics().await;
    for (kind, class, count) in counts {
        let line = format!(
            "vote_limits_limited_votes_total{{kind=\"{kind}\",class=\"{class}\"}} {count}\n"
        );
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn an_address_with_patience_is_held_to_its_sustained_limit() {
    let show = Show::open().await;
    let limits = [(ADDRESS_BURST, "100/1h"), (ADDRESS_SUSTAINED, "4/24h")];
    let app = app(&show, &limits).await;
    let policy = Some(r#""address-sustained";q=4;w=86400"#.to_owned());
    // A /64 of IPv6 is one address.
    for (one, other) in [
        ("198.51.100.1", "198.51.100.2"),
        ("2001:db8:7:1::1", "2001:db8:7:2::1"),
    ] {
        for n in 0..4 {
            let from = if one.contains(':') {
                format!("2001:db8:7:1::{n}")
            } else {
                one.to_owned()
            };
            assert_eq!(reached(&app, &from, &format!("{one}{n}")).await, None);
        }
        let key = format!("{one}-more");
        assert_eq!(reached(&app, one, &key).await, policy);
        // Its neighbour has its own, and the key stayed free.
        assert_eq!(reached(&app, other, &key).await, None);
        assert_eq!(reached(&app, one, "again").await, policy);
    }
    assert_counted(
        &app,
        [
            ("address", "sustained", 4),
            ("address", "burst", 0),
            ("prefix", "sustained", 0),
            ("prefix", "burst", 0),
        ],
    )
    .await;
    assert_eq!(show.total().await, 10);
}

#[tokio::test]
async fn a_prefix_is_held_to_its_sustained_limit_whichever_of_its_addresses_asks() {
    let show = Show::open().await;
    let limits = [(PREFIX_BURST, "100/1h"), (PREFIX_SUSTAINED, "3/24h")];
    let app = app(&show, &limits).await;
    let policy = Some(r#""prefix-sustained";q=3;w=86400"#.to_owned());
    for (n, (from, is_limited)) in [
        ("198.51.100.1", false),
        ("198.51.100.2", false),
        ("198.51.100.3", false),
        ("198.51.100.4", true),
        ("198.51.101.1", false),
        ("2001:db8:7:1::1", false),
        ("2001:db8:7:2::1", false),
        ("2001:db8:7:3::1", false),
        ("2001:db8:7:4::1", true),
        ("2001:db8:8:1::1", false),
    ]
    .into_iter()
    .enumerate()
    {
        let expected = policy.clone().filter(|_| is_limited);
        assert_eq!(
            reached(&app, from, &format!("k{n}")).await,
            expected,
            "{from}"
        );
    }
    assert_counted(
        &app,
        [
            ("address", "sustained", 0),
            ("address", "burst", 0),
            ("prefix", "sustained", 2),
            ("prefix", "burst", 0),
        ],
    )
    .await;
    assert_eq!(show.total().await, 8);
}

#[tokio::test]
async fn the_longest_wait_is_told_where_more_than_one_limit_is_reached() {
    let show = Show::open().await;
    let limits = [
        (ADDRESS_BURST, "2/1h"),
        (ADDRESS_SUSTAINED, "2/24h"),
        (PREFIX_BURST, "5/1h"),
        (PREFIX_SUSTAINED, "3/24h"),
    ];
    let app = app(&show, &limits).await;
    let mut told = Vec::new();
    for (n, from) in ["198.51.100.1", "198.51.100.2", "198.51.100.3"]
        .iter()
        .enumerate()
    {
        for again in 0..3 {
            told.push(reached(&app, from, &format!("k{n}{again}")).await);
        }
    }
    let address = Some(r#""address-sustained";q=2;w=86400"#.to_owned());
    let prefix = Some(r#""prefix-sustained";q=3;w=86400"#.to_owned());
    let expected = [
        // The first has its two.
        None,
        None,
        address,
        // The second finds one left of the prefix', and the third none.
        None,
        prefix.clone(),
        prefix.clone(),
        prefix.clone(),
        prefix.clone(),
        prefix,
    ];
    assert_eq!(told, expected);
    assert_eq!(show.total().await, 3);
}
