//! Where the keys are: an address that is slow, gone, or answers nonsense, and one that has new keys.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use vote_domain::Clock;

use super::{Service, claims, clock, config, key, until};
use crate::fetch::{FetchError, MOST, fetch};
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::mint::SigningKey;
use crate::{Refused, Source, Voters};

/// What is answered to each reading.
#[derive(Clone)]
enum Answer {
    /// These bytes, after a head.
    Keys(String),
    /// These bytes.
    Raw(Vec<u8>),
    /// Nothing, for ever.
    Silence,
    /// A head, and then a byte at a time, for ever.
    Drip,
}

/// A place of keys.
struct Place {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    readings: Arc<AtomicUsize>,
    _cancel: DropGuard,
}

async fn drip(mut stream: TcpStream) {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
    let mut sent = stream.write_all(head).await;
    while sent.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        sent = stream.write_all(b" ").await;
    }
}

impl Place {
    async fn answering(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer = Arc::new(Mutex::new(answer));
        let (readings, cancel) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let (to_give, counter) = (Arc::clone(&answer), Arc::clone(&readings));
        let serving = async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let answer = to_give.lock().clone();
                tokio::spawn(async move {
                    let mut request = [0; 2048];
                    let _read = stream.read(&mut request).await;
                    let bytes = match answer {
                        Answer::Silence => return std::future::pending().await,
                        Answer::Drip => return drip(stream).await,
                        Answer::Raw(bytes) => bytes,
                        Answer::Keys(text) => format!(
                            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
                            text.len()
                        )
                        .into_bytes(),
                    };
                    let _gone = stream.write_all(&bytes).await;
                });
            }
        };
        tokio::spawn(cancel.clone().run_until_cancelled_owned(serving));
        Self {
            address,
            answer,
            readings,
            _cancel: cancel.drop_guard(),
        }
    }

    fn source(&self) -> Source {
        let address = format!("http://{}/keys", self.address);
        Source::url(&address, None).expect("an address")
    }

    fn service(&self, least_pause: Duration) -> (Arc<Voters>, DropGuard) {
        let mut config = config(self.source());
        config.least_pause = least_pause;
        config.timeout = Duration::from_millis(500);
        let cancel = CancellationToken::new();
        let mut registry = Registry::default();
        let voters = Voters::start(config, clock(), &mut registry, cancel.clone());
        (voters.expect("the trial succeeds"), cancel.drop_guard())
    }

    async fn fetched(&self) -> Result<Vec<u8>, FetchError> {
        fetch(&self.source(), Duration::from_millis(300)).await
    }
}

const NO_PAUSE: Duration = Duration::from_millis(20);

#[tokio::test]
async fn keys_are_read_from_an_address_in_bounded_size_and_time() {
    let place = Place::answering(Answer::Keys("{}".to_owned())).await;
    assert_eq!(place.fetched().await.expect("it is there"), b"{}");
    *place.answer.lock() = Answer::Keys("x".repeat(10 * 1024 * 1024));
    assert!(matches!(place.fetched().await, Err(FetchError::Garbled)));
    let chunk = format!("{:x}\r\n{}\r\n", 65_536, "x".repeat(65_536));
    let chunks = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}",
        chunk.repeat(160)
    );
    *place.answer.lock() = Answer::Raw(chunks.into_bytes());
    assert!(place.fetched().await.is_err());
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(10 * 1024 * 1024));
    *place.answer.lock() = Answer::Raw(endless.into_bytes());
    assert!(place.fetched().await.is_err());
    for slow in [Answer::Silence, Answer::Drip] {
        *place.answer.lock() = slow;
        assert!(matches!(place.fetched().await, Err(FetchError::Late)));
    }
    for (answer, status) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
            302,
        ),
    ] {
        *place.answer.lock() = Answer::Raw(answer.as_bytes().to_vec());
        let refused = place.fetched().await;
        assert!(matches!(refused, Err(FetchError::Status(is)) if is == status));
    }
    *place.answer.lock() = Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}".to_vec());
    assert!(matches!(place.fetched().await, Err(FetchError::Cut)));
}

#[tokio::test]
async fn a_file_of_keys_is_read_up_to_a_bound() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let source = Source::File(file.path().to_owned());
    let timeout = Duration::from_secs(10);
    std::fs::write(file.path(), vec![b'x'; MOST]).expect("it is written");
    assert_eq!(
        fetch(&source, timeout).await.expect("it is read").len(),
        MOST
    );
    std::fs::write(file.path(), vec![b'x'; 10 * 1024 * 1024]).expect("it is written");
    assert!(matches!(
        fetch(&source, timeout).await,
        Err(FetchError::TooMany)
    ));
    let gone = Source::File("/nonexistent/keys".into());
    assert!(matches!(
        fetch(&gone, timeout).await,
        Err(FetchError::Io(_))
    ));
}

#[test]
fn an_address_is_checked_before_it_is_used() {
    for address in [
        "",
        "keys",
        "ftp://a/keys",
        "https://u:p@a/keys",
        "https://a/keys?x=1",
    ] {
        assert!(Source::url(address, None).is_err(), "{address}");
    }
    let missing = std::path::Path::new("/nonexistent/ca.pem");
    assert!(Source::url("https://a/keys", Some(missing)).is_err());
}

#[tokio::test]
async fn without_keys_nothing_is_known_of_a_token_until_they_come() {
    let place = Place::answering(Answer::Silence).await;
    let (voters, _cancel) = place.service(NO_PAUSE);
    let token = key().sign(&claims());
    assert_eq!(voters.verify(&token).await, Err(Refused::KeysUnavailable));
    *place.answer.lock() = Answer::Keys(key().public_jwks());
    until(|| voters.has_keys()).await;
    assert!(voters.verify(&token).await.is_ok());
}

#[tokio::test]
async fn the_last_good_keys_are_kept_whatever_is_answered_later() {
    let place = Place::answering(Answer::Keys(key().public_jwks())).await;
    let (voters, _cancel) = place.service(NO_PAUSE);
    until(|| voters.has_keys()).await;
    let stranger = SigningKey::from_seed([9; 32]).sign(&claims());
    for answer in [
        Answer::Keys("x".repeat(10 * 1024 * 1024)),
        Answer::Keys(r#"{"keys":[]}"#.to_owned()),
        Answer::Keys("<html>".to_owned()),
        Answer::Raw(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec()),
        Answer::Raw(Vec::new()),
        Answer::Silence,
    ] {
        *place.answer.lock() = answer;
        tokio::time::sleep(NO_PAUSE * 2).await;
        // An unknown name makes it read again: nobody knows whether there is such a key.
        let refused = voters.verify(&stranger).await;
        assert_eq!(refused, Err(Refused::KeysUnavailable));
        assert!(voters.verify(&key().sign(&claims())).await.is_ok());
    }
}

#[tokio::test]
async fn a_new_key_is_found_when_a_token_names_it_and_an_old_one_is_no_longer_good() {
    let place = Place::answering(Answer::Keys(key().public_jwks())).await;
    let (voters, _cancel) = place.service(NO_PAUSE);
    until(|| voters.has_keys()).await;
    let (old, next) = (key().sign(&claims()), SigningKey::from_seed([2; 32]));
    assert!(voters.verify(&old).await.is_ok());
    *place.answer.lock() = Answer::Keys(next.public_jwks());
    tokio::time::sleep(NO_PAUSE * 2).await;
    assert!(voters.verify(&next.sign(&claims())).await.is_ok());
    // Also where it was seen before.
    tokio::time::sleep(NO_PAUSE * 2).await;
    assert_eq!(voters.verify(&old).await, Err(Refused::Invalid));
}

#[tokio::test]
async fn tokens_that_name_unknown_keys_do_not_make_it_read_without_end() {
    let place = Place::answering(Answer::Keys(key().public_jwks())).await;
    let (voters, _cancel) = place.service(Duration::from_secs(3600));
    until(|| voters.has_keys()).await;
    let many = (0..200_u8).map(|n| {
        let voters = Arc::clone(&voters);
        tokio::spawn(async move {
            let token = SigningKey::from_seed([n; 32]).sign(&claims());
            voters.verify(&token).await.is_ok()
        })
    });
    let mut taken = 0;
    for one in many.collect::<Vec<_>>() {
        taken += usize::from(one.await.expect("it ends"));
    }
    assert_eq!(taken, 1);
    assert_eq!(place.readings.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_file_is_read_again() {
    let service = Service::of(&key()).await;
    let next = SigningKey::from_seed([2; 32]);
    std::fs::write(service.file.path(), next.public_jwks()).expect("it is written");
    tokio::time::sleep(NO_PAUSE * 4).await;
    assert!(service.subject(&next.sign(&claims())).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_names_an_unknown_key_waits_as_long_as_one_reading_may_take_and_no_longer() {
    let config = Arc::new(config(Source::File("/nonexistent/keys".into())));
    let (clock, timeout): (Arc<dyn Clock>, _) = (clock(), config.timeout);
    let metrics = Metrics::register(&mut Registry::default());
    // Nobody reads, and the clock goes on by itself.
    let keys = Keys::new(config, clock, metrics);
    let began = tokio::time::Instant::now();
    assert!(!keys.look_again().await);
    let waited = began.elapsed();
    assert!(waited >= timeout && waited < timeout * 2, "{waited:?}");
}
