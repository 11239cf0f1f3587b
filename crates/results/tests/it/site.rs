//! The pages for people. How they look and behave is checked in a browser: `make pages-check`.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use vote_domain::{ReceiptKey, Transition};
use vote_testkit::{RedisServer, eventually};

use crate::support::{
    ANA, Answer, App, BIA, DEADLINE, ID, Producer, RECEIPT_KEY, closes_at, opens_at, published,
    receipt_of, voting,
};

const PAGE: &str = "/polls/paredao-01";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// A browser's.
const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

fn text(answer: &Answer) -> String {
    assert_eq!(
        answer.header("content-type"),
        "text/html; charset=utf-8",
        "{answer:?}"
    );
    seen(&answer.body)
}

/// A page without the words that are there for its script.
fn seen(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    match text.split_once("data-words=\"") {
        Some((before, rest)) => {
            let (_, after) = rest.split_once('"').expect("the attribute's end");
            format!("{before}{after}")
        }
        None => text.into_owned(),
    }
}

/// Waits until a page holds a text.
async fn until(app: &App, path: &str, holds: &str) -> String {
    eventually(DEADLINE, || async {
        let answer = app.get(path).await;
        let text = seen(&answer.body);
        if text.contains(holds) {
            Ok(text)
        } else {
            Err(text)
        }
    })
    .await
}

async fn post(app: &App, path: &str, body: &str) -> Answer {
    let url = format!("http://{}{path}", app.address());
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let request = client.expect("a client").post(url).header(FORM.0, FORM.1);
    let response = request
        .body(body.to_owned())
        .send()
        .await
        .expect("an answer");
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes().await.expect("a body").to_vec(),
    }
}

#[tokio::test]
async fn the_page_of_a_poll_says_who_can_be_voted_for_what_it_means_and_how_it_stands() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    let page = until(&app, PAGE, "Votar para eliminar Ana").await;
    for said in [
        "<html lang=\"pt-BR\">",
        "Votação aberta até 25/11/2026 às 23:00 (UTC-03:00).",
        "O voto é para ELIMINAR",
        "https://example.com/bia.png",
        "fill=\"#e4572e\"",
        "Ainda não há votos.",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("0,00"), "nobody has voted: {page}");
    let voters = producer.voting().await;
    for (candidate, votes) in [(ANA, 3), (BIA, 1)] {
        for _ in 0..votes {
            voters.vote(candidate, voting()).await;
        }
    }
    let page = until(&app, PAGE, "75,00 %").await;
    assert!(page.contains("width=\"75.00%\""), "{page}");
    assert!(page.contains("Total de votos: 4"), "{page}");
    assert!(
        page.contains("Números de 23/11/2026 às 22:02 (UTC-03:00)"),
        "{page}"
    );
    let english = text(&app.get(&format!("{PAGE}?lang=en&utm_source=x&y=1")).await);
    for said in [
        "<html lang=\"en\">",
        "Vote to evict Ana",
        "75.00%",
        "Voting is open until 25 November 2026 at 23:00 (UTC-03:00).",
        "hreflang=\"pt-BR\"",
    ] {
        assert!(english.contains(said), "{said}: {english}");
    }
    // A language that is none of ours is passed over.
    let other = app.get(&format!("{PAGE}?lang=tlh")).await;
    assert_eq!(other.body, app.get(PAGE).await.body);
}

#[tokio::test]
async fn every_state_is_said_and_votes_are_offered_in_one_alone() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let early = json!({ "id": "amanha", "opens_at": "2026-11-25T00:00:00Z" });
    producer.open(&early).await;
    let app = App::start(&redis.url()).await;
    let offers = |page: &str| !page.contains("<div class=\"asking\" hidden>");
    let page = until(&app, "/polls/amanha", "data-state=\"not_open\"").await;
    assert!(
        page.contains("A votação abre em 24/11/2026 às 21:00"),
        "{page}"
    );
    assert!(
        !offers(&page) && !page.contains("Ainda não há votos"),
        "{page}"
    );
    let page = until(&app, PAGE, "data-state=\"open\"").await;
    assert!(offers(&page));
    for (change, state, said) in [
        (Transition::Pause, "paused", "Votação pausada"),
        (Transition::Resume, "open", "Votação aberta até"),
        (
            Transition::Close,
            "closed",
            "O resultado ainda é provisório.",
        ),
    ] {
        producer.change(ID, change, voting()).await;
        let page = until(&app, PAGE, &format!("data-state=\"{state}\"")).await;
        assert!(page.contains(said), "{said}: {page}");
        assert_eq!(offers(&page), state == "open", "{state}");
    }
    producer.change("amanha", Transition::Void, voting()).await;
    let page = until(&app, "/polls/amanha", "data-state=\"void\"").await;
    assert!(
        page.contains("Votação anulada: nenhum voto vale."),
        "{page}"
    );
    let closed = producer.poll(ID).await;
    let nobody = BTreeSet::new();
    let sealed = producer.operator.seal(&closed, &nobody, voting(), "test");
    sealed.await.expect("sealed");
    let page = until(&app, PAGE, "data-state=\"final\"").await;
    assert!(page.contains("Resultado final."), "{page}");
    assert!(
        app.get(PAGE)
            .await
            .header("cache-control")
            .contains("max-age=60")
    );
}

#[tokio::test]
async fn figures_are_shown_as_far_as_they_are_public_and_old_ones_say_so() {
    let mut redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    for (id, visibility) in [
        (ID, "public"),
        ("metade", "percentages"),
        ("nada", "embargoed"),
    ] {
        producer
            .open(&json!({ "id": id, "visibility": visibility }))
            .await;
    }
    let voters = producer.voting().await;
    for id in [ID, "metade", "nada"] {
        let mut vote = crate::support::vote(ANA, voting());
        vote.key = None;
        voters.cast(id, vote).await;
    }
    let app = App::start(&redis.url()).await;
    let page = until(&app, PAGE, "100,00 %").await;
    assert!(page.contains("Total de votos: 1"), "{page}");
    let page = until(&app, "/polls/metade", "100,00 %").await;
    assert!(!page.contains("Total de votos"), "{page}");
    let page = until(
        &app,
        "/polls/nada",
        "Os percentuais não são públicos agora.",
    )
    .await;
    assert!(
        !page.contains("100,00") && !page.contains("Total de votos"),
        "{page}"
    );
    // As on the stream, the figures at which it is held stay.
    producer.release(ID).await;
    producer.hold(ID).await;
    until(&app, PAGE, "data-release=\"held\"").await;
    voters.vote(BIA, voting()).await;
    app.until_votes(2).await;
    let page = text(&app.get(PAGE).await);
    assert!(
        page.contains("100,00 %") && page.contains("Total de votos: 1"),
        "{page}"
    );
    redis.stop().await;
    app.clock.advance(std::time::Duration::from_secs(60));
    let banner = "<p id=\"stale\" class=\"banner\" role=\"status\">";
    until(&app, "/polls/metade", banner).await;
}

#[tokio::test]
async fn a_rehearsal_says_so_on_every_page_and_a_withdrawn_candidate_has_no_button() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({ "kind": "rehearsal" })).await;
    let poll = producer.poll(ID).await;
    let bia = poll.definition.candidates()[1].id.clone();
    let without = poll.withdraw(&bia, voting(), "test").expect("legal");
    producer
        .operator
        .save(&without, poll.revision)
        .await
        .expect("saved");
    let app = App::start(&redis.url()).await;
    let page = until(&app, PAGE, "Fora da votação").await;
    assert!(page.contains("Ensaio: os votos não contam."), "{page}");
    let button = |id: &str| format!("value=\"{id}\" hidden>");
    assert!(
        page.contains(&button("bia")) && !page.contains(&button("ana")),
        "{page}"
    );
    let home = until(&app, "/", "Paredão").await;
    assert!(home.contains("Ensaio: os votos não contam."), "{home}");
    let confirm = post(&app, "/polls/paredao-01/confirm", "candidate=ana").await;
    assert!(text(&confirm).contains("Ensaio: os votos não contam."));
    let refused = post(&app, "/polls/paredao-01/confirm", "candidate=bia").await;
    assert_eq!(refused.status, 422);
    assert!(text(&refused).contains("Esta pessoa está fora da votação"));
}

#[tokio::test]
async fn what_a_poll_file_says_is_text_and_never_markup() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    let hostile = json!({
        "title": "</title><script>alert(1)</script>",
        "candidates": [
            { "id": "ana", "name": "\"><img src=x onerror=alert(2)>" },
            { "id": "bia", "name": "{{ 7 * 7 }} & {name} '" }
        ]
    });
    producer.open(&hostile).await;
    let app = App::start(&redis.url()).await;
    let page = until(&app, PAGE, "data-candidate=\"ana\"").await;
    for path in [PAGE, "/", "/polls/paredao-01?lang=en"] {
        let page = until(&app, path, "alert").await;
        assert!(
            !page.contains("<script>alert") && !page.contains("<img src=x"),
            "{page}"
        );
    }
    assert!(
        page.contains("{{ 7 * 7 }} &amp; {name}") || page.contains("{{ 7 * 7 }} &#38; {name}"),
        "{page}"
    );
    let confirm = post(&app, "/polls/paredao-01/confirm", "candidate=ana").await;
    assert!(!text(&confirm).contains("<img"), "{confirm:?}");
}

#[tokio::test]
async fn a_page_is_made_once_a_revision_and_answered_by_304_to_who_has_it() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    until(&app, PAGE, "Votar para eliminar").await;
    for path in [PAGE, "/", "/polls/paredao-01?lang=en"] {
        let first = app.get(path).await;
        for (coding, ends) in [("identity", "\""), ("gzip", "-gzip\""), ("br", "-br\"")] {
            let accept = ("accept-encoding", coding);
            let answer = app.get_with(path, &[accept]).await;
            let tag = answer.header("etag").to_owned();
            assert!(tag.ends_with(ends), "{path} {tag}");
            let known = app.get_with(path, &[accept, ("if-none-match", &tag)]).await;
            assert_eq!(
                (known.status, known.body.len()),
                (304, 0),
                "{path} {coding}"
            );
            assert!(
                known
                    .header("content-security-policy")
                    .contains("default-src 'none'")
            );
        }
        assert_eq!(
            first.header("cache-control"),
            "public, max-age=1, stale-while-revalidate=5, stale-if-error=60"
        );
        let head = app.ask(Method::HEAD, path, &[]).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("etag"), first.header("etag"));
        // Whoever asks for something else is shown the page all the same.
        let image = app.get_with(path, &[("accept", "image/png")]).await;
        assert_eq!(image.body, first.body);
        assert!(app.get_with(path, &[("accept-language", "en")]).await.body == first.body);
    }
    let tag = app.get(PAGE).await.header("etag").to_owned();
    producer.voting().await.vote(ANA, voting()).await;
    app.until_votes(1).await;
    until(&app, PAGE, "100,00 %").await;
    let changed = app.get_with(PAGE, &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, 200);
    let poll = format!("poll=\"{ID}\"");
    let labels = [&poll, "representation=\"page\"", "status=\"200\""];
    assert!(app.count("vote_reads_total", &labels).await > 0);
}

#[tokio::test]
async fn every_page_keeps_strangers_out_and_reaches_what_it_needs() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let ingest = ("VOTE__SITE__INGEST_URL", "https://vote.example.com");
    let app = App::start_with(&redis.url(), &[ingest]).await;
    let page = until(&app, PAGE, "data-ingest=\"https://vote.example.com\"").await;
    assert!(
        !page.contains(" style=") && !page.contains("<script>") && !page.contains(" onclick"),
        "{page}"
    );
    let confirm = post(&app, "/polls/paredao-01/confirm", "candidate=ana").await;
    assert!(text(&confirm).contains("action=\"https://vote.example.com/polls/paredao-01/votes\""));
    let answers = [
        app.get(PAGE).await,
        app.get("/").await,
        app.get("/polls/unknown").await,
        app.get("/polls/paredao-01/receipts/x").await,
        confirm,
    ];
    for answer in &answers {
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(answer.header("referrer-policy"), "strict-origin");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
    }
    let policy = answers[0].header("content-security-policy");
    assert!(
        policy.contains("connect-src 'self' https://vote.example.com;"),
        "{policy}"
    );
    assert!(
        policy.contains("form-action 'self' https://vote.example.com;"),
        "{policy}"
    );
    assert!(
        policy.ends_with("img-src 'self' https://example.com"),
        "{policy}"
    );
}

#[tokio::test]
async fn channels_are_offered_by_what_they_ask_for() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    let proof = json!({ "id": "prova", "weight": 1, "eligibility": "proof_of_work" });
    let voter = json!({ "id": "unico", "weight": 1, "eligibility": "voter" });
    let open = json!({ "id": "torcida", "weight": 1, "eligibility": "open" });
    producer
        .open(&json!({ "channels": [proof, voter, open] }))
        .await;
    let alone = json!({ "id": "provada", "channels": [proof] });
    producer.open(&alone).await;
    let app = App::start(&redis.url()).await;
    let page = until(&app, PAGE, "data-state=\"open\"").await;
    for said in [
        "data-channels=\"prova:proof_of_work unico:voter torcida:open\"",
        // Scripts offer it, which make the proof.
        "<label hidden><input type=\"radio\" name=\"channel\" value=\"prova\" disabled>",
        "<label><input type=\"radio\" name=\"channel\" value=\"torcida\" checked>",
        "Pelo canal prova só se vota com JavaScript",
        "Pelo canal unico não se vota nesta página",
        "value=\"ana\">Votar para eliminar Ana",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("value=\"unico\""), "{page}");
    let page = until(&app, "/polls/provada", "data-state=\"open\"").await;
    for said in [
        "<input type=\"hidden\" name=\"channel\" value=\"prova\" disabled>",
        "<div class=\"asking\">",
        "value=\"ana\" hidden>Votar para eliminar Ana",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // Its worker is ours, and nothing else is allowed for it.
    let answer = app.get("/polls/provada").await;
    let policy = answer.header("content-security-policy");
    assert!(
        policy.contains("worker-src 'self';") && !policy.contains("unsafe"),
        "{policy}"
    );
    let confirm = post(
        &app,
        "/polls/provada/confirm",
        "candidate=ana&channel=prova",
    )
    .await;
    assert_eq!(confirm.status, 403);
    until(&app, "/", "Votar agora").await;
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_their_digest() {
    let redis = RedisServer::start().await;
    let (_producer, app) = published(&redis).await;
    let page = until(&app, PAGE, "Votar para").await;
    let links: Vec<&str> = page
        .split('"')
        .filter(|part| part.starts_with("/assets/"))
        .collect();
    // Three of the page, and three that its script loads for a proof of work.
    assert_eq!(links.len(), 6, "{page}");
    for link in links {
        let answer = app.get_with(link, &[("accept-encoding", "br")]).await;
        assert_eq!(answer.status, 200, "{link}");
        assert_eq!(
            answer.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        let known = [
            ("accept-encoding", "br"),
            ("if-none-match", answer.header("etag")),
        ];
        assert_eq!(app.get_with(link, &known).await.status, 304);
    }
    for path in [
        "/assets/",
        "/assets/manifest.json",
        "/assets/..%2fmanifest.json",
        "/assets/public-00000000.js",
    ] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_confirmation_asks_in_words_with_a_new_key_each_time_and_names_nobody_in_its_address() {
    let redis = RedisServer::start().await;
    let (producer, app) = published(&redis).await;
    until(&app, PAGE, "Votar para eliminar").await;
    let path = "/polls/paredao-01/confirm";
    let key = |answer: &Answer| {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let page = text(answer);
        let rest = page.split("name=\"key\" value=\"").nth(1).expect("a key");
        rest.split('"').next().expect("its end").to_owned()
    };
    let one = post(&app, path, "candidate=ana&channel=torcida&lang=en").await;
    let page = text(&one);
    for said in [
        "Your vote is to evict Ana.",
        "Confirm: evict Ana",
        "Channel: torcida",
        "action=\"/polls/paredao-01/votes\"",
        "name=\"direction\" value=\"eliminate\"",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let other = post(&app, path, "candidate=ana").await;
    assert!(text(&other).contains("Seu voto é para eliminar Ana."));
    assert_ne!(key(&one), key(&other));
    assert_eq!(key(&one).len(), 22);
    for (body, status, said) in [
        ("", 400, "Algo deu errado"),
        ("candidate=ana&candidate=bia", 400, "Algo deu errado"),
        ("candidate=ana&token=x", 400, "Algo deu errado"),
        ("candidate=zoe", 422, "Seu voto não foi registrado"),
        ("candidate=%3Cscript%3E", 422, "Seu voto não foi registrado"),
        (
            "candidate=ana&channel=x",
            422,
            "Seu voto não foi registrado",
        ),
        (
            "candidate=ana&channel=unico",
            403,
            "Por este canal não se vota nesta página",
        ),
    ] {
        let answer = post(&app, path, body).await;
        assert_eq!(answer.status, status, "{body}");
        assert!(text(&answer).contains(said), "{body}");
    }
    let huge = post(&app, path, &format!("candidate={}", "a".repeat(100_000))).await;
    assert_eq!(huge.status, 413);
    text(&huge);
    let plain = app
        .ask(Method::POST, path, &[("content-type", "text/plain")])
        .await;
    assert_eq!(plain.status, 415);
    // Who comes by the address alone is led to the page; so is everybody where votes are not taken.
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let url = format!("http://{}{path}", app.address());
    let begin = client
        .expect("a client")
        .get(url)
        .send()
        .await
        .expect("an answer");
    assert_eq!(begin.status(), 303);
    assert_eq!(begin.headers()["location"], PAGE);
    producer.change(ID, Transition::Pause, voting()).await;
    until(&app, PAGE, "data-state=\"paused\"").await;
    let paused = post(&app, path, "candidate=ana&lang=en").await;
    assert_eq!(
        (paused.status, paused.header("location")),
        (303, "/polls/paredao-01?lang=en")
    );
}

#[tokio::test]
async fn the_page_of_a_receipt_says_whether_the_vote_is_in_and_how_it_stands() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    let app = App::start_with(&redis.url(), &[("VOTE__RECEIPTS__KEY", RECEIPT_KEY)]).await;
    let mut bytes = [0; 32];
    for (byte, value) in bytes.iter_mut().zip(1..) {
        *byte = value;
    }
    let key = ReceiptKey::from_bytes(bytes);
    until(&app, PAGE, "Votar para eliminar").await;
    let voters = producer.voting().await;
    let place = voters.vote(ANA, voting()).await;
    let receipt = receipt_of(place);
    let signed = receipt.sign(&key);
    let path = format!("/polls/{ID}/receipts/{signed}");
    // Asked at once: it waits until the figures have it.
    let answer = app.get(&path).await;
    let page = text(&answer);
    assert!(page.contains("Sim. Seu voto está na contagem."), "{page}");
    assert!(
        page.contains("Voto registrado em 23/11/2026 às 22:02"),
        "{page}"
    );
    assert!(
        page.contains("100,00 %") && page.contains(&signed),
        "{page}"
    );
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert!(page.contains("noindex"), "{page}");
    assert!(
        text(&app.get(&format!("{path}?lang=en")).await)
            .contains("Yes. Your vote is in the count.")
    );
    let mut later = receipt.clone();
    later.sequence += 100;
    let later = format!("/polls/{ID}/receipts/{}", later.sign(&key));
    assert!(text(&app.get(&later).await).contains("Ainda não."));
    for (path, status) in [
        (format!("/polls/other/receipts/{signed}"), 400),
        (format!("/polls/{ID}/receipts/v1.x.y"), 400),
        (format!("/polls/{ID}/receipts/%3Cscript%3E"), 400),
        (format!("/polls/{ID}/receipts/{}", "v1.".repeat(5_000)), 400),
    ] {
        let answer = app.get(&path).await;
        assert_eq!(answer.status, status, "{path:.80}");
        assert!(text(&answer).contains("Este recibo não é válido"));
    }
    drop(voters);
    let closed = producer.change(ID, Transition::Close, voting()).await;
    let writers = std::iter::once(place.writer).collect();
    producer
        .operator
        .seal(&closed, &writers, voting(), "test")
        .await
        .expect("sealed");
    until(&app, &path, "Seu voto está no resultado final.").await;
    assert!(text(&app.get(&later).await).contains("O resultado final não tem o lote deste voto."));
}

#[tokio::test]
async fn what_is_held_is_no_final_result_until_it_is_released() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    producer.open(&json!({})).await;
    producer.release(ID).await;
    let app = App::start_with(&redis.url(), &[("VOTE__RECEIPTS__KEY", RECEIPT_KEY)]).await;
    let voters = producer.voting().await;
    let place = voters.vote(ANA, voting()).await;
    for candidate in [ANA, ANA, BIA] {
        voters.vote(candidate, voting()).await;
    }
    let mut bytes = [0; 32];
    for (byte, value) in bytes.iter_mut().zip(1..) {
        *byte = value;
    }
    let signed = receipt_of(place).sign(&ReceiptKey::from_bytes(bytes));
    let receipt = format!("/polls/{ID}/receipts/{signed}");
    until(&app, PAGE, "75,00 %").await;
    producer.hold(ID).await;
    until(&app, PAGE, "data-release=\"held\"").await;
    for _ in 0..5 {
        voters.vote(BIA, voting()).await;
    }
    voters.end().await;
    producer.seal(ID, closes_at()).await;
    let path = format!("/v1/polls/{ID}");
    let poll = app.until(&path, |poll| poll["status"] == "final").await;
    let changes = "public, max-age=1, stale-while-revalidate=5, stale-if-error=60";
    assert_eq!(poll.header("cache-control"), changes);
    let answer = app.get(PAGE).await;
    assert_eq!(answer.header("cache-control"), changes);
    let page = text(&answer);
    assert!(page.contains("data-state=\"closed\""), "{page}");
    for page in [page, text(&app.get(&receipt).await)] {
        assert!(page.contains("75,00 %"), "{page}");
        assert!(page.contains("O resultado ainda é provisório."), "{page}");
        assert!(!page.contains("Resultado final"), "{page}");
    }

    producer.release(ID).await;
    let page = until(&app, PAGE, "data-release=\"released\"").await;
    for said in ["data-state=\"final\"", "Resultado final", "33,33 %"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let kept = app.get(PAGE).await;
    assert!(kept.header("cache-control").contains("max-age=60,"));
    // Held again, it stands still at the result itself.
    producer.hold(ID).await;
    let page = until(&app, PAGE, "data-release=\"held\"").await;
    assert!(page.contains("data-state=\"final\""), "{page}");
    assert!(page.contains("33,33 %"), "{page}");
}

#[tokio::test]
async fn the_list_shows_what_is_announced_with_the_current_poll_first() {
    let redis = RedisServer::start().await;
    let producer = Producer::new(&redis);
    let app = App::start(&redis.url()).await;
    until(&app, "/", "Não há votações no momento.").await;
    producer
        .apply(&json!({ "id": "segredo", "title": "Segredo" }))
        .await;
    producer
        .open(&json!({ "id": "antes", "title": "Antes", "opens_at": "2026-11-23T00:00:00Z" }))
        .await;
    producer.open(&json!({})).await;
    let page = until(&app, "/", "paredao-01").await;
    let place = |text: &str| page.find(text).unwrap_or(usize::MAX);
    assert!(place("/polls/paredao-01") < place("/polls/antes"), "{page}");
    assert!(
        page.contains("class=\"poll current\"") && page.contains("Votar agora"),
        "{page}"
    );
    assert!(
        !page.contains("segredo") && !page.contains("Segredo"),
        "{page}"
    );
    let english = text(&app.get("/?lang=en").await);
    assert!(
        english.contains("/polls/paredao-01?lang=en") && english.contains("Vote now"),
        "{english}"
    );
    let draft = app.get("/polls/segredo").await;
    assert_eq!(draft.status, 404);
    assert!(!text(&draft).contains("Segredo"));
    let current = app.get("/polls/current").await;
    assert_eq!(current.header("content-location"), PAGE);
    app.clock.set(closes_at());
    until(&app, PAGE, "data-state=\"closed\"").await;
    until(&app, "/", "Encerrada em 25/11/2026 às 23:00").await;
    assert!(opens_at() < closes_at());
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_browsers_and_a_problem_for_programs() {
    let redis = RedisServer::start().await;
    let (_producer, app) = published(&redis).await;
    until(&app, PAGE, "Votar para eliminar").await;
    for id in [
        "unknown",
        "PAREDAO",
        "-x",
        "..%2fx",
        "%ff",
        "%00",
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    ] {
        let answer = app.get(&format!("/polls/{id}")).await;
        let status = if id == "unknown" { 404 } else { 400 };
        assert_eq!(answer.status, status, "{id}");
        let page = text(&answer);
        assert!(
            page.contains("Página não encontrada") && !page.contains("alert("),
            "{page}"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let long = app.get(&format!("/polls/{}", "a".repeat(5_000))).await;
    assert_eq!(long.status, 400);
    let missing = app.get_with("/nothing/here?lang=en", &[HTML]).await;
    assert_eq!(missing.status, 404);
    assert!(text(&missing).contains("Page not found"));
    for (path, headers) in [("/nothing/here", vec![]), ("/v1/nothing", vec![HTML])] {
        let answer = app.get_with(path, &headers).await;
        assert_eq!(answer.problem().0, 404, "{path}");
    }
}

#[tokio::test]
async fn before_anything_is_known_nothing_is_shown() {
    let mut redis = RedisServer::start().await;
    redis.stop().await;
    let app = App::start(&redis.url()).await;
    for path in ["/", PAGE] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.header("retry-after"), "1");
        let page = text(&answer);
        assert!(
            page.contains("Ainda sem números") && !page.contains('%'),
            "{page}"
        );
    }
}
