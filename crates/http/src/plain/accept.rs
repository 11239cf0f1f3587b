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
use super::proxied::{HeaderRead, Proxied, read_header};
use crate::edge::{HotRoutes, Worker};
use crate::heads::{HeadBounds, Refusal, Replayed, Watched};

/// Gives a future that resolves when connections that are idle are to be closed.
pub(crate) type Stopping = Rc<dyn Fn() -> LocalBoxFuture<'static, ()>>;

/// Makes the service of one worker from actix-http's.
pub(crate) struct Accept<F, H> {
    pub(crate) http: F,
    pub(crate) hot: H,
    pub(crate) worker: Rc<Worker>,
    pub(crate) bounds: Bounds,
    pub(crate) heads: HeadBounds,
    pub(crate) stopping: Stopping,
}

impl<F, H> ServiceFactory<TcpStream> for Accept<F, H>
where
    F: ServiceFactory<(Watched, Option<SocketAddr>), Config = (), Response = ()>,
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
        let (worker, bounds) = (Rc::clone(&self.worker), self.bounds);
        let watch = Watch::new(self.heads, &self.worker);
        let plain = Connections::new(self.hot.clone(), Rc::clone(&self.worker), self.bounds);
        let plain = plain.map(Rc::new);
        let stopping = Rc::clone(&self.stopping);
        Box::pin(async move {
            Ok(AcceptService {
                http: Rc::new(http.await?),
                plain,
                worker,
                bounds,
                watch,
                stopping,
            })
        })
    }
}

/// Watches what actix-http reads.
#[derive(Clone)]
struct Watch {
    bounds: HeadBounds,
    refuses: Rc<dyn Fn(Refusal)>,
}

impl Watch {
    fn new(bounds: HeadBounds, worker: &Rc<Worker>) -> Self {
        let worker = Rc::clone(worker);
        Self {
            bounds,
            refuses: Rc::new(move |why| worker.refuses_head(why)),
        }
    }

    fn over(&self, io: TcpStream, read: Vec<u8>) -> Watched {
        let io = Replayed::new(io, read);
        Watched::new(io, self.bounds, Rc::clone(&self.refuses))
    }
}

/// The service that actix-server calls.
pub(crate) struct AcceptService<S, H> {
    http: Rc<S>,
    plain: Option<Rc<Connections<H>>>,
    worker: Rc<Worker>,
    bounds: Bounds,
    watch: Watch,
    stopping: Stopping,
}

impl<S, H> Service<TcpStream> for AcceptService<S, H>
where
    S: Service<(Watched, Option<SocketAddr>), Response = ()> + 'static,
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
        let (plain, http) = (self.plain.clone(), Rc::clone(&self.http));
        let watch = self.watch.clone();
        if self.worker.clients().is_proxied(from) {
            let (worker, patience) = (Rc::clone(&self.worker), self.bounds.first);
            let stopping = Rc::clone(&self.stopping);
            return Served::Ours {
                served: Box::pin(async move {
                    match read_header(&mut io, patience, pin!(stopping())).await {
                        HeaderRead::Whole(Proxied { from: behind, rest }) => {
                            let from = behind.or(from);
                            serve(plain, (http, watch), io, (from, rest), stopping()).await
                        }
                        HeaderRead::Missing => {
                            worker.misses_proxy_header();
                            Ok(())
                        }
                        HeaderRead::Ended => Ok(()),
                    }
                }),
            };
        }
        if plain.is_none() {
            return Served::Http {
                served: self.http.call((watch.over(io, Vec::new()), from)),
            };
        }
        let begin = (from, Vec::new());
        Served::Ours {
            served: Box::pin(serve(plain, (http, watch), io, begin, (self.stopping)())),
        }
    }
}

/// Serves a connection: from whom it comes, and what was read of it already.
async fn serve<S, H>(
    plain: Option<Rc<Connections<H>>>,
    (http, watch): (Rc<S>, Watch),
    mut io: TcpStream,
    (from, read): (Option<SocketAddr>, Vec<u8>),
    stopping: LocalBoxFuture<'static, ()>,
) -> Result<(), S::Error>
where
    S: Service<(Watched, Option<SocketAddr>), Response = ()>,
    H: HotRoutes,
{
    let ended = match plain {
        Some(plain) => plain.serve(&mut io, from, read, pin!(stopping)).await,
        None => Ended::HandedOver(read),
    };
    match ended {
        Ended::Closed => Ok(()),
        // On its own, so that a connection that stays here is small.
        Ended::HandedOver(read) => Box::pin(http.call((watch.over(io, read), from))).await,
    }
}

pin_project! {
    /// A connection until its end.
    #[project = ServedProjected]
    pub(crate) enum Served<F, E> {
        Http { #[pin] served: F },
        Ours { served: LocalBoxFuture<'static, Result<(), E>> },
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
            ServedProjected::Ours { served } => served.as_mut().poll(context),
        }
    }
}
