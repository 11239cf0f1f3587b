//! One connection, for as long as its requests are plain.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use actix_web::http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tracing::Instrument as _;

use super::answer::Answers;
use super::request::Plain;
use crate::edge::{HotRoutes, Measured, Worker, WritePath};
use crate::heads::{Refusal, bare};
use crate::http_metrics::RouteKey;
use crate::request_id::REQUEST_ID;
use crate::request_span::{record, sampled};

/// What is read at once: a request that is longer is not plain. Nearly all are shorter, of browsers as well.
const ROOM: usize = 2048;

/// How long a connection may wait, and how much it may send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// For its first request.
    pub(crate) first: Duration,
    /// For each other one.
    pub(crate) keep_alive: Duration,
    /// In the body of each.
    pub(crate) body_bytes: usize,
}

/// What the plain connections of one worker share.
pub(super) struct Connections<H> {
    hot: H,
    path: WritePath,
    worker: Rc<Worker>,
    bounds: Bounds,
    answers: Answers,
    /// Where answers are put together: none waits there but for a connection whose client does not read.
    out: Cell<Vec<u8>>,
}

/// How a connection ends here.
pub(super) enum Ended {
    /// It is over.
    Closed,
    /// These bytes are something else than a plain request, or the begin of one.
    HandedOver(Vec<u8>),
}

/// What a connection waited for.
enum Came {
    Bytes,
    /// Nothing more will come.
    End,
    /// The time for it was over.
    Idle,
    /// The server takes no more requests.
    Stop,
}

impl<H: HotRoutes> Connections<H> {
    /// `None` where the service has no such operation, or waits for no request.
    pub(super) fn new(hot: H, worker: Rc<Worker>, bounds: Bounds) -> Option<Self> {
        let path = H::WRITE?;
        let has_times = !bounds.first.is_zero() && !bounds.keep_alive.is_zero();
        has_times.then(|| Self {
            hot,
            path,
            bounds,
            answers: Answers::new(path, worker.cors().clone()),
            worker,
            out: Cell::default(),
        })
    }

    /// Answers the requests of a connection from `peer`, of which `bytes` were read already. `stopping` resolves when idle
    /// connections are to be closed.
    pub(super) async fn serve(
        &self,
        io: &mut TcpStream,
        peer: Option<SocketAddr>,
        mut bytes: Vec<u8>,
        mut stopping: Pin<&mut impl Future<Output = ()>>,
    ) -> Ended {
        bytes.reserve(ROOM);
        let mut patience = pin!(sleep(self.bounds.first));
        let mut answered = None;
        loop {
            let came = if bytes.is_empty() {
                let (patience, stopping) = (patience.as_mut(), stopping.as_mut());
                self.wait(io, &mut bytes, patience, stopping, answered)
                    .await
            } else {
                Came::Bytes
            };
            match came {
                Came::Bytes if self.worker.is_draining() => return Ended::HandedOver(bytes),
                Came::Bytes => {}
                Came::End => return Ended::Closed,
                Came::Idle if answered.is_none() => {
                    self.worker.refuses_head(Refusal::Late);
                    let out = bare(StatusCode::REQUEST_TIMEOUT);
                    let _gone = io.write_all(&out).await;
                    return close(io).await;
                }
                Came::Idle | Came::Stop => return close(io).await,
            }
            let client = |headers: &[_]| self.worker.clients().of_headers(peer, headers);
            let Some(plain) = Plain::parse(&bytes, self.path, self.bounds.body_bytes, client)
            else {
                return Ended::HandedOver(bytes);
            };
            match self.answer(io, plain).await {
                Ok(false) => {}
                Ok(true) => return close(io).await,
                Err(_gone) => return Ended::Closed,
            }
            bytes.clear();
            let now = Instant::now();
            if answered.replace(now).is_none() {
                patience.as_mut().reset(now + self.bounds.keep_alive);
            }
        }
    }

    /// Waits for a request. The timer is set anew when it ends, and not at each request.
    async fn wait(
        &self,
        io: &mut TcpStream,
        into: &mut Vec<u8>,
        mut patience: Pin<&mut Sleep>,
        mut stopping: Pin<&mut impl Future<Output = ()>>,
        answered: Option<Instant>,
    ) -> Came {
        loop {
            tokio::select! {
                biased;
                read = io.read_buf(into) => return match read {
                    Ok(1..) => Came::Bytes,
                    Ok(0) | Err(_) => Came::End,
                },
                () = stopping.as_mut() => return Came::Stop,
                () = patience.as_mut() => {
                    let until = answered.map(|at| at + self.bounds.keep_alive);
                    match until.filter(|until| *until > Instant::now()) {
                        Some(until) => patience.as_mut().reset(until),
                        None => return Came::Idle,
                    }
                }
            }
        }
    }

    /// Answers a request; whether the connection ends with it.
    async fn answer(&self, io: &mut TcpStream, plain: Plain<'_>) -> io::Result<bool> {
        let measured = Measured {
            method: "POST",
            started: std::time::Instant::now(),
        };
        let active = self.worker.start();
        let pattern = self.path.pattern;
        let drawn = self.worker.draw(&plain.trace);
        let span = sampled(drawn.as_ref(), measured.method, pattern);
        let done = self.hot.write(plain.part, &plain.head, plain.body);
        let done = done.instrument(span.clone()).await;
        let mut out = self.out.take();
        out.clear();
        let (status, close) = match done {
            Ok(written) => {
                let status = written.status;
                let close = self.worker.closes_after(status);
                record(&span, status, None);
                self.answers.written(written, plain.origin, close, &mut out);
                (status, close)
            }
            Err(problem) => {
                let route = (measured.method, pattern);
                // What is logged of it lies within its span.
                let response =
                    span.in_scope(|| self.worker.problem(&problem, route, plain.request_id));
                let status = response.status();
                let id = response.headers().get(REQUEST_ID);
                record(&span, status, id.and_then(|id| id.to_str().ok()));
                let close = self.worker.closes_after(status);
                self.answers
                    .response(response, plain.origin, close, &mut out);
                (status, close)
            }
        };
        let route = (RouteKey::of_name(pattern), || Some(pattern.to_owned()));
        self.worker.measure(measured, status, route);
        drop(active);
        // Who reads no answers fills the connection's buffers, and is let go.
        let sent = timeout(self.bounds.keep_alive, io.write_all(&out)).await;
        self.out.set(out);
        sent?.map(|()| close)
    }
}

async fn close(io: &mut TcpStream) -> Ended {
    let _gone = io.shutdown().await;
    Ended::Closed
}
