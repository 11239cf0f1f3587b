//! Votes that come as a form, from a page without scripts.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use vote_domain::Transition;
use vote_testkit::eventually;

use crate::app::{App, DEADLINE, POLL, Show};

const TYPE: &str = "application/x-www-form-urlencoded";

/// An answer of the form's route, read whole.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let answer = Self {
            status,
            headers,
            text,
        };
        assert_eq!(answer.headers["cache-control"], "no-store", "{answer:?}");
        if status != StatusCode::SEE_OTHER {
            assert_eq!(
                answer.headers["content-type"], "text/html; charset=utf-8",
                "{answer:?}"
            );
            let policy = answer.headers["content-security-policy"]
                .to_str()
                .expect("text");
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            assert!(!answer.text.contains("<script"), "{answer:?}");
        }
        answer
    }

    fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:?}");
        self.headers["location"].to_str().expect("text")
    }
}

fn form(app: &App) -> RequestBuilder {
    let client = Client::builder().redirect(redirect::Policy::none()).build();
    let client = client.expect("a client");
    client
        .post(format!("{}/polls/{POLL}/votes", app.url))
        .header("content-type", TYPE)
}

async fn send(app: &App, body: &str) -> Answer {
    Answer::of(form(app).body(body.to_owned())).await
}

fn vote(key: &str) -> String {
    format!("candidate=ana&channel=torcida&direction=eliminate&key={key}&lang=pt")
}

#[tokio::test]
async fn a_form_is_a_vote_and_leads_to_its_receipt_without_naming_anybody() {
    let show = Show::open().await;
    let app = show.app().await;
    let answer = send(&app, &vote("k1")).await;
    let location = answer.location();
    assert!(
        location.starts_with("/polls/paredao-01/receipts/v1."),
        "{location}"
    );
    assert!(
        location.ends_with("?lang=pt-BR") && !location.contains("ana"),
        "{location}"
    );
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn a_second_click_and_a_form_that_is_sent_again_count_once() {
    let show = Show::open().await;
    let app = show.app().await;
    let body = vote("the-same");
    let (one, other) = futures_util::join!(send(&app, &body), send(&app, &body));
    let third = send(&app, &body).await;
    for answer in [one, other, third] {
        assert!(answer.location().contains("/receipts/"));
    }
    // The same key by the API is the same vote, too.
    assert!(app.vote("ana", Some("the-same")).await.is_repeat());
    assert_eq!(show.total().await, 1);
    let other = send(&app, "candidate=bia&key=the-same").await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(other.text.contains("Só o primeiro conta."), "{other:?}");
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn a_form_that_makes_no_sense_is_answered_with_a_page_and_records_nothing() {
    let show = Show::open().await;
    let app = show.app().await;
    let long = format!("candidate=ana&key={}", "k".repeat(300));
    for (body, status) in [
        ("", 400),
        ("candidate=ana", 400),
        ("key=k", 400),
        ("candidate=ana&key=", 400),
        ("candidate=ana&key=two+words", 400),
        (long.as_str(), 400),
        ("candidate=ana&candidate=bia&key=k", 400),
        ("candidate=ana&key=k&key=l", 400),
        ("candidate=ana&key=k&admin=1", 400),
        ("{\"candidate\":\"ana\"}", 400),
        ("%ff%fe=%00", 400),
        ("candidate=ana&key=k&direction=sideways", 400),
        ("candidate=&key=k", 422),
        ("candidate=zoe&key=k", 422),
        ("candidate=%3Cscript%3Ealert(1)%3C/script%3E&key=k", 422),
        ("candidate=ana&key=k&channel=x", 422),
        ("candidate=ana&key=k&direction=save", 422),
        ("candidate=ana&key=k&channel=unico", 403),
    ] {
        let answer = send(&app, body).await;
        assert_eq!(answer.status, status, "{body:.80}");
        assert!(
            answer
                .text
                .contains("href=\"/polls/paredao-01?lang=pt-BR\""),
            "{answer:?}"
        );
        assert!(!answer.text.contains("alert("), "{answer:?}");
    }
    let huge = send(&app, &format!("candidate={}", "a".repeat(100_000))).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    let packed = form(&app)
        .header("content-encoding", "gzip")
        .body(vote("k"));
    assert_eq!(Answer::of(packed).await.status, 415);
    let url = format!("{}/polls/{POLL}/votes", app.url);
    let plain = Client::new().post(url).body(vote("k"));
    let plain = plain.header("content-type", "text/plain");
    assert_eq!(Answer::of(plain).await.status, 415);
    assert_eq!(show.total().await, 0);
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_and_offers_nothing_again() {
    let show = Show::open().await;
    let app = show
        .app_with(&[
            ("VOTE__SITE__URL", "https://www.example.com"),
            ("VOTE__HTTP__CORS_ALLOWED_ORIGINS", "*"),
        ])
        .await;
    for headers in [
        [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ],
        [
            ("sec-fetch-site", "same-site"),
            ("origin", "https://other.example.com"),
        ],
        [("sec-fetch-site", "cross-site"), ("origin", "null")],
        [("x-nothing", ""), ("origin", "https://evil.example")],
    ] {
        let mut request = form(&app).body(vote("k"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(
            answer.text.contains("O voto veio de outro site"),
            "{answer:?}"
        );
        assert!(!answer.text.contains("<form"), "{answer:?}");
    }
    assert_eq!(show.total().await, 0);
    let own = form(&app)
        .header("sec-fetch-site", "same-site")
        .header("origin", "https://www.example.com");
    let answer = Answer::of(own.body(vote("k"))).await;
    let location = answer.location();
    assert!(
        location.starts_with("https://www.example.com/polls/paredao-01/receipts/"),
        "{location}"
    );
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn each_state_is_said_with_what_to_do() {
    let show = Show::open().await;
    let app = show.app().await;
    for (change, code, status, said, can_repeat) in [
        (
            Transition::Pause,
            "poll-paused",
            409,
            "A votação está pausada",
            true,
        ),
        (Transition::Resume, "", 303, "", false),
        (
            Transition::Close,
            "poll-closed",
            410,
            "A votação está encerrada",
            false,
        ),
        (
            Transition::Void,
            "poll-void",
            410,
            "A votação foi anulada",
            false,
        ),
    ] {
        show.change(change).await;
        app.sees(code).await;
        let answer = send(&app, &vote(&format!("key-{status}-{code}"))).await;
        assert_eq!(answer.status, status, "{code}");
        assert!(answer.text.contains(said), "{answer:?}");
        assert_eq!(
            answer.text.contains("name=\"key\""),
            can_repeat,
            "{answer:?}"
        );
    }
    let english = send(&app, "candidate=ana&key=z&lang=en").await;
    assert!(english.text.contains("The poll is void"), "{english:?}");
}

#[tokio::test]
async fn a_poll_that_is_not_there_is_a_page_and_its_address_leads_to_a_poll_that_is() {
    let show = Show::open().await;
    let app = show.app().await;
    let client = Client::builder().redirect(redirect::Policy::none()).build();
    let client = client.expect("a client");
    for id in ["unknown", "PAREDAO", "%3Cscript%3E", "%ff"] {
        let url = format!("{}/polls/{id}/votes", app.url);
        let request = client
            .post(&url)
            .header("content-type", TYPE)
            .body(vote("k"));
        let response = request.send().await.expect("an answer");
        assert!([400, 404].contains(&response.status().as_u16()), "{id}");
        assert!(
            !response.text().await.expect("text").contains("<script>"),
            "{id}"
        );
    }
    let url = format!("{}/polls/{POLL}/votes", app.url);
    let answer = Answer::of(client.get(&url)).await;
    assert_eq!(answer.location(), "/polls/paredao-01?lang=pt-BR");
}

#[tokio::test]
async fn an_unknown_answer_offers_the_same_vote_again_and_it_counts_once() {
    let show = Show::open().await;
    let app = show
        .app_with(&[("VOTE__COMMIT__ACCEPT_TIMEOUT_MS", "300")])
        .await;
    show.redis.pause();
    let body = vote("through-the-night");
    let answer = eventually(DEADLINE, || async {
        let answer = send(&app, &body).await;
        (answer.status == StatusCode::GATEWAY_TIMEOUT).then_some(answer)
    });
    let answer = tokio::time::timeout(DEADLINE, answer)
        .await
        .expect("in time");
    assert!(
        answer
            .text
            .contains("Não sabemos se seu voto foi registrado"),
        "{answer:?}"
    );
    assert!(
        answer
            .text
            .contains("name=\"key\" value=\"through-the-night\""),
        "{answer:?}"
    );
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    show.redis.resume();
    let again = eventually(DEADLINE, || async {
        let answer = send(&app, &body).await;
        (answer.status == StatusCode::SEE_OTHER).then_some(answer)
    })
    .await;
    assert!(again.location().contains("/receipts/"));
    assert_eq!(show.total().await, 1);
    tokio::time::timeout(Duration::from_secs(30), app.stop())
        .await
        .expect("in time")
        .expect("clean");
}

#[tokio::test]
async fn a_form_may_have_the_widgets_field() {
    let show = Show::open().await;
    let app = show.app().await;
    let field = |proof: String| {
        let proof = proof.replace('+', "%2B").replace('=', "%3D");
        format!("&altcha={proof}")
    };
    let plain = field(app.proof("prova", None).await);
    let keyed = field(app.proof("prova", Some("k")).await);
    for (channel, proof, key, status) in [
        ("prova", "", "", StatusCode::BAD_REQUEST),
        ("prova", "", "&key=k", StatusCode::FORBIDDEN),
        ("prova", &*plain, "", StatusCode::SEE_OTHER),
        ("prova", &*plain, "", StatusCode::SEE_OTHER),
        ("prova", &*keyed, "&key=k", StatusCode::SEE_OTHER),
        ("prova", &*keyed, "&key=k", StatusCode::SEE_OTHER),
        ("prova", &*plain, "&key=k", StatusCode::UNPROCESSABLE_ENTITY),
        // Nothing would make a second click the same vote.
        ("torcida", &*plain, "", StatusCode::BAD_REQUEST),
    ] {
        let body = format!("candidate=ana&channel={channel}{proof}{key}");
        let answer = send(&app, &body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    }
    assert_eq!(show.total().await, 2);
}
