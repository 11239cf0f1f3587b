//! Keys of voter tokens at an address: over TLS, with new ones, and when nobody is there; and tokens of each algorithm.

mod late;
mod signers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use vote_testkit::{Certificates, ChildProcess, eventually, free_port};
use vote_voters::mint::SigningKey;

use self::signers::Signer;
use crate::app::{Answer, App, DEADLINE, POLL, Show, now};

/// A place of keys; gone when it is dropped.
struct Place {
    url: String,
    keys: Arc<Mutex<String>>,
    readings: Arc<AtomicUsize>,
    /// Whether it answers.
    answers: watch::Sender<bool>,
    _cancel: DropGuard,
}

impl Place {
    /// Speaks TLS where it has certificates, as `localhost`.
    async fn at(port: u16, keys: String, certificates: Option<&Certificates>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let tls = certificates.map(|of| TlsAcceptor::from(of.server_config()));
        let scheme = tls.as_ref().map_or("http", |_| "https");
        let (keys, readings) = (Arc::new(Mutex::new(keys)), Arc::new(AtomicUsize::new(0)));
        let (given, counter) = (Arc::clone(&keys), Arc::clone(&readings));
        let answers = watch::Sender::new(true);
        let answering = answers.subscribe();
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (given, counter) = (Arc::clone(&given), Arc::clone(&counter));
                let (tls, answering) = (tls.clone(), answering.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &given, &counter, answering).await,
                        Some(tls) => {
                            // Who does not trust it is gone.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &given, &counter, answering).await;
                            }
                        }
                    }
                });
            }
        };
        let cancel = CancellationToken::new();
        tokio::spawn(cancel.clone().run_until_cancelled_owned(serving));
        Self {
            url: format!("{scheme}://localhost:{port}/keys"),
            keys,
            readings,
            answers,
            _cancel: cancel.drop_guard(),
        }
    }

    async fn over_tls(keys: String, certificates: &Certificates) -> Self {
        Self::at(0, keys, Some(certificates)).await
    }

    fn readings(&self) -> usize {
        self.readings.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    keys: &Mutex<String>,
    readings: &AtomicUsize,
    mut answering: watch::Receiver<bool>,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
            return;
        }
    }
    assert!(request.starts_with(b"GET /keys HTTP/1.1\r\n"));
    readings.fetch_add(1, Ordering::SeqCst);
    // Nobody waits for it where the place is gone.
    let _is_there = answering.wait_for(|answers| *answers).await.is_ok();
    let keys = keys.lock().clone();
    let length = keys.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{keys}");
    let _gone = stream.write_all(answer.as_bytes()).await;
    let _gone = stream.shutdown().await;
}

/// A service that reads its keys there, and again as often as a token names an unknown one.
async fn app(show: &Show, url: &str, authority: Option<&Certificates>) -> App {
    let authority = authority.map(Certificates::authority);
    let mut settings = vec![
        ("VOTE__VOTERS__JWKS_URL", url),
        ("VOTE__VOTERS__JWKS_MIN_PAUSE_MS", "100"),
        ("VOTE__VOTERS__JWKS_TIMEOUT_MS", "10000"),
        ("VOTE__VOTERS__AUDIENCE", "paredao"),
    ];
    if let Some(file) = &authority {
        settings.push(("VOTE__VOTERS__JWKS_CA_FILE", file.to_str().expect("text")));
    }
    show.app_with(&settings).await
}

fn claims(subject: &str) -> Value {
    json!({ "sub": subject, "aud": "paredao", "exp": now().as_second() + 600 })
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

/// A vote with a token, whose answer is waited for.
async fn vote(app: &App, token: &str) -> Answer {
    let ballot = json!({ "candidate": "ana", "channel": "unico" });
    Answer::of(app.post(POLL).json(&ballot).bearer_auth(token)).await
}

/// The same vote until it is answered in this way.
async fn becomes(app: &App, token: &str, code: &str) {
    eventually(DEADLINE, || async {
        let answer = vote(app, token).await;
        if answer.code() == code {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    })
    .await;
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, "voter-keys-unavailable"),
        "{answer:?}"
    );
    assert_eq!(answer.headers["retry-after"], "2");
    assert!(answer.detail().contains("was not recorded"), "{answer:?}");
}

#[tokio::test]
async fn keys_are_read_over_tls_again_for_an_unknown_one_and_kept_when_nobody_is_there_any_more() {
    let (show, certificates) = (Show::open().await, Certificates::generate());
    let (old, new, never) = (key(1), key(2), key(3));
    let place = Place::over_tls(old.public_jwks(), &certificates).await;
    let app = app(&show, &place.url, Some(&certificates)).await;
    assert!(vote(&app, &old.sign(&claims("maria"))).await.is_accepted());
    assert_eq!(place.readings(), 1);

    // The place has another key besides, and later that one alone.
    let both: Vec<Value> = [&old, &new]
        .iter()
        .map(|key| serde_json::from_str::<Value>(&key.public_jwks()).expect("JSON"))
        .map(|set| set["keys"][0].clone())
        .collect();
    *place.keys.lock() = json!({ "keys": both }).to_string();
    // Not sooner after the last reading than is set; until then nobody says that the key is none.
    becomes(&app, &new.sign(&claims("joao")), "").await;
    assert!(place.readings() >= 2);
    assert!(vote(&app, &old.sign(&claims("ana"))).await.is_accepted());
    *place.keys.lock() = new.public_jwks();
    // An unknown key has them read again, and nobody is known by the old one any more: ana has voted.
    let (unknown, ana) = (never.sign(&claims("eva")), old.sign(&claims("ana")));
    eventually(DEADLINE, || async {
        let refused = vote(&app, &unknown).await;
        assert_eq!(refused.code(), "invalid-voter-token", "{refused:?}");
        let known = vote(&app, &ana).await;
        match known.code() {
            "invalid-voter-token" => Ok(()),
            "vote-limit-reached" => Err(format!("{known:?}")),
            _ => panic!("{known:?}"),
        }
    })
    .await;
    assert!(vote(&app, &new.sign(&claims("caio"))).await.is_accepted());
    assert_eq!(show.total().await, 4);

    // Nobody is there: what was read last counts, and of an unknown key nobody can say that it is none.
    drop(place);
    becomes(&app, &never.sign(&claims("eva")), "voter-keys-unavailable").await;
    assert_unavailable(&vote(&app, &never.sign(&claims("eva"))).await);
    assert!(vote(&app, &new.sign(&claims("duda"))).await.is_accepted());
    assert_eq!(show.total().await, 5);
    let metrics = app.metrics().await;
    assert!(metrics.contains("\nvote_voter_keys 1\n"), "{metrics}");
    assert!(
        !metrics.contains("vote_voter_keys_readings_total{result=\"failed\"} 0\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn who_is_not_trusted_gives_no_keys() {
    let show = Show::open().await;
    let (certificates, others) = (Certificates::generate(), Certificates::generate());
    let place = Place::over_tls(key(1).public_jwks(), &certificates).await;
    for authority in [None, Some(&others)] {
        let app = app(&show, &place.url, authority).await;
        assert_unavailable(&vote(&app, &key(1).sign(&claims("maria"))).await);
        // Others vote, and it is ready for them.
        assert!(app.vote("ana", None).await.is_accepted());
        assert!(app.ready().await.0.is_success());
        let metrics = app.metrics().await;
        assert!(metrics.contains("\nvote_voter_keys 0\n"), "{metrics}");
    }
    assert_eq!(place.readings(), 0);
    assert_eq!(show.total().await, 2);
}

#[tokio::test]
async fn where_nobody_listens_it_starts_all_the_same_and_takes_tokens_once_the_keys_are_there() {
    let show = Show::open().await;
    let port = free_port();
    let app = app(&show, &format!("http://localhost:{port}/keys"), None).await;
    let token = key(1).sign(&claims("maria"));
    assert_unavailable(&vote(&app, &token).await);
    assert!(app.vote("ana", None).await.is_accepted());
    let place = Place::at(port, key(1).public_jwks(), None).await;
    becomes(&app, &token, "").await;
    assert!(place.readings() >= 1);
    assert_eq!(show.total().await, 2);
}

#[tokio::test]
async fn authorities_that_can_not_be_read_end_the_start_and_the_setting_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "no certificate").expect("written");
    let mut process = ChildProcess::builder(env!("CARGO_BIN_EXE_vote-ingest"))
        .env("VOTE__HTTP__BIND", "127.0.0.1:0")
        .env("VOTE__ADMIN__BIND", "127.0.0.1:0")
        .env("VOTE__VOTERS__JWKS_URL", "https://localhost/keys")
        .env("VOTE__VOTERS__JWKS_CA_FILE", file.path())
        .spawn();
    let exit = process.wait(DEADLINE).await;
    assert_ne!(exit.code(), Some(0));
    let said = format!("{}{}", exit.stdout(), exit.stderr());
    assert!(said.contains("voters.jwks_ca_file"), "{said}");
    assert!(said.contains("no certificate (PEM)"), "{said}");
}

#[tokio::test]
async fn a_token_of_each_algorithm_votes_and_of_none_that_the_settings_leave_out() {
    let show = Show::open().await;
    let signers = Signer::all();
    let keys: Vec<Value> = signers.iter().map(Signer::jwk).collect();
    let place = Place::at(0, json!({ "keys": keys }).to_string(), None).await;
    let all = app(&show, &place.url, None).await;
    let few = show
        .app_with(&[
            ("VOTE__VOTERS__JWKS_URL", &place.url),
            ("VOTE__VOTERS__AUDIENCE", "paredao"),
            ("VOTE__VOTERS__ALGORITHMS", "EdDSA,PS256"),
        ])
        .await;
    for signer in &signers {
        let name = signer.name();
        // Whose token is taken by one service and by no other has one vote.
        let token = signer.sign(&claims(&format!("voter of {name}")));
        let refused = vote(&few, &token).await;
        match name {
            "PS256" => assert!(refused.is_accepted(), "{refused:?}"),
            _ => {
                assert_eq!(refused.code(), "invalid-voter-token", "{name}: {refused:?}");
                assert!(vote(&all, &token).await.is_accepted(), "{name}");
            }
        }
        let again = signer.sign(&claims(&format!("voter of {name}")));
        let again = vote(&all, &again).await;
        assert_eq!(again.code(), "vote-limit-reached", "{name}: {again:?}");
        // Under another algorithm's name it is none.
        for other in &signers {
            if other.name() != name {
                let token = signer.sign_as(other, &claims("nobody"));
                assert_eq!(vote(&all, &token).await.code(), "invalid-voter-token");
            }
        }
    }
    assert_eq!(show.total().await, 3);
}
