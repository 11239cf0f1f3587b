//! A stand-in for a judge: `siteverify` of somebody else's, which can't run here. It speaks HTTP over real connections, well or not.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use url::form_urlencoded;
use vote_testkit::Certificates;

/// How it answers.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// As the judges do: what it is asked with is good once, and never where it begins with `bad`.
    Well {
        /// Whether it knows a repeat by its `idempotency_key`, as Turnstile does.
        knows_repeats: bool,
    },
    /// With that status and body.
    Says(u16, String),
    /// With these bytes, and then no more.
    Bytes(Vec<u8>),
    /// Not at all.
    Never,
    /// As [`Manner::Well`], each answer when there is a permit for it.
    When(Arc<Semaphore>),
    /// It reads the question, uses up what it is asked with, and hangs up.
    HangsUp,
}

/// What it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) form: BTreeMap<String, String>,
}

#[derive(Debug)]
struct State {
    manner: Mutex<Manner>,
    asked: Mutex<Vec<Asked>>,
    /// What it was asked with, and under which `idempotency_key` first.
    spent: Mutex<BTreeMap<String, Option<String>>>,
    connections: Mutex<usize>,
}

/// The judge.
#[derive(Debug)]
pub(crate) struct Stub {
    pub(crate) url: String,
    state: Arc<State>,
}

impl Stub {
    pub(crate) async fn start() -> Self {
        Self::start_as(None).await
    }

    /// One that speaks TLS, as `localhost`.
    pub(crate) async fn start_with(certificates: &Certificates) -> Self {
        let acceptor = TlsAcceptor::from(certificates.server_config());
        Self::start_as(Some(acceptor)).await
    }

    async fn start_as(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            manner: Mutex::new(Manner::Well {
                knows_repeats: true,
            }),
            asked: Mutex::default(),
            spent: Mutex::default(),
            connections: Mutex::default(),
        });
        let (serving, scheme) = (Arc::clone(&state), tls.as_ref().map_or("http", |_| "https"));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *serving.connections.lock() += 1;
                let (serving, tls) = (Arc::clone(&serving), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, serving).await,
                        Some(tls) => {
                            // Who does not trust it is gone.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, serving).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            url: format!("{scheme}://localhost:{}/siteverify", address.port()),
            state,
        }
    }

    pub(crate) fn behaves(&self, manner: Manner) {
        *self.state.manner.lock() = manner;
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.state.connections.lock()
    }
}

impl State {
    /// What it says of a question when it says what it should.
    fn verdict(&self, form: &BTreeMap<String, String>, knows_repeats: bool) -> String {
        let response = form.get("response").cloned().unwrap_or_default();
        let key = form.get("idempotency_key").cloned();
        if response.starts_with("bad") {
            return r#"{"success":false,"error-codes":["invalid-input-response"]}"#.to_owned();
        }
        match self.spent.lock().entry(response) {
            Entry::Occupied(first) if !knows_repeats || key.is_none() || *first.get() != key => {
                r#"{"success":false,"error-codes":["timeout-or-duplicate"]}"#.to_owned()
            }
            entry => {
                entry.or_insert(key);
                r#"{"success":true,"hostname":"vote.example","action":"vote","score":0.9}"#
                    .to_owned()
            }
        }
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let mut received = Vec::new();
    while let Some(asked) = question(&mut stream, &mut received).await {
        let form = asked.form.clone();
        state.asked.lock().push(asked);
        let manner = state.manner.lock().clone();
        let (status, body) = match manner {
            Manner::Well { knows_repeats } => (200, state.verdict(&form, knows_repeats)),
            Manner::Says(status, body) => (status, body),
            Manner::When(permits) => {
                let permit = permits.acquire().await.expect("open");
                permit.forget();
                (200, state.verdict(&form, true))
            }
            Manner::Never => return std::future::pending().await,
            Manner::HangsUp => {
                let _used_up = state.verdict(&form, true);
                return;
            }
            Manner::Bytes(bytes) => {
                // Whoever has read enough hangs up.
                let _written = stream.write_all(&bytes).await;
                let _ended = stream.shutdown().await;
                return;
            }
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next question on a connection, if there is one.
async fn question(stream: &mut (impl AsyncRead + Unpin), received: &mut Vec<u8>) -> Option<Asked> {
    let find = |bytes: &[u8]| bytes.windows(4).position(|four| four == b"\r\n\r\n");
    loop {
        if let Some(end) = find(received) {
            let head = String::from_utf8(received[..end].to_vec()).expect("text");
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|length| length.parse::<usize>().ok())
                .expect("a length");
            let whole = end + 4 + length;
            if received.len() >= whole {
                let form = form_urlencoded::parse(&received[end + 4..whole]);
                let form = form.into_owned().collect();
                received.drain(..whole);
                return Some(Asked { head, form });
            }
        }
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}
