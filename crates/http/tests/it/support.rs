//! A small service, and a client that sees every byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix_http::Request;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use utoipa::OpenApi as _;
use vote_http::{
    BoxError, Context, HotRead, HotRoutes, Problem, ProblemCode, Running, Service, StopError,
    TimelyBody, WriteHead, WritePath, Written, launch,
};
use vote_runtime::{ServiceName, Settings, SystemClock};

/// A service with one operation of each kind.
pub(crate) struct Sample {
    pub(crate) ready: Arc<AtomicBool>,
    drained: Arc<AtomicBool>,
    drain_time: Duration,
    left_behind: u64,
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(poll, vote, slow, boom, panics))]
struct Api;

#[derive(Debug, Deserialize)]
struct Slow {
    ms: u64,
}

#[utoipa::path]
#[get("/v1/polls/{poll}")]
async fn poll(poll: Path<String>) -> Result<HttpResponse, Problem> {
    match poll.as_str() {
        "known" => Ok(HttpResponse::Ok().body("known")),
        other => Err(Problem::new(ProblemCode::UnknownPoll).member("poll", other)),
    }
}

#[utoipa::path]
#[post("/v1/polls/{poll}/votes")]
async fn vote(TimelyBody(body): TimelyBody) -> HttpResponse {
    HttpResponse::Created().body(body)
}

/// A body that all readers share.
pub(crate) static LARGE: LazyLock<Bytes> = LazyLock::new(|| {
    let letters = (b'a'..=b'z').cycle();
    letters.take(6_000_000).collect::<Vec<u8>>().into()
});

/// What answers of hot routes have.
const ANSWERED_BY: (&str, &str) = ("x-answered-by", "hot-route");

/// The same, before the routes; votes for one poll fail, and there is a poll that the routes don't know.
#[derive(Clone)]
pub(crate) struct Votes;

impl HotRoutes for Votes {
    const WRITE: Option<WritePath> = Some(WritePath {
        pattern: "/v1/polls/{poll}/votes",
        before: "/v1/polls/",
        after: "/votes",
        headers: &[ANSWERED_BY],
    });

    async fn write(
        &self,
        part: &str,
        _head: &WriteHead<'_>,
        body: &[u8],
    ) -> Result<Written, Problem> {
        if part == "broken" {
            return Err(Problem::internal("the-hot-cause"));
        }
        Ok(Written {
            status: StatusCode::CREATED,
            body: body.to_vec(),
        })
    }

    fn read(&self, request: &Request) -> Option<HotRead> {
        let body = match request.path() {
            "/v1/polls/hot" => Bytes::from_static(b"hot"),
            "/v1/polls/large" => LARGE.clone(),
            _ => return None,
        };
        Some(HotRead {
            pattern: "/v1/polls/{poll}",
            answer: HttpResponse::Ok().insert_header(ANSWERED_BY).body(body),
        })
    }
}

#[utoipa::path(params(("ms" = u64, Query)))]
#[get("/v1/slow")]
async fn slow(query: Query<Slow>) -> HttpResponse {
    tokio::time::sleep(Duration::from_millis(query.ms)).await;
    HttpResponse::Ok().body("slow")
}

#[utoipa::path]
#[get("/v1/boom")]
async fn boom() -> Result<HttpResponse, Problem> {
    tracing::info!("about to fail");
    Err(Problem::internal("the-inner-cause"))
}

#[utoipa::path]
#[get("/v1/plain")]
async fn panics() -> Result<HttpResponse, actix_web::Error> {
    Err(actix_web::error::ErrorInternalServerError(
        "the-plain-cause",
    ))
}

impl Service for Sample {
    const NAME: ServiceName = ServiceName::Ingest;
    const VERSION: &'static str = "1.2.3";
    const ABOUT: &'static str = "A sample.";

    fn openapi() -> utoipa::openapi::OpenApi {
        Api::openapi()
    }

    async fn start(context: &mut Context) -> Result<Self, BoxError> {
        let ready = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&ready);
        context.ready_when("sample", move || {
            if flag.load(Ordering::Relaxed) {
                Ok(())
            } else {
                Err("switched off".to_owned())
            }
        });
        // Only the tests of a drain that hangs, or leaves something behind, set these numbers, which no other setting
        // minds.
        let drain_time = match context.settings.commit.queue_capacity {
            7 => Duration::from_secs(60),
            _ => Duration::from_millis(1),
        };
        Ok(Self {
            ready,
            drained: Arc::new(AtomicBool::new(false)),
            left_behind: match context.settings.commit.queue_capacity {
                9 => 9,
                _ => 0,
            },
            drain_time,
        })
    }

    fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
        |app: &mut ServiceConfig| {
            app.service(
                web::resource("/v1/bytes").route(web::post().to(async |bytes: web::Bytes| {
                    HttpResponse::Ok().body(bytes.len().to_string())
                })),
            );
            app.service(poll)
                .service(vote)
                .service(slow)
                .service(boom)
                .service(panics)
                .service(
                    web::resource("/v1/large")
                        .route(web::get().to(async || HttpResponse::Ok().body(LARGE.clone()))),
                )
                .service(
                    web::resource("/v1/unnamed")
                        .route(web::get().to(async || HttpResponse::Ok().body("unnamed"))),
                );
        }
    }

    fn hot_routes(&self) -> impl HotRoutes {
        Votes
    }

    async fn drain(self, _patience: Duration) -> Result<(), StopError> {
        tokio::time::sleep(self.drain_time).await;
        self.drained.store(true, Ordering::Relaxed);
        match self.left_behind {
            0 => Ok(()),
            votes => Err(StopError::Unrecorded {
                votes,
                whereabouts: "a test has them".to_owned(),
            }),
        }
    }
}

impl Sample {
    pub(crate) fn drained(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.drained)
    }
}

/// Settings of a service on free ports of this machine.
pub(crate) fn settings(over: &[(&str, &str)]) -> Settings {
    let free = [
        ("VOTE__HTTP__BIND", "127.0.0.1:0"),
        ("VOTE__ADMIN__BIND", "127.0.0.1:0"),
        ("VOTE__HTTP__WORKERS", "2"),
    ];
    let env = free
        .iter()
        .chain(over)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(ServiceName::Ingest, None, env).expect("settings")
}

pub(crate) async fn start(over: &[(&str, &str)]) -> Running<Sample> {
    launch::<Sample>(settings(over), Arc::new(SystemClock), None)
        .await
        .expect("a service")
}

/// An answer, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// A connection that is kept alive.
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self(TcpStream::connect(address).await?))
    }

    /// Sends a request and reads its answer; fails as the socket fails.
    pub(crate) async fn ask(&mut self, request: &str, body: &str) -> std::io::Result<Answer> {
        let mut text = format!("{request} HTTP/1.1\r\nHost: test\r\n");
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.send(&format!("{text}\r\n{body}")).await?;
        self.answer(request.starts_with("HEAD")).await
    }

    pub(crate) async fn send(&mut self, text: &str) -> std::io::Result<()> {
        self.0.write_all(text.as_bytes()).await
    }

    pub(crate) async fn answer(&mut self, is_head: bool) -> std::io::Result<Answer> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let status = head
                    .split(' ')
                    .nth(1)
                    .and_then(|status| status.parse().ok())
                    .expect("a status");
                let mut answer = Answer {
                    status,
                    head,
                    body: String::new(),
                };
                let length = answer
                    .header("content-length")
                    .map_or(0, |length| length.parse().expect("a length"));
                if is_head || bytes.len() >= end + 4 + length {
                    answer.body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
                    return Ok(answer);
                }
            }
            match self.0.read(&mut buffer).await? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Waits until the other side has closed in good order.
    pub(crate) async fn closed(&mut self) -> std::io::Result<()> {
        match self.0.read(&mut [0; 1]).await? {
            0 => Ok(()),
            _ => Err(std::io::ErrorKind::InvalidData.into()),
        }
    }
}

/// One request on its own connection.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> Answer {
    ask_with(address, request, "", "").await
}

/// One request with header lines, each ended by CRLF, and a body.
pub(crate) async fn ask_with(
    address: SocketAddr,
    request: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let mut connection = Connection::open(address).await.expect("a connection");
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let text = format!("{request} HTTP/1.1\r\nHost: test\r\n{headers}{length}\r\n{body}");
    connection.send(&text).await.expect("sent");
    connection
        .answer(request.starts_with("HEAD"))
        .await
        .expect("an answer")
}
