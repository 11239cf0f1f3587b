//! Votes that are set aside as suspect: by which signals, and that nobody can tell from the answer.

use std::sync::Arc;

use jiff::SignedDuration;
use reqwest::RequestBuilder;
use serde_json::json;
use vote_domain::{
    ChannelId, IdempotencyKey, KeyDigest, PollId, QuarantineReason, ReceiptKey, Transition,
};
use vote_proof::{Asked, ChallengeKey, challenge};
use vote_testkit::eventually;

use crate::app::{Ahead, Answer, App, DEADLINE, POLL, Show, now};
use crate::voters::Identity;

const THRESHOLD: (&str, &str) = ("VOTE__SUSPICION__THRESHOLD", "100");
const DENIED: &str = "VOTE__SUSPICION__DENY_LIST_FILE";
/// The tests themselves are the proxy in front.
const TRUSTED: (&str, &str) = ("VOTE__HTTP__TRUSTED_PROXIES", "127.0.0.1");
const LISTED: (&str, &str) = ("VOTE__HTTP__CLIENT_ADDRESS", "x_forwarded_for");

const HONEST: &str = "198.51.100.1";
const BOT: &str = "203.0.113.7";

/// The ways of a vote: read here, by actix-http alone, and by the routes.
#[derive(Debug, Clone, Copy)]
enum Way {
    Plain,
    Front,
    Routes,
}

const WAYS: [Way; 3] = [Way::Plain, Way::Front, Way::Routes];

fn vote(app: &App, way: Way, from: &str, key: &str) -> RequestBuilder {
    let poll = match way {
        Way::Routes => "%70aredao-01",
        Way::Plain | Way::Front => POLL,
    };
    let mut request = app
        .post(poll)
        .json(&json!({ "candidate": "ana" }))
        .header("x-forwarded-for", from)
        .header("user-agent", "Mozilla/5.0")
        .header("idempotency-key", key);
    if let Way::Front = way {
        request = request.header("content-encoding", "identity");
    }
    request
}

/// An answer without what is each vote's own: the receipt, of which the length stays, and the second.
pub(crate) fn told(answer: &Answer) -> (u16, Vec<String>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")));
    let mut body = answer.body.clone();
    let receipt = body["receipt"].as_str().expect("a receipt").len();
    body["receipt"] = receipt.into();
    if let Some(at) = body.get_mut("accepted_at") {
        *at = at.as_str().map_or(0, str::len).into();
    }
    (answer.status.as_u16(), headers.collect(), body.to_string())
}

/// How many votes are set aside for a reason, and nobody has decided of.
pub(crate) async fn undecided(show: &Show, reason: QuarantineReason) -> u128 {
    let figures = show.operator.figures(&show.poll().await).await;
    let figures = figures.expect("figures");
    let of = figures.iter().map(|shard| {
        shard
            .quarantine
            .total_of(vote_domain::Fate::Undecided, reason)
    });
    of.sum()
}

fn list(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

#[tokio::test]
async fn a_bot_is_told_what_everybody_is_told_on_every_way_and_counts_nowhere() {
    let show = Show::open().await;
    let file = list("203.0.113.0/24 # rented\n");
    let path = file.path().to_str().expect("text");
    let app = show
        .app_with(&[THRESHOLD, TRUSTED, LISTED, (DENIED, path)])
        .await;
    for (number, way) in WAYS.into_iter().enumerate() {
        let (mine, its) = (
            format!("honest-key-{number}"),
            format!("a-bots-key-{number}"),
        );
        let honest = Answer::of(vote(&app, way, HONEST, &mine)).await;
        let bot = Answer::of(vote(&app, way, BOT, &its)).await;
        assert!(honest.is_accepted() && bot.is_accepted());
        assert_eq!(told(&honest), told(&bot), "{way:?}");
        let honest = Answer::of(vote(&app, way, HONEST, &mine)).await;
        let bot = Answer::of(vote(&app, way, BOT, &its)).await;
        assert_eq!(told(&honest), told(&bot), "{way:?}, again");
        // The same vote from elsewhere is the same vote.
        let moved = Answer::of(vote(&app, way, HONEST, &its)).await;
        assert_eq!(told(&moved), told(&bot), "{way:?}, from elsewhere");
    }
    assert_eq!(show.total().await, 3);
    assert_eq!(undecided(&show, QuarantineReason::DenyList).await, 3);
    let metrics = app.metrics().await;
    for line in [
        "vote_quarantined_votes_total{reason=\"deny_list\"} 3",
        "vote_quarantined_votes_total{reason=\"fast_proof\"} 0",
        "vote_deny_list_prefixes 1",
        "vote_deny_list_file_refused 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    // Refused ones are told the same, too.
    show.change(Transition::Pause).await;
    app.sees("poll-paused").await;
    for way in WAYS {
        let honest = Answer::of(vote(&app, way, HONEST, "new-key-1")).await;
        let bot = Answer::of(vote(&app, way, BOT, "new-key-2")).await;
        assert_eq!((honest.status, honest.body), (bot.status, bot.body));
    }
}

#[tokio::test]
async fn the_list_is_read_again_and_a_wrong_one_changes_nothing() {
    let show = Show::open().await;
    let file = list("");
    let path = file.path().to_str().expect("text");
    let app = show
        .app_with(&[THRESHOLD, TRUSTED, LISTED, (DENIED, path)])
        .await;
    let has = |line: &'static str| {
        let app = &app;
        eventually(DEADLINE, move || async move {
            app.metrics().await.contains(line)
        })
    };
    assert!(
        Answer::of(vote(&app, Way::Plain, BOT, "key-of-before"))
            .await
            .is_accepted()
    );
    std::fs::write(file.path(), "203.0.113.0/24\n").expect("written");
    has("vote_deny_list_prefixes 1").await;
    assert!(
        Answer::of(vote(&app, Way::Plain, BOT, "key-of-then"))
            .await
            .is_accepted()
    );
    std::fs::write(file.path(), "hotel\n").expect("written");
    has("vote_deny_list_file_refused 1").await;
    assert!(
        Answer::of(vote(&app, Way::Plain, BOT, "key-of-later"))
            .await
            .is_accepted()
    );
    assert_eq!(show.total().await, 1);
    assert_eq!(undecided(&show, QuarantineReason::DenyList).await, 2);
}

#[tokio::test]
async fn signals_add_up_and_nothing_is_set_aside_unless_it_is_set() {
    let show = Show::open().await;
    let file = list("203.0.113.0/24\n");
    let path = file.path().to_str().expect("text");
    let deny = [TRUSTED, LISTED, (DENIED, path)];
    let silent = |app: &App, from: &str, key: &str| {
        let request = app.post(POLL).json(&json!({ "candidate": "ana" }));
        request
            .header("x-forwarded-for", from)
            .header("idempotency-key", key)
    };
    let off = show.app_with(&deny).await;
    assert!(
        Answer::of(silent(&off, BOT, "first-key"))
            .await
            .is_accepted()
    );
    assert_eq!(show.total().await, 1);

    let mut settings = vec![THRESHOLD, ("VOTE__SUSPICION__DENY_LIST_POINTS", "60")];
    settings.extend(deny);
    let app = show.app_with(&settings).await;
    // No User-Agent, which the client of these tests does not send by itself: 40 points.
    assert!(
        Answer::of(silent(&app, HONEST, "second-key"))
            .await
            .is_accepted()
    );
    // On the list: 60.
    assert!(
        Answer::of(vote(&app, Way::Plain, BOT, "third-key"))
            .await
            .is_accepted()
    );
    assert_eq!(show.total().await, 3);
    // Both: 100.
    assert!(
        Answer::of(silent(&app, BOT, "fourth-key"))
            .await
            .is_accepted()
    );
    assert_eq!(show.total().await, 3);
    assert_eq!(undecided(&show, QuarantineReason::DenyList).await, 1);
}

#[tokio::test]
async fn forms_are_judged_alike() {
    let show = Show::open().await;
    let file = list("203.0.113.0/24\n");
    let path = file.path().to_str().expect("text");
    let app = show
        .app_with(&[THRESHOLD, TRUSTED, LISTED, (DENIED, path)])
        .await;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    for (from, key) in [(HONEST, "form-key-1"), (BOT, "form-key-2")] {
        let answer = client
            .post(format!("{}/polls/{POLL}/votes", app.url))
            .header("x-forwarded-for", from)
            .header("user-agent", "Mozilla/5.0")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("candidate=ana&channel=torcida&key={key}"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 303);
    }
    assert_eq!(show.total().await, 1);
    assert_eq!(undecided(&show, QuarantineReason::DenyList).await, 1);
}

#[tokio::test]
async fn keys_that_are_made_in_turn_are_set_aside_once_there_are_many() {
    let show = Show::open().await;
    let points = ("VOTE__SUSPICION__KEY_PATTERN_POINTS", "100");
    let many = ("VOTE__SUSPICION__KEY_PATTERN_VOTES", "20");
    let app = show.app_with(&[THRESHOLD, points, many]).await;
    for number in 0..30 {
        let key = format!("bot-{number:06}");
        assert!(app.vote("ana", Some(&key)).await.is_accepted());
    }
    assert_eq!(show.total().await, 19);
    assert_eq!(undecided(&show, QuarantineReason::KeyPattern).await, 11);
}

/// A vote with a proof that is made for its key, by a challenge of one process and a vote at another.
async fn proven(asked: &App, voted: &App, key: &str) -> Answer {
    let proof = asked.proof("prova", Some(key)).await;
    voted.prove("ana", Some(key), &proof).await
}

/// A proof for a key whose challenge was asked for so long ago, and says so or is of a process that did not say.
pub(crate) fn proof_of(ago: SignedDuration, key: &str, says: bool) -> String {
    let secret = ReceiptKey::from_bytes([0xAB; 32]);
    let secret = ChallengeKey::new(secret.for_proofs());
    let poll = PollId::parse(POLL).expect("an id");
    let asked_at = now() - ago;
    let asked = Asked {
        poll: &poll,
        channel: &ChannelId::parse("prova").expect("an id"),
        key: Some(KeyDigest::new(
            &poll,
            &IdempotencyKey::parse(key).expect("a key"),
        )),
        voter: None,
        cost: 1_000,
        asked_at: says.then_some(asked_at),
        expires_at: asked_at + SignedDuration::from_secs(90),
    };
    let challenge = challenge(&secret, &asked, [0, 0]).expect("a challenge");
    vote_proof::solve(&challenge).expect("solved")
}

#[tokio::test]
async fn a_proof_that_came_too_soon_is_set_aside_and_one_that_took_its_time_is_not() {
    let show = Show::open().await;
    let secret = "ab".repeat(32);
    // Ten seconds for the thousand iterations of this channel.
    let app = show
        .app_with(&[
            THRESHOLD,
            ("VOTE__RECEIPTS__KEY", &secret),
            ("VOTE__SUSPICION__FAST_PROOF_MS", "10000"),
        ])
        .await;
    let vote = async |key: &str, seconds: i64, says: bool| {
        let proof = proof_of(SignedDuration::from_secs(seconds), key, says);
        let answer = app.prove("ana", Some(key), &proof).await;
        assert!(answer.is_accepted(), "{answer:?}");
        told(&answer)
    };
    let honest = vote("key-1", 11, true).await;
    assert_eq!(vote("key-2", 12, false).await, honest);
    assert_eq!(show.total().await, 2);
    assert_eq!(vote("key-3", 0, true).await, honest);
    assert_eq!(vote("key-4", 0, false).await, honest);
    assert_eq!(show.total().await, 2);
    assert_eq!(undecided(&show, QuarantineReason::FastProof).await, 2);
}

#[tokio::test]
async fn how_long_a_proof_took_is_known_to_processes_whose_clocks_differ() {
    let show = Show::open().await;
    // A second less than the clock is ahead.
    let slow = ("VOTE__SUSPICION__FAST_PROOF_MS", "8000");
    let right = show.app_with(&[THRESHOLD, slow]).await;
    let ahead = Arc::new(Ahead(SignedDuration::from_secs(9)));
    let ahead = App::start_by(ahead, &show.redis.url(), &[THRESHOLD, slow]).await;
    eventually(DEADLINE, || async {
        ahead.challenge("prova", None).await.status.is_success()
    })
    .await;
    // By the clocks alone, the first would have taken nine seconds, and the second less than none.
    let both = [
        proven(&right, &ahead, "key-1").await,
        proven(&ahead, &right, "key-2").await,
    ];
    assert!(both.iter().all(Answer::is_accepted), "{both:?}");
    assert_eq!(show.total().await, 0);
    assert_eq!(undecided(&show, QuarantineReason::FastProof).await, 2);
}

#[tokio::test]
async fn a_token_that_no_page_made_today_is_set_aside_and_one_of_today_is_not() {
    let (show, identity) = (Show::open().await, Identity::new());
    let points = ("VOTE__SUSPICION__TOKEN_AGE_POINTS", "100");
    let mut settings = identity.settings();
    settings.extend([THRESHOLD, points]);
    let app = show.app_with(&settings).await;
    let vote = async |subject: &str, age: i64| {
        let issued_at = now().as_second() - age;
        let token = identity.token_of(subject, issued_at);
        let ballot = json!({ "candidate": "ana", "channel": "unico" });
        let request = app.post(POLL).json(&ballot).bearer_auth(token);
        let answer = Answer::of(request.header("idempotency-key", subject)).await;
        assert!(answer.is_accepted(), "{answer:?}");
        told(&answer)
    };
    // A day is the oldest, and a minute is how far the login's clock may be off; half a minute for slow machines.
    let day = 86_400;
    let honest = vote("ana1", day - 30).await;
    assert_eq!(vote("bia1", -30).await, honest);
    assert_eq!(show.total().await, 2);
    assert_eq!(vote("bot1", day + 30).await, honest);
    assert_eq!(vote("bot2", -120).await, honest);
    assert_eq!(show.total().await, 2);
    assert_eq!(undecided(&show, QuarantineReason::TokenAge).await, 2);
}

#[tokio::test]
async fn a_prefix_that_sends_far_more_than_its_share_is_set_aside_from_there_on() {
    let show = Show::open().await;
    let app = show
        .app_with(&[
            THRESHOLD,
            TRUSTED,
            LISTED,
            ("VOTE__SUSPICION__PREFIX_SHARE_POINTS", "100"),
            ("VOTE__SUSPICION__PREFIX_SHARE_VOTES", "20"),
            ("VOTE__SUSPICION__PREFIX_SHARE_PERCENT", "50"),
        ])
        .await;
    let vote = async |number: u32, from: &str| {
        let random = number.wrapping_mul(0x9E37_79B9);
        let answer = Answer::of(vote(&app, Way::Plain, from, &format!("{random:08x}"))).await;
        assert!(answer.is_accepted(), "{answer:?}");
        told(&answer)
    };
    let honest = vote(0, "198.51.100.1").await;
    for number in 1..30 {
        vote(number, &format!("198.51.{number}.1")).await;
    }
    // Twenty are enough to be looked at, and 29 of 59 are less than half.
    for number in 30..59 {
        vote(number, &format!("203.0.113.{number}")).await;
    }
    assert_eq!(show.total().await, 59);
    for number in 59..62 {
        assert_eq!(vote(number, "203.0.113.7").await, honest);
    }
    vote(62, "192.0.2.1").await;
    assert_eq!(show.total().await, 60);
    assert_eq!(undecided(&show, QuarantineReason::PrefixShare).await, 3);
}

#[tokio::test]
async fn a_wrong_list_at_the_start_is_refused() {
    let file = list("10.0.0.0/8\nhotel\n");
    let show = Show::open().await;
    let url = show.redis.url();
    let env = [
        ("VOTE__REDIS__URL", url.as_str()),
        ("VOTE__HTTP__BIND", "127.0.0.1:0"),
        ("VOTE__ADMIN__BIND", "127.0.0.1:0"),
        (DENIED, file.path().to_str().expect("text")),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let name = vote_runtime::ServiceName::Ingest;
    let settings = vote_runtime::Settings::load(name, None, env.into_iter()).expect("settings");
    let clock = std::sync::Arc::new(vote_runtime::SystemClock);
    let refused = vote_http::launch::<vote_ingest::Ingest>(settings, clock, None).await;
    let why = refused.err().expect("it does not start").to_string();
    assert!(why.contains("line 2"), "{why}");
}
