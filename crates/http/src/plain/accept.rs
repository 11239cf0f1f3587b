//! Takes connections: each is served here or by actix-http, or first here and then there.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_service::{Service, ServiceFactory};
use futures_util::future::LocalBoxFuture;
use pin_project_lite::pin_project;
use tokio::net::TcpStream;

use super::connection::{Bounds, Connections, Ended};
use super::replayed::Replayed;
use crate::edge::{HotRoutes, Worker};

/// Gives a future that resolves when connections that are idle are to be closed.
pub(crate) type Stopping = Rc<dyn Fn() -> LocalBoxFuture<'static, ()>>;

/// Makes the service of one worker from actix-http's.
pub(crate) struct Accept<F, H> {
    pub(crate) http: F,
    pub(crate) hot: Option<H>,
    pub(crate) worker: Rc<Worker>,
    pub(crate) bounds: Bounds,
    pub(crate) stopping: Stopping,
}

impl<F, H> ServiceFactory<TcpStream> for Accept<F, H>
where
    F: ServiceFactory<(Replayed, Option<SocketAddr>), Config = (), Response = ()>,
    F::Future: 'static,
    F::Service: 'static,
    H: HotRoutes,
{
    type Response = ();
    type Error = F::Error;
    type Config = ();
    type Service = AcceptService<F::Service, H>;
    type InitError = F::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, F::InitError>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let http = self.http.new_service(());
        let hot = self.hot.clone();
        let plain = hot.and_then(|hot| Connections::new(hot, Rc::clone(&self.worker), self.bounds));
        let plain = plain.map(Rc::new);
        let stopping = Rc::clone(&self.stopping);
        Box::pin(async move {
            Ok(AcceptService {
                http: Rc::new(http.await?),
                plain,
                stopping,
            })
        })
    }
}

/// The service that actix-server calls.
pub(crate) struct AcceptService<S, H> {
    http: Rc<S>,
    plain: Option<Rc<Connections<H>>>,
    stopping: Stopping,
}

impl<S, H> Service<TcpStream> for AcceptService<S, H>
where
    S: Service<(Replayed, Option<SocketAddr>), Response = ()> + 'static,
    H: HotRoutes,
{
    type Response = ();
    type Error = S::Error;
    type Future = Served<S::Future, S::Error>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.http.poll_ready(context)
    }

    fn call(&self, mut io: TcpStream) -> Self::Future {
        if let Err(error) = io.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY can't be set");
        }
        let from = io.peer_addr().ok();
        let Some(plain) = self.plain.clone() else {
            return Served::Http {
                served: self.http.call((Replayed::new(io, Vec::new()), from)),
            };
        };
        let (http, stopping) = (Rc::clone(&self.http), (self.stopping)());
        Served::Plain {
            served: Box::pin(async move {
                let ended = plain.serve(&mut io, pin!(stopping)).await;
                match ended {
                    Ended::Closed => Ok(()),
                    Ended::HandedOver(read) => {
                        // On its own, so that a connection that stays here is small.
                        Box::pin(http.call((Replayed::new(io, read), from))).await
                    }
                }
            }),
        }
    }
}

pin_project! {
    /// A connection until its end.
    #[project = ServedProjected]
    pub(crate) enum Served<F, E> {
        Http { #[pin] served: F },
        Plain { served: LocalBoxFuture<'static, Result<(), E>> },
    }
}

impl<F, E> Future for Served<F, E>
where
    F: Future<Output = Result<(), E>>,
{
    type Output = Result<(), E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            ServedProjected::Http { served } => served.poll(context),
            ServedProjected::Plain { served } => served.as_mut().poll(context),
        }
    }
}
