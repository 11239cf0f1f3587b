//! Suspect votes of which an external judge is asked. The judge is a stand-in ([`Stub`]).

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Semaphore;
use vote_domain::{QuarantineReason, Transition};
use vote_testkit::{Certificates, eventually};

use crate::app::{Answer, App, DEADLINE, POLL, Show, ago, definition};
use crate::judge_stub::{Manner, Stub};
use crate::suspicion::{told, undecided};

const URL: &str = "VOTE__JUDGE__URL";
const LIMIT: &str = "VOTE__JUDGE__TIME_LIMIT_MS";
const ACCEPT: (&str, &str) = ("VOTE__JUDGE__ON_SILENCE", "accept");

/// What a client without `User-Agent` is suspect by, and a judge that has all the time that it may have.
fn settings(stub: &Stub) -> Vec<(&str, &str)> {
    vec![
        ("VOTE__SUSPICION__THRESHOLD", "100"),
        ("VOTE__SUSPICION__CLIENT_FIELDS_POINTS", "100"),
        (URL, &stub.url),
        ("VOTE__JUDGE__SECRET", "0x4AAA-the-secret"),
        (LIMIT, "10000"),
    ]
}

async fn app(show: &Show, stub: &Stub, more: &[(&'static str, &'static str)]) -> App {
    let mut settings = settings(stub);
    settings.extend_from_slice(more);
    show.app_with(&settings).await
}

/// A vote that is suspect, with what the judge can be asked with.
async fn suspect(app: &App, key: &str, response: Option<&str>) -> Answer {
    let mut ballot = json!({ "candidate": "ana" });
    if let Some(response) = response {
        ballot["judge_response"] = json!(response);
    }
    let request = app.post(POLL).json(&ballot);
    Answer::of(request.header("idempotency-key", key)).await
}

/// How many are set aside.
async fn aside(show: &Show) -> u128 {
    undecided(show, QuarantineReason::ClientFields).await
}

async fn shows(app: &App, lines: &[&str]) {
    let metrics = app.metrics().await;
    for line in lines {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn a_suspect_vote_counts_where_the_judge_vouches_for_it_and_the_answer_does_not_tell() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let app = app(&show, &stub, &[]).await;
    let mut answers = Vec::new();
    for (key, response) in [
        ("key-1", Some("good")),
        ("key-2", Some("bad")),
        ("key-3", None),
        ("key-4", Some("")),
    ] {
        answers.push(suspect(&app, key, response).await);
    }
    let honest = app.post(POLL).header("user-agent", "Mozilla/5.0");
    let ballot = json!({ "candidate": "ana", "judge_response": "good-2" });
    answers.push(Answer::of(honest.json(&ballot).header("idempotency-key", "key-5")).await);
    for answer in &answers {
        assert!(answer.is_accepted(), "{answer:?}");
        assert_eq!(told(answer), told(&answers[0]));
    }
    assert_eq!((show.total().await, aside(&show).await), (2, 3));

    let asked = stub.asked();
    assert_eq!(
        asked.len(),
        2,
        "neither the honest one's nor those with nothing to ask with"
    );
    let first = &asked[0];
    assert!(
        first.head.starts_with("POST /siteverify HTTP/1.1\r\n"),
        "{first:?}"
    );
    assert!(!first.head.contains("secret"), "{first:?}");
    let type_of_form = "\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    assert!(first.head.contains(type_of_form), "{first:?}");
    let field = |name: &str| first.form.get(name).map(String::as_str);
    assert_eq!(field("secret"), Some("0x4AAA-the-secret"));
    assert_eq!(field("response"), Some("good"));
    assert_eq!(field("remoteip"), Some("127.0.0.1"));
    assert_eq!(field("idempotency_key").map(str::len), Some(36));
    assert_eq!(first.form.len(), 4);
    shows(
        &app,
        &[
            "vote_judge_requests_total{outcome=\"passed\"} 1",
            "vote_judge_requests_total{outcome=\"refused\"} 1",
            "vote_judge_requests_total{outcome=\"silent\"} 0",
            "vote_judge_requests_total{outcome=\"not_asked\"} 2",
            "vote_judge_duration_seconds_count 2",
            "vote_quarantined_votes_total{reason=\"client_fields\"} 3",
        ],
    )
    .await;
    assert_eq!(
        stub.connections(),
        1,
        "the second question went the same way"
    );
}

#[tokio::test]
async fn without_a_judge_nothing_is_asked_and_its_text_is_not_looked_at() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let without = settings(&stub).into_iter().filter(|(name, _)| *name != URL);
    let app = show.app_with(&without.collect::<Vec<_>>()).await;
    assert!(suspect(&app, "key-1", Some("good")).await.is_accepted());
    assert_eq!((show.total().await, aside(&show).await), (0, 1));
    assert!(stub.asked().is_empty());
    shows(
        &app,
        &["vote_judge_requests_total{outcome=\"not_asked\"} 0"],
    )
    .await;
}

#[tokio::test]
async fn the_address_and_the_key_of_a_repeat_are_told_only_where_they_may_be() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let quiet = [
        ("VOTE__JUDGE__SEND_ADDRESS", "false"),
        ("VOTE__JUDGE__IDEMPOTENCY_KEY", "false"),
    ];
    let app = app(&show, &stub, &quiet).await;
    assert!(suspect(&app, "key-1", Some("good")).await.is_accepted());
    let asked = stub.asked();
    let names: Vec<&String> = asked[0].form.keys().collect();
    assert_eq!(names, ["response", "secret"]);
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn the_fields_of_the_judges_widgets_are_taken_from_forms() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let app = app(&show, &stub, &[]).await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.build().expect("a client");
    for (number, fields) in [
        "cf-turnstile-response=good1",
        // hCaptcha's widget fills both.
        "g-recaptcha-response=good2&h-captcha-response=good2",
        "g-recaptcha-response=good3",
        "cf-turnstile-response=&g-recaptcha-response=bad",
        "cf-turnstile-response=",
    ]
    .into_iter()
    .enumerate()
    {
        let form = client.post(format!("{}/polls/{POLL}/votes", app.url));
        let body = format!("candidate=ana&channel=torcida&key=key-{number}&{fields}");
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        let answer = form.body(body).send().await.expect("an answer");
        assert_eq!(answer.status(), 303, "{fields}");
    }
    assert_eq!((show.total().await, aside(&show).await), (3, 2));
    let responses = stub
        .asked()
        .into_iter()
        .map(|asked| asked.form["response"].clone());
    assert_eq!(
        responses.collect::<Vec<_>>(),
        ["good1", "good2", "good3", "bad"]
    );
}

#[tokio::test]
async fn a_text_that_no_judge_has_given_is_refused_for_everybody_alike() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let app = app(&show, &stub, &[]).await;
    let long = "x".repeat(8_193);
    let honest = app.post(POLL).header("user-agent", "Mozilla/5.0");
    let ballot = json!({ "candidate": "ana", "judge_response": long });
    let honest = Answer::of(honest.json(&ballot)).await;
    let bot = suspect(&app, "key-1", Some(&long)).await;
    assert_eq!((bot.status.as_u16(), bot.code()), (400, "malformed-body"));
    assert!(bot.detail().contains("at most 8192 bytes"), "{bot:?}");
    assert_eq!(told_of_problem(&bot), told_of_problem(&honest));
    let null = json!({ "candidate": "ana", "judge_response": null });
    assert_eq!(app.send(null).await.code(), "malformed-body");
    assert!(stub.asked().is_empty());
    // One that is as long as may be, of characters that a form has to encode.
    let longest = "&=\r\n%+é\0".repeat(910);
    assert!(longest.len() <= 8_192);
    assert!(suspect(&app, "key-2", Some(&longest)).await.is_accepted());
    assert_eq!(stub.asked()[0].form["response"], longest);
    assert_eq!(show.total().await, 1);
}

fn told_of_problem(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.body.to_string())
}

/// Answers that vouch for nobody, and whether they say anything at all.
fn answers_that_are_no_yes() -> Vec<(&'static str, Manner, bool)> {
    let says = |body: &str| Manner::Says(200, body.to_owned());
    let bytes = |head: &str, body: Vec<u8>| Manner::Bytes([head.as_bytes(), &body].concat());
    let yes = r#"{"success":true,"hostname":"vote.example","action":"vote","score":0.9}"#;
    let padded = format!("{}{yes}", " ".repeat(10_000_000)).into_bytes();
    let chunked = [b"989690\r\n".as_slice(), &padded, b"\r\n0\r\n\r\n"].concat();
    let deep = format!(
        r#"{{"success":{}true{}}}"#,
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    let elsewhere =
        "HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: http://127.0.0.1:1/\r\n\r\n";
    vec![
        ("500", Manner::Says(500, yes.to_owned()), true),
        ("503", Manner::Says(503, String::new()), true),
        ("429", Manner::Says(429, yes.to_owned()), true),
        (
            "a page",
            says("<html><body>success: true</body></html>"),
            true,
        ),
        ("nothing", says(""), true),
        (
            "10 MB",
            bytes(
                "HTTP/1.1 200 OK\r\ncontent-length: 10000070\r\n\r\n",
                padded.clone(),
            ),
            true,
        ),
        (
            "10 MB in chunks",
            bytes(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                chunked,
            ),
            true,
        ),
        (
            "10 MB without an end",
            bytes("HTTP/1.1 200 OK\r\n\r\n", padded.clone()),
            true,
        ),
        (
            "10 MB of a head",
            bytes("HTTP/1.1 200 OK\r\nx: ", padded),
            true,
        ),
        ("a redirect", bytes(elsewhere, Vec::new()), true),
        ("no HTTP", bytes("SSH-2.0 hello\r\n\r\n", Vec::new()), true),
        (
            "half of it",
            bytes(
                "HTTP/1.1 200 OK\r\ncontent-length: 70\r\n\r\n{\"success\":true",
                Vec::new(),
            ),
            true,
        ),
        ("it hangs up", Manner::HangsUp, true),
        ("deeply nested", says(&deep), true),
        ("a list", says("[true]"), true),
        ("no verdict", says(r#"{"hostname":"vote.example"}"#), true),
        (
            "two verdicts",
            says(r#"{"success":false,"success":true}"#),
            true,
        ),
        (
            "a wrong secret",
            says(r#"{"success":false,"error-codes":["invalid-input-secret"]}"#),
            true,
        ),
        ("a text", says(r#"{"success":"true"}"#), false),
        ("a number", says(r#"{"success":1}"#), false),
        ("no", says(r#"{"success":false}"#), false),
        (
            "no, by its status",
            Manner::Says(
                400,
                r#"{"success":false,"error-codes":["bad-request"]}"#.to_owned(),
            ),
            false,
        ),
        ("another site", says(&yes.replace("vote.", "evil.")), false),
        (
            "another purpose",
            says(&yes.replace("\"vote\"", "\"login\"")),
            false,
        ),
        ("a low score", says(&yes.replace("0.9", "0.3")), false),
        (
            "a score as a text",
            says(&yes.replace("0.9", "\"0.9\"")),
            false,
        ),
        ("a bare yes", says(r#"{"success":true}"#), false),
    ]
}

#[tokio::test]
async fn whatever_a_judge_answers_only_a_yes_is_one_and_its_silence_means_what_the_settings_say() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let strict = [
        ("VOTE__JUDGE__MIN_SCORE_PERCENT", "50"),
        ("VOTE__JUDGE__HOSTNAMES", "www.example, vote.example"),
        ("VOTE__JUDGE__ACTION", "vote"),
    ];
    let mut lenient = strict.to_vec();
    lenient.push(ACCEPT);
    let well = Manner::Well {
        knows_repeats: true,
    };
    let (mut counted, mut set_aside) = (0, 0);
    for (silence_counts, settings) in [(false, strict.as_slice()), (true, &lenient)] {
        let app = app(&show, &stub, settings).await;
        for (number, (what, manner, is_silent)) in answers_that_are_no_yes().into_iter().enumerate()
        {
            stub.behaves(manner);
            let (key, response) = (
                format!("key-{silence_counts}-{number}"),
                format!("text-{silence_counts}-{number}"),
            );
            assert!(
                suspect(&app, &key, Some(&response)).await.is_accepted(),
                "{what}"
            );
            // In between it answers well, so that it is asked again.
            stub.behaves(well.clone());
            let (key, response) = (format!("{key}-well"), format!("{response}-well"));
            assert!(
                suspect(&app, &key, Some(&response)).await.is_accepted(),
                "{what}"
            );
            counted += 1 + u128::from(is_silent && silence_counts);
            set_aside += u128::from(!(is_silent && silence_counts));
            assert_eq!(aside(&show).await, set_aside, "{what}");
            assert_eq!(show.total().await, counted, "{what}");
        }
    }
}

#[tokio::test]
async fn a_judge_that_never_answers_is_waited_for_no_longer_than_is_said() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let app = app(&show, &stub, &[(LIMIT, "100")]).await;
    stub.behaves(Manner::Never);
    assert!(suspect(&app, "key-1", Some("good")).await.is_accepted());
    assert_eq!((show.total().await, aside(&show).await), (0, 1));
    // Nobody listens there.
    let mut gone = Stub::start().await;
    gone.url = "http://127.0.0.1:1/siteverify".to_owned();
    let app = self::app(&show, &gone, &[ACCEPT]).await;
    assert!(suspect(&app, "key-2", Some("good")).await.is_accepted());
    assert_eq!((show.total().await, aside(&show).await), (1, 1));
    shows(&app, &["vote_judge_requests_total{outcome=\"silent\"} 1"]).await;
}

#[tokio::test]
async fn a_judge_that_can_not_show_who_it_is_is_told_nothing() {
    let certificates = Certificates::generate();
    let (show, stub) = (Show::open().await, Stub::start_with(&certificates).await);
    let (trusted, stranger) = (certificates.authority(), Certificates::generate());
    for (authority, counted, set_aside) in [(stranger.authority(), 0, 1), (trusted, 1, 1)] {
        let mut settings = settings(&stub);
        let authority = authority.to_str().expect("text");
        settings.push(("VOTE__JUDGE__CA_FILE", authority));
        let app = show.app_with(&settings).await;
        let key = format!("key-{counted}");
        assert!(suspect(&app, &key, Some("good")).await.is_accepted());
        assert_eq!(
            (show.total().await, aside(&show).await),
            (counted, set_aside)
        );
        assert_eq!(stub.asked().len() as u128, counted);
    }
}

#[tokio::test]
async fn a_vote_that_is_sent_again_is_asked_about_once_and_what_is_good_once_is_good_for_one() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    stub.behaves(Manner::Well {
        knows_repeats: false,
    });
    let app = app(&show, &stub, &[]).await;
    // Ten at once: one is asked about, and the others wait for what is said of it.
    let votes = (0..10).map(|_| suspect(&app, "key-1", Some("good")));
    let answers = join_all(votes).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.is_accepted()).count(),
        1
    );
    assert_eq!(
        answers.iter().filter(|answer| answer.is_repeat()).count(),
        9
    );
    assert_eq!(stub.asked().len(), 1);
    assert_eq!((show.total().await, aside(&show).await), (1, 0));
    // Another vote with the same text is not vouched for, however often it is sent.
    for _ in 0..2 {
        assert!(
            suspect(&app, "key-2", Some("good"))
                .await
                .status
                .is_success()
        );
    }
    assert_eq!(stub.asked().len(), 2);
    assert_eq!((show.total().await, aside(&show).await), (1, 1));
    // What was judged first stays, also by another process, and with a text that would be good.
    let other = self::app(&show, &stub, &[]).await;
    assert!(suspect(&other, "key-1", Some("good")).await.is_repeat());
    assert!(suspect(&other, "key-2", Some("good-2")).await.is_repeat());
    assert_eq!((show.total().await, aside(&show).await), (1, 1));
}

#[tokio::test]
async fn votes_without_a_key_are_asked_about_each_time() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let app = app(&show, &stub, &[]).await;
    for _ in 0..2 {
        let ballot = json!({ "candidate": "ana", "judge_response": "good" });
        assert!(app.send(ballot).await.is_accepted());
    }
    let asked = stub.asked();
    assert_eq!(asked.len(), 2);
    assert!(!asked[0].form.contains_key("idempotency_key"));
    assert_eq!((show.total().await, aside(&show).await), (1, 1));
}

#[tokio::test]
async fn a_vote_that_was_not_recorded_is_not_set_aside_because_it_had_been_asked_about() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    stub.behaves(Manner::Well {
        knows_repeats: false,
    });
    let short = ("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "200");
    let app = app(&show, &stub, &[short]).await;
    show.redis.pause();
    // The first is on its way when Redis stalls; the second was never sent.
    assert_eq!(suspect(&app, "key-1", Some("good-1")).await.status, 504);
    let second = suspect(&app, "key-2", Some("good-2")).await;
    assert_eq!(
        (second.status.as_u16(), second.code()),
        (503, "not-recorded")
    );
    show.redis.resume();
    for (key, response) in [("key-1", "good-1"), ("key-2", "good-2")] {
        eventually(DEADLINE, || async {
            suspect(&app, key, Some(response)).await.status.is_success()
        })
        .await;
    }
    assert_eq!(stub.asked().len(), 2);
    assert_eq!((show.total().await, aside(&show).await), (2, 0));
}

#[tokio::test]
async fn a_repeat_by_another_process_is_known_to_the_judge_by_its_key() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let short = ("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "200");
    let apps = [
        app(&show, &stub, &[short]).await,
        app(&show, &stub, &[short]).await,
    ];
    show.redis.pause();
    assert_eq!(suspect(&apps[0], "key-1", Some("good-1")).await.status, 504);
    assert_eq!(suspect(&apps[0], "key-2", Some("good-2")).await.status, 503);
    show.redis.resume();
    eventually(DEADLINE, || async {
        suspect(&apps[1], "key-2", Some("good-2"))
            .await
            .is_accepted()
    })
    .await;
    let asked = stub.asked();
    let of = |response: &str| {
        let of = asked
            .iter()
            .filter(|asked| asked.form["response"] == response);
        of.map(|asked| asked.form["idempotency_key"].clone())
            .collect::<Vec<_>>()
    };
    let keys = of("good-2");
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
    assert_ne!(keys[0], of("good-1")[0]);
    assert_eq!((show.total().await, aside(&show).await), (2, 0));
}

#[tokio::test]
async fn a_repeat_after_a_silence_is_not_set_aside_as_a_duplicate() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let settings = [("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "200"), ACCEPT];
    let app = app(&show, &stub, &settings).await;
    // It uses the text up, and is not heard; nor is the vote recorded.
    stub.behaves(Manner::HangsUp);
    show.redis.pause();
    assert_eq!(suspect(&app, "key-1", Some("good-1")).await.status, 504);
    assert_eq!(suspect(&app, "key-2", Some("good-2")).await.status, 503);
    show.redis.resume();
    stub.behaves(Manner::Well {
        knows_repeats: false,
    });
    eventually(DEADLINE, || async {
        suspect(&app, "key-2", Some("good-2")).await.is_accepted()
    })
    .await;
    let asked = stub.asked();
    let again = asked
        .iter()
        .filter(|asked| asked.form["response"] == "good-2");
    assert_eq!(again.count(), 2, "it may answer now");
    assert_eq!((show.total().await, aside(&show).await), (2, 0));
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_the_answer_for_its_repeat() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let permits = Arc::new(Semaphore::new(0));
    stub.behaves(Manner::When(Arc::clone(&permits)));
    let app = app(&show, &stub, &[]).await;
    let (url, asked) = (app.url.clone(), || !stub.asked().is_empty());
    let first = tokio::spawn(async move {
        let post = reqwest::Client::new().post(format!("{url}/v1/polls/{POLL}/votes"));
        let ballot = json!({ "candidate": "ana", "judge_response": "good" });
        post.json(&ballot)
            .header("idempotency-key", "key-1")
            .send()
            .await
    });
    eventually(DEADLINE, || async { asked() }).await;
    first.abort();
    assert!(first.await.is_err());
    permits.add_permits(1);
    stub.behaves(Manner::Well {
        knows_repeats: false,
    });
    let again = suspect(&app, "key-1", Some("good")).await;
    assert!(again.status.is_success(), "{again:?}");
    assert_eq!(stub.asked().len(), 1);
    assert_eq!((show.total().await, aside(&show).await), (1, 0));
}

#[tokio::test]
async fn no_more_are_asked_about_at_a_time_than_is_said_and_honest_votes_wait_for_none() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let permits = Arc::new(Semaphore::new(0));
    stub.behaves(Manner::When(Arc::clone(&permits)));
    let app = app(&show, &stub, &[("VOTE__JUDGE__MAX_IN_FLIGHT", "1")]).await;
    let held = suspect(&app, "key-1", Some("good-1"));
    let meanwhile = async {
        eventually(DEADLINE, || async { stub.asked().len() == 1 }).await;
        assert!(suspect(&app, "key-2", Some("good-2")).await.is_accepted());
        let honest = app.post(POLL).header("user-agent", "Mozilla/5.0");
        let honest = honest.json(&json!({ "candidate": "ana" }));
        assert!(Answer::of(honest).await.is_accepted());
        permits.add_permits(1);
    };
    let (held, ()) = tokio::join!(held, meanwhile);
    assert!(held.is_accepted());
    assert_eq!(stub.asked().len(), 1);
    assert_eq!((show.total().await, aside(&show).await), (2, 1));
    shows(
        &app,
        &[
            "vote_judge_requests_total{outcome=\"passed\"} 1",
            "vote_judge_requests_total{outcome=\"silent\"} 1",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_judge_that_is_silent_again_and_again_is_left_alone() {
    let (show, stub) = (Show::open().await, Stub::start().await);
    let app = app(&show, &stub, &[]).await;
    stub.behaves(Manner::Says(500, String::new()));
    for number in 0..20 {
        let (key, response) = (format!("key-{number}"), format!("good-{number}"));
        assert!(suspect(&app, &key, Some(&response)).await.is_accepted());
    }
    // One more every five seconds, on a machine that is this slow.
    assert!(
        (5..20).contains(&stub.asked().len()),
        "{}",
        stub.asked().len()
    );
    assert_eq!((show.total().await, aside(&show).await), (0, 20));
    shows(&app, &["vote_judge_requests_total{outcome=\"silent\"} 20"]).await;
    stub.behaves(Manner::Well {
        knows_repeats: true,
    });
    // It is found out by itself that it answers again.
    let numbers = std::sync::atomic::AtomicU32::new(20);
    eventually(DEADLINE, || async {
        let number = numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (key, response) = (format!("key-{number}"), format!("good-{number}"));
        assert!(suspect(&app, &key, Some(&response)).await.is_accepted());
        app.metrics().await.contains("{outcome=\"passed\"} 1")
    })
    .await;
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn what_the_poll_does_not_take_now_is_not_asked_about() {
    let later = definition(ago(-600), ago(-3_600));
    let show = Show::with(later, Some(Transition::Open)).await;
    let stub = Stub::start().await;
    let app = app(&show, &stub, &[]).await;
    let early = suspect(&app, "key-1", Some("good")).await;
    assert_eq!(early.code(), "poll-not-open");
    assert!(stub.asked().is_empty());
}
