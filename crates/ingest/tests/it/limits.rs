//! Limits of addresses: who is held to them, by whichever way votes come, and what they are told.

use std::net::SocketAddr;

use reqwest::RequestBuilder;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vote_testkit::{ChildProcess, eventually, free_port};

use crate::app::{Answer, App, DEADLINE, POLL, Show};

const BURST: &str = "VOTE__LIMITS__ADDRESS_BURST";
const PREFIX: &str = "VOTE__LIMITS__PREFIX_BURST";
const CARRIERS: &str = "VOTE__LIMITS__CARRIERS_FILE";
/// The tests themselves are the proxy in front.
const TRUSTED: (&str, &str) = ("VOTE__HTTP__TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8");
const LISTED: (&str, &str) = ("VOTE__HTTP__CLIENT_ADDRESS", "x_forwarded_for");
const ELEMENTS: (&str, &str) = ("VOTE__HTTP__CLIENT_ADDRESS", "forwarded");
const PROXIED: (&str, &str) = ("VOTE__HTTP__PROXY_PROTOCOL", "true");

/// The ways of a vote: read here, by actix-http alone, and by the routes.
#[derive(Debug, Clone, Copy)]
enum Way {
    Plain,
    Front,
    Routes,
}

const WAYS: [Way; 3] = [Way::Plain, Way::Front, Way::Routes];

fn vote(app: &App, way: Way, lines: &[&str]) -> RequestBuilder {
    let poll = match way {
        Way::Routes => "%70aredao-01",
        Way::Plain | Way::Front => POLL,
    };
    let mut request = app.post(poll).json(&json!({ "candidate": "ana" }));
    if let Way::Front = way {
        request = request.header("content-encoding", "identity");
    }
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a header");
        request = request.header(name, value);
    }
    request
}

async fn cast(app: &App, way: Way, lines: &[&str]) -> Answer {
    Answer::of(vote(app, way, lines)).await
}

/// An answer without what differs each time: the headers but the date and the request's id, with the times of limits.
fn told(answer: &Answer) -> (u16, Vec<String>, String) {
    let wait = answer.headers["retry-after"].to_str().expect("text");
    let headers = answer.headers.iter();
    let headers = headers.filter(|(name, _)| *name != "date" && *name != "x-request-id");
    let line = |value: &str| value.replace(wait, "WAIT");
    let headers =
        headers.map(|(name, value)| format!("{name}: {}", line(value.to_str().expect("text"))));
    let mut headers: Vec<String> = headers.collect();
    headers.sort_unstable();
    (answer.status.as_u16(), headers, answer.body.to_string())
}

#[tokio::test]
async fn without_limits_votes_come_as_fast_as_they_like() {
    let show = Show::open().await;
    let app = show.app().await;
    for _ in 0..100 {
        assert!(app.vote("ana", None).await.is_accepted());
    }
    let metrics = app.metrics().await;
    let zero = "vote_limits_limited_votes_total{kind=\"address\",class=\"burst\"} 0";
    assert!(metrics.contains(zero), "{metrics}");
}

#[tokio::test]
async fn who_is_beyond_a_limit_is_told_the_same_on_every_way_and_nothing_is_recorded() {
    let show = Show::open().await;
    let origin = ("VOTE__HTTP__CORS_ALLOWED_ORIGINS", "*");
    let app = show
        .app_with(&[(BURST, "3/1h"), TRUSTED, LISTED, origin])
        .await;
    let from = ["x-forwarded-for: 198.51.100.1"];
    // All ways share what is left.
    for way in WAYS {
        assert!(cast(&app, way, &from).await.is_accepted(), "{way:?}");
    }
    let key = ["x-forwarded-for: 198.51.100.1", "idempotency-key: a-key"];
    let mut all = Vec::new();
    for way in WAYS {
        let answer = cast(&app, way, &key).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.code(), "rate-limited");
        assert!(answer.detail().contains("recorded nothing"), "{answer:?}");
        let header = |name: &str| answer.headers[name].to_str().expect("text").to_owned();
        assert_eq!(header("ratelimit-policy"), r#""address-burst";q=3;w=3600"#);
        let wait: u32 = header("retry-after").parse().expect("seconds");
        assert!((1100..=1200).contains(&wait), "{wait}");
        assert_eq!(
            header("ratelimit"),
            format!(r#""address-burst";r=0;t={wait}"#)
        );
        assert_eq!(header("cache-control"), "no-store");
        let exposed = header("access-control-expose-headers");
        assert!(
            exposed.contains("RateLimit, RateLimit-Policy, Retry-After"),
            "{exposed}"
        );
        all.push(told(&answer));
    }
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    // Others are not, and the same key is taken from elsewhere: it was not used up.
    let other = ["x-forwarded-for: 198.51.100.2", "idempotency-key: a-key"];
    assert!(cast(&app, Way::Plain, &other).await.is_accepted());
    assert_eq!(show.total().await, 4);
    let metrics = app.metrics().await;
    for line in [
        "vote_limits_limited_votes_total{kind=\"address\",class=\"burst\"} 3",
        "vote_limits_limited_votes_total{kind=\"prefix\",class=\"burst\"} 0",
        "vote_limits_untracked_votes_total{kind=\"address\"} 0",
        "vote_limits_table_bytes 48758784",
        "vote_limits_slots{kind=\"address\"} 1523712",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("198.51"), "{metrics}");
}

#[tokio::test]
async fn nothing_that_a_client_says_of_itself_lets_it_through() {
    let show = Show::open().await;
    for (setting, appended) in [
        (LISTED, "X-Forwarded-For: 198.51.100.1"),
        (ELEMENTS, "Forwarded: for=\"198.51.100.1:4711\";proto=https"),
    ] {
        let app = show.app_with(&[(BURST, "1/1h"), TRUSTED, setting]).await;
        assert!(cast(&app, Way::Plain, &[appended]).await.is_accepted());
        let (name, value) = appended.split_once(": ").expect("a header");
        for (number, spoofed) in [
            "9.9.9.9",
            "for=9.9.9.9",
            "",
            ",,,",
            "unknown",
            "10.0.0.1",
            "for=10.0.0.1",
            "for=\"9.9.9.9",
            "\"",
            "9.9.9.9, 10.1.1.1",
            "[::1]",
            "for=9.9.9.9;for=9.9.9.8",
        ]
        .iter()
        .enumerate()
        {
            let own = format!("{name}: {spoofed}");
            let both = format!("{name}: {spoofed}, {value}");
            let others = [
                format!("x-real-ip: 9.9.9.{number}"),
                format!(
                    "{}: 9.9.9.{number}",
                    if name == "Forwarded" {
                        "x-forwarded-for"
                    } else {
                        "true-client-ip"
                    }
                ),
                format!(
                    "{}: for=9.9.9.{number}",
                    if name == "Forwarded" {
                        "cf-connecting-ip"
                    } else {
                        "forwarded"
                    }
                ),
            ];
            for way in WAYS {
                // A line of its own before the proxy's; the same line, at whose end the proxy appends; other headers.
                for lines in [
                    vec![own.as_str(), appended],
                    vec![both.as_str()],
                    vec![appended, &others[0], &others[1], &others[2]],
                ] {
                    let answer = cast(&app, way, &lines).await;
                    assert_eq!(answer.status, 429, "{way:?} {lines:?}");
                }
            }
        }
        let far = format!("{name}: {}{value}", "9.9.9.9, ".repeat(500));
        assert_eq!(cast(&app, Way::Plain, &[&far]).await.status, 429);
    }
}

#[tokio::test]
async fn what_is_not_behind_a_trusted_proxy_is_its_connection_whatever_it_says() {
    let show = Show::open().await;
    // Nobody is trusted; and somebody else is.
    for settings in [
        vec![(BURST, "1/1h")],
        vec![
            (BURST, "1/1h"),
            ("VOTE__HTTP__TRUSTED_PROXIES", "10.0.0.0/8"),
            LISTED,
        ],
    ] {
        let app = show.app_with(&settings).await;
        assert!(cast(&app, Way::Plain, &[]).await.is_accepted());
        for way in WAYS {
            let answer = cast(&app, way, &["x-forwarded-for: 198.51.100.1"]).await;
            assert_eq!(answer.status, 429, "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_prefix_is_held_to_its_limit_whichever_of_its_addresses_asks() {
    let show = Show::open().await;
    let app = show.app_with(&[(PREFIX, "2/1h"), TRUSTED, LISTED]).await;
    for (address, status) in [
        ("198.51.100.1", 201),
        ("198.51.100.2", 201),
        ("198.51.100.3", 429),
        ("198.51.101.1", 201),
        ("2001:db8:7:1::1", 201),
        ("[2001:db8:7:2::1]:4711", 201),
        ("2001:db8:7:3::1", 429),
        ("2001:db8:8::1", 201),
        ("::ffff:198.51.100.9", 429),
    ] {
        let line = format!("x-forwarded-for: {address}");
        let answer = cast(&app, Way::Plain, &[&line]).await;
        assert_eq!(answer.status.as_u16(), status, "{address}");
        if status == 429 {
            assert_eq!(
                answer.headers["ratelimit-policy"],
                r#""prefix-burst";q=2;w=3600"#
            );
        }
    }
    let metrics = app.metrics().await;
    assert!(
        metrics.contains("vote_limits_limited_votes_total{kind=\"prefix\",class=\"burst\"} 3"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_form_that_is_limited_is_offered_again_under_the_same_key() {
    let show = Show::open().await;
    let app = show.app_with(&[(BURST, "1/1h")]).await;
    assert!(app.vote("ana", None).await.is_accepted());
    let form = |lang: &str| {
        let url = format!("{}/polls/{POLL}/votes", app.url);
        let body =
            format!("candidate=ana&channel=torcida&direction=eliminate&key=the-key&lang={lang}");
        let request = app.client.post(url).body(body);
        request.header("content-type", "application/x-www-form-urlencoded")
    };
    for (lang, says) in [
        ("pt", "Votos demais desta rede"),
        ("en", "Too many votes from this network"),
        ("es", "Demasiados votos desde esta red"),
    ] {
        let answer = form(lang).send().await.expect("an answer");
        assert_eq!(answer.status(), 429);
        assert!(answer.headers().contains_key("retry-after"));
        assert!(answer.headers().contains_key("ratelimit"));
        let page = answer.text().await.expect("text");
        assert!(page.contains(says), "{page}");
        assert!(page.contains(r#"name="key" value="the-key""#), "{page}");
    }
    let stranger = form("pt").header("sec-fetch-site", "cross-site").send();
    assert_eq!(stranger.await.expect("an answer").status(), 403);
    assert_eq!(show.total().await, 1);
}

#[tokio::test]
async fn carriers_have_their_own_limits_and_a_broken_file_changes_nothing() {
    let show = Show::open().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("carriers.toml");
    let carrier = |prefix: &str| {
        format!("[[carrier]]\nname = \"x\"\nprefixes = [\"{prefix}\"]\naddress_burst = \"none\"\n")
    };
    std::fs::write(&path, carrier("177.24.0.0/14")).expect("written");
    let file = path.to_str().expect("text");
    let app = show
        .app_with(&[(BURST, "1/1h"), (CARRIERS, file), TRUSTED, LISTED])
        .await;
    let through = async |address: &str| {
        let line = format!("x-forwarded-for: {address}");
        cast(&app, Way::Plain, &[&line]).await.is_accepted()
    };
    for _ in 0..5 {
        assert!(through("177.24.0.1").await);
    }
    assert!(through("189.0.0.1").await && !through("189.0.0.1").await);

    let says = async |line: &str| {
        let seen = || async { app.metrics().await.contains(line) };
        eventually(DEADLINE, seen).await;
    };
    for broken in [
        carrier("189.0.0.0/40"),
        "[[carrier".to_owned(),
        carrier("189.0.0.0/8") + "typo = 1\n",
    ] {
        std::fs::write(&path, broken).expect("written");
        says("vote_limits_carriers_file_refused 1").await;
        assert!(through("177.24.0.1").await && !through("189.0.0.1").await);
    }
    std::fs::remove_file(&path).expect("removed");
    says("vote_limits_carriers_file_refused 1").await;
    assert!(through("177.24.0.1").await);

    std::fs::write(&path, carrier("189.0.0.0/8")).expect("written");
    says("vote_limits_carriers_file_refused 0").await;
    eventually(DEADLINE, || async { through("189.0.0.1").await }).await;
    assert!(through("177.25.0.1").await && !through("177.25.0.1").await);
    says("vote_limits_carrier_prefixes 1").await;
}

#[tokio::test]
async fn a_broken_file_of_carriers_ends_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("carriers.toml");
    std::fs::write(&path, "[[carrier").expect("written");
    let mut process = ChildProcess::builder(env!("CARGO_BIN_EXE_vote-ingest"))
        .env("VOTE__HTTP__BIND", "127.0.0.1:0")
        .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
        .env(CARRIERS, path.to_str().expect("text"))
        .spawn();
    let exit = process.wait(DEADLINE).await;
    assert_ne!(exit.code(), Some(0));
    let said = format!("{}{}", exit.stdout(), exit.stderr());
    assert!(
        said.contains("limits.carriers_file") && said.contains("line 1"),
        "{said}"
    );
}

/// What a connection is answered that sends these bytes; empty where it is closed.
async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    connection.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    let reading = async {
        loop {
            match connection.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(length) => answer.extend_from_slice(&piece[..length]),
            }
        }
    };
    tokio::time::timeout(DEADLINE, reading)
        .await
        .expect("closed");
    String::from_utf8(answer).expect("text")
}

/// A vote whose connection is closed behind it.
fn request(lines: &str) -> String {
    let body = "{\"candidate\":\"ana\"}";
    let length = body.len();
    format!(
        "POST /v1/polls/{POLL}/votes HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n{lines}\
         content-length: {length}\r\n\r\n{body}"
    )
}

/// The service behind proxies that begin with such a header: nobody else reaches its public port from here.
async fn proxied(show: &Show, burst: &str) -> App {
    let app = App::start(&show.redis.url(), &[(BURST, burst), TRUSTED, PROXIED]).await;
    let ready = format!("{}/readyz", app.admin_url);
    let is_ready = || async {
        let answer = app.client.get(&ready).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    };
    eventually(DEADLINE, is_ready).await;
    app
}

fn address(app: &App) -> SocketAddr {
    app.running.as_ref().expect("running").address()
}

#[tokio::test]
async fn a_header_of_the_proxy_protocol_says_who_has_connected() {
    let show = Show::open().await;
    let app = proxied(&show, "1/1h").await;
    let to = address(&app);
    let v2 = |last: u8| {
        let begin = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c";
        [&begin[..], &[203, 0, 113, last, 10, 0, 0, 1, 1, 2, 0, 80]].concat()
    };
    let v1 = |last: u8| format!("PROXY TCP4 198.51.100.{last} 10.0.0.1 4711 80\r\n").into_bytes();
    let status = async |header: Vec<u8>, lines: &str| {
        let answer = raw(to, &[&header[..], request(lines).as_bytes()].concat()).await;
        answer.get(9..12).unwrap_or_default().to_owned()
    };
    for headers in [[v1(1), v1(1), v1(2)], [v2(1), v2(1), v2(2)]] {
        let [first, again, other] = headers;
        assert_eq!(status(first, "").await, "201");
        assert_eq!(status(again, "").await, "429");
        assert_eq!(status(other, "").await, "201");
    }
    // Whoever is named so is no proxy: no header says otherwise.
    assert_eq!(status(v1(1), "x-forwarded-for: 9.9.9.9\r\n").await, "429");
    // The proxy itself asks.
    assert_eq!(status(b"PROXY UNKNOWN\r\n".to_vec(), "").await, "201");
    assert_eq!(status(b"PROXY UNKNOWN\r\n".to_vec(), "").await, "429");
    for none in [
        &b""[..],
        b"PROXY TCP4 198.51.100.9\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
    ] {
        assert_eq!(status(none.to_vec(), "").await, "", "{none:?}");
    }
    let metrics = app.metrics().await;
    assert!(
        metrics.contains("http_server_proxy_headers_missing_total 3"),
        "{metrics}"
    );
    assert_eq!(show.total().await, 5);
}

#[tokio::test]
async fn a_header_of_the_proxy_protocol_may_come_in_pieces_and_before_any_request() {
    let show = Show::open().await;
    let app = proxied(&show, "2/1h").await;
    let mut connection = TcpStream::connect(address(&app))
        .await
        .expect("a connection");
    connection.set_nodelay(true).expect("set");
    for piece in ["PROXY TCP4 198.51.100.1 ", "10.0.0.1 4711 80\r", "\n"] {
        connection.write_all(piece.as_bytes()).await.expect("sent");
        tokio::task::yield_now().await;
    }
    // Three plain votes on it, and then one that is not.
    let plain = request("").replace("connection: close\r\n", "");
    let mut statuses = Vec::new();
    for text in [&plain, &plain, &plain, &request("")] {
        connection.write_all(text.as_bytes()).await.expect("sent");
        let mut answer = [0; 4096];
        let length = connection.read(&mut answer).await.expect("an answer");
        statuses.push(String::from_utf8_lossy(&answer[9..length.min(12)]).into_owned());
    }
    assert_eq!(statuses, ["201", "201", "429", "429"]);
}

#[tokio::test]
async fn who_is_no_trusted_proxy_can_not_begin_with_such_a_header() {
    let show = Show::open().await;
    let elsewhere = ("VOTE__HTTP__TRUSTED_PROXIES", "10.0.0.0/8");
    let app = show.app_with(&[(BURST, "1/1h"), elsewhere, PROXIED]).await;
    let header = b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 80\r\n";
    let bytes = [&header[..], request("").as_bytes()].concat();
    let answer = raw(address(&app), &bytes).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(app.vote("ana", None).await.is_accepted());
    assert_eq!(app.vote("ana", None).await.status, 429);
}

#[tokio::test]
async fn no_address_is_logged() {
    let show = Show::open().await;
    let address = format!("127.0.0.1:{}", free_port());
    let mut process = ChildProcess::builder(env!("CARGO_BIN_EXE_vote-ingest"))
        .env("VOTE__REDIS__URL", show.redis.url())
        .env("VOTE__HTTP__BIND", &address)
        .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
        .env("VOTE__LOG__LEVEL", "debug")
        .env(BURST, "1/1h")
        .env(TRUSTED.0, TRUSTED.1)
        .env(LISTED.0, LISTED.1)
        .spawn();
    let client = reqwest::Client::new();
    let is_ready = || async {
        let ready = client.get(format!("http://{address}/readyz")).send().await;
        ready.is_ok_and(|answer| answer.status().is_success())
    };
    eventually(DEADLINE, is_ready).await;
    let mut limited = 0;
    for path in [POLL, "%70aredao-01", "none"] {
        let url = format!("http://{address}/v1/polls/{path}/votes");
        for _ in 0..2 {
            let vote = client.post(&url).json(&json!({ "candidate": "ana" }));
            let vote = vote.header("x-forwarded-for", "198.51.100.77");
            limited += u32::from(vote.send().await.expect("an answer").status() == 429);
        }
    }
    assert_eq!(limited, 5);
    let exit = process.stop(DEADLINE).await;
    let said = format!("{}{}", exit.stdout(), exit.stderr());
    assert!(
        said.contains("listening") && !said.contains("198.51.100"),
        "{said}"
    );
}

#[tokio::test]
async fn who_never_ends_such_a_header_is_let_go_and_holds_up_no_end() {
    let show = Show::open().await;
    let patience = ("VOTE__HTTP__CLIENT_REQUEST_TIMEOUT_MS", "300");
    let settings = [(BURST, "1/1h"), TRUSTED, PROXIED, patience];
    let app = App::start(&show.redis.url(), &settings).await;
    for begun in [
        &b"P"[..],
        b"PROXY TCP4 198.51.100.1 ",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\xff",
    ] {
        assert_eq!(raw(address(&app), begun).await, "", "{begun:?}");
    }
    let missing = "http_server_proxy_headers_missing_total 3";
    eventually(DEADLINE, || async { app.metrics().await.contains(missing) }).await;
    app.stop().await.expect("a clean stop");

    let app = App::start(&show.redis.url(), &settings[..3]).await;
    let mut silent = TcpStream::connect(address(&app))
        .await
        .expect("a connection");
    silent.write_all(b"PROXY TCP4 ").await.expect("sent");
    // One whose answer shows that the connections before it were taken.
    assert!(raw(address(&app), b"POST").await.is_empty());
    app.stop().await.expect("a clean stop");
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, silent.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && rest.is_empty());
}
