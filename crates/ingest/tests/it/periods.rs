//! How many votes a voter has: in the whole poll, in an hour and in a day of the poll's time zone.

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use vote_domain::Transition;
use vote_testkit::eventually;
use vote_testkit::fixtures::demo_poll;

use crate::app::{Ahead, Answer, App, DEADLINE, POLL, Show, ago, now};
use crate::voters::Identity;

/// As long as keys are remembered, a clock may be two hours from Redis'.
const WINDOW: (&str, &str) = ("VOTE__COMMIT__IDEMPOTENCY_WINDOW_S", "86400");

/// A poll of four shards with a channel of voters that counts their votes in this way, in that zone. It has begun, and goes on,
/// for some hours.
async fn show(limit: Value, zone: &str) -> (Show, Identity) {
    let mut voters = json!({ "id": "unico", "weight": 70, "eligibility": "voter" });
    for (name, value) in limit.as_object().expect("an object") {
        voters[name] = value.clone();
    }
    let poll = demo_poll()
        .between(ago(4 * 3_600), ago(-4 * 3_600))
        .shards(4)
        .with("timezone", json!(zone))
        .with("channels", json!([voters]));
    let show = Show::with(poll.definition(), Some(Transition::Open)).await;
    (show, Identity::new())
}

/// A service whose clock is so far from the machine's.
async fn app(show: &Show, identity: &Identity, ahead: SignedDuration) -> App {
    let mut settings = identity.settings();
    settings.push(WINDOW);
    let app = App::start_by(Arc::new(Ahead(ahead)), &show.redis.url(), &settings).await;
    eventually(DEADLINE, || async { app.ready().await.0.is_success() }).await;
    app
}

async fn vote(app: &App, token: &str, key: &str) -> Answer {
    let ballot = json!({ "candidate": "ana", "channel": "unico" });
    let request = app.post(POLL).json(&ballot).bearer_auth(token);
    Answer::of(request.header("Idempotency-Key", key)).await
}

/// A voter votes until so many are counted, a repeat of each among them, and then no more; the keys are those from there on.
async fn uses_up(apps: &[App], token: &str, (from, votes): (usize, usize)) {
    for n in from..from + votes {
        let key = format!("k{n}");
        let first = vote(&apps[n % apps.len()], token, &key).await;
        assert!(first.is_accepted(), "{n}: {first:?}");
        let again = vote(&apps[(n + 1) % apps.len()], token, &key).await;
        assert!(again.is_repeat(), "{n}: {again:?}");
    }
    for (n, app) in apps.iter().enumerate() {
        let more = vote(app, token, &format!("k{}", from + votes + n)).await;
        assert_eq!(
            (more.status.as_u16(), more.code()),
            (403, "vote-limit-reached")
        );
    }
}

#[tokio::test]
async fn of_twenty_votes_in_a_poll_the_twenty_first_is_refused_also_an_hour_later() {
    let (show, identity) = show(json!({ "votes_per_voter": 20 }), "America/Sao_Paulo").await;
    let none = SignedDuration::ZERO;
    let apps = [
        app(&show, &identity, none).await,
        app(&show, &identity, none).await,
    ];
    // Each with keys of their own: a key is one vote, whoever sends it.
    for (name, from) in [("maria", 0), ("joao", 100)] {
        uses_up(&apps, &identity.token(name), (from, 20)).await;
    }
    let later = app(&show, &identity, SignedDuration::from_mins(65)).await;
    let token = identity.token_with("exp", json!(now().as_second() + 7_200));
    let more = vote(&later, &token, "k20").await;
    assert_eq!(more.code(), "vote-limit-reached", "{more:?}");
    assert!(vote(&later, &token, "k19").await.is_repeat());
    assert_eq!(show.total().await, 40);
}

/// How far from now the middle of its hour is, so that no test comes near the hour's end.
fn to_half_past() -> SignedDuration {
    SignedDuration::from_secs(1_800 - now().as_second().rem_euclid(3_600))
}

/// A zone without another time in summer in which it is that hour now.
fn zone_at(hour: i8) -> String {
    let utc = i64::from(TimeZone::UTC.to_datetime(now() + to_half_past()).hour());
    let east = (i64::from(hour) - utc).rem_euclid(24);
    let east = if east > 12 { east - 24 } else { east };
    // The names say what is to be added to have UTC.
    match east {
        0 => "Etc/UTC".to_owned(),
        1.. => format!("Etc/GMT-{east}"),
        _ => format!("Etc/GMT+{}", -east),
    }
}

/// The service in the middle of an hour, and an hour later.
async fn hours(show: &Show, identity: &Identity) -> [App; 2] {
    let then = to_half_past();
    let next = then + SignedDuration::from_hours(1);
    [
        app(show, identity, then).await,
        app(show, identity, next).await,
    ]
}

#[tokio::test]
async fn of_ten_votes_an_hour_the_next_ones_count_in_the_next_hour() {
    let limit = json!({ "votes_per_voter": 10, "per": "hour" });
    let (show, identity) = show(limit, "America/Sao_Paulo").await;
    let [one, next] = hours(&show, &identity).await;
    let token = identity.token_with("exp", json!(now().as_second() + 10_800));
    uses_up(std::slice::from_ref(&one), &token, (0, 10)).await;
    // What was counted comes again in the next hour, and uses none of that.
    assert!(vote(&next, &token, "k9").await.is_repeat());
    uses_up(std::slice::from_ref(&next), &token, (10, 10)).await;
    assert_eq!(show.total().await, 20);
}

#[tokio::test]
async fn of_votes_a_day_the_next_ones_count_from_midnight_in_the_polls_zone_on() {
    let limit = json!({ "votes_per_voter": 3, "per": "day" });
    // An hour before midnight, and two.
    for (hour, is_next_day) in [(23, true), (22, false)] {
        let (show, identity) = show(limit.clone(), &zone_at(hour)).await;
        let [one, next] = hours(&show, &identity).await;
        let token = identity.token_with("exp", json!(now().as_second() + 10_800));
        uses_up(std::slice::from_ref(&one), &token, (0, 3)).await;
        assert!(vote(&next, &token, "k2").await.is_repeat());
        if is_next_day {
            uses_up(std::slice::from_ref(&next), &token, (3, 3)).await;
        } else {
            let more = vote(&next, &token, "k3").await;
            assert_eq!(more.code(), "vote-limit-reached", "{more:?}");
        }
        assert_eq!(show.total().await, if is_next_day { 6 } else { 3 });
    }
}
