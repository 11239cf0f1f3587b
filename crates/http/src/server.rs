//! The two HTTP servers of a process: the public one and the operators' one.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Request};
use actix_service::{
    IntoServiceFactory as _, Service, ServiceFactory, ServiceFactoryExt as _, map_config,
};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer};
use futures_util::future::LocalBoxFuture;
use prometheus_client::registry::Registry;
use tokio::net::TcpSocket;
use utoipa::openapi::OpenApi as Document;
use vote_runtime::sampling::Sampling;
use vote_runtime::settings::Settings;

use crate::bodies::{self, BodyLimits};
use crate::clients::Clients;
use crate::cors::Cors;
use crate::edge::{Edge, EdgeOf, Front, HotRoutes, Worker};
use crate::error::StartError;
use crate::exposition;
use crate::heads::{HeadBounds, Watched};
use crate::health::{self, Health};
use crate::http_metrics::HttpMetrics;
use crate::lifecycle::Lifecycle;
use crate::openapi::{self, AllowTable, ServedDocument};
use crate::plain::{Accept, Bounds, Stopping};
use crate::problem::{Problem, ProblemCode};
use crate::query::{QueryTable, parameters};
use crate::request_span::request_spans;
use crate::service::MissingPage;

/// By how much actix-http's own bound of a head is longer than ours, which is to act first.
const SLACK: Duration = Duration::from_secs(1);

/// Connections that wait in the kernel's queue: a peak comes within a second, and is not to be refused.
const BACKLOG: u32 = 4096;

/// Listens on an address. Done before a service starts, so that a taken port is the first thing known.
pub(crate) fn listen(setting: &'static str, address: SocketAddr) -> Result<Listener, StartError> {
    let bound = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        // A restart must not wait for the connections of the process before.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?.into_std()?;
        let address = listener.local_addr()?;
        Ok(Listener { listener, address })
    };
    bound().map_err(|error| StartError::bind(setting, address, &error))
}

/// A socket that listens.
pub(crate) struct Listener {
    pub(crate) listener: std::net::TcpListener,
    pub(crate) address: SocketAddr,
}

/// What the public app is made of, in each worker.
#[derive(Clone)]
pub(crate) struct PublicApp<R, H> {
    pub(crate) routes: R,
    pub(crate) hot: H,
    pub(crate) health: Health,
    pub(crate) document: Arc<Document>,
    pub(crate) metrics: HttpMetrics,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) settings: Arc<Settings>,
    pub(crate) sampling: Option<Sampling>,
    /// Of each worker at most.
    pub(crate) max_connections: usize,
}

/// Starts the public server.
pub(crate) fn public<R, H>(listener: Listener, app: PublicApp<R, H>) -> io::Result<Server>
where
    R: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    H: HotRoutes,
{
    let settings = Arc::clone(&app.settings);
    let max_connections = app.max_connections;
    let http = &settings.http;
    bound_unread(&listener.listener, http.write_timeout)?;
    let tables = Tables::new(&app.document, Cors::new(http), Clients::new(http));
    let server = Server::build();
    let signal = server.graceful_shutdown_signal();
    let stopping = move || -> LocalBoxFuture<'static, ()> {
        let signal = signal.clone();
        Box::pin(async move { signal.notified().await })
    };
    let factory = move || accept(app.clone(), tables.clone(), Rc::new(stopping.clone()));
    let server = server
        .workers(http.worker_count())
        .max_concurrent_connections(max_connections)
        .disable_signals()
        // The runner bounds the stop itself, and must be the first to give up, to be able to say so.
        .shutdown_timeout(settings.shutdown.drain_timeout.as_secs() + 60)
        // As the log has named it from the beginning.
        .listen(
            format!("actix-web-service-{}", listener.address),
            listener.listener,
            factory,
        )?;
    Ok(server.run())
}

/// Takes the connections of one worker: plain ones, and by actix-http all others.
fn accept<R, H>(
    public: PublicApp<R, H>,
    tables: Tables,
    stopping: Stopping,
) -> Accept<
    impl ServiceFactory<
        (Watched, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
        Future: 'static,
        Service: 'static,
    >,
    H,
>
where
    R: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    H: HotRoutes,
{
    let settings = Arc::clone(&public.settings);
    let http = &settings.http;
    let hot = public.hot.clone();
    let bounds = Bounds {
        first: http.client_request_timeout,
        keep_alive: http.keep_alive,
        body_bytes: http.body_limit_bytes,
    };
    let heads = HeadBounds {
        bytes: http.head_limit_bytes,
        time: http.client_request_timeout,
        idle: http.keep_alive,
    };
    let front = front(public, tables);
    let worker = Rc::clone(&front.worker);
    let ends = Rc::clone(&stopping);
    let front = front.map_err(|error| error.error_response());
    let service = HttpService::build()
        .graceful_shutdown_signal(move || ends())
        .keep_alive(http.keep_alive)
        .client_request_timeout(http.client_request_timeout + SLACK)
        .client_disconnect_timeout(Duration::from_secs(1))
        .on_connect_ext(|io: &Watched, data| {
            data.insert(Rc::clone(io.heads()));
        })
        .h1(map_config(front, |()| AppConfig::default()));
    Accept {
        http: service,
        hot,
        worker,
        bounds,
        heads,
        stopping,
    }
}

/// What is looked up in each request, the same in each worker.
#[derive(Clone)]
struct Tables {
    served: ServedDocument,
    allow: AllowTable,
    queries: QueryTable,
    cors: Cors,
    clients: Clients,
}

impl Tables {
    fn new(document: &Document, cors: Cors, clients: Clients) -> Self {
        Self {
            served: ServedDocument::new(document),
            allow: AllowTable::new(document),
            queries: QueryTable::new(document),
            cors,
            clients,
        }
    }
}

/// The hot routes and the app of one worker.
fn front<R, H>(
    public: PublicApp<R, H>,
    tables: Tables,
) -> Front<
    impl ServiceFactory<
        Request,
        Config = AppConfig,
        Response = ServiceResponse<impl MessageBody + 'static>,
        Error = Error,
        InitError = (),
        Future: 'static,
        Service: Service<Request, Future: 'static> + 'static,
    > + 'static,
    H,
>
where
    R: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    H: HotRoutes,
{
    let http = &public.settings.http;
    let has_traces = public.sampling.is_some();
    let limits = BodyLimits {
        bytes: http.body_limit_bytes,
        time: http.client_request_timeout,
    };
    let worker = Rc::new(Worker::new(Edge {
        metrics: public.metrics,
        lifecycle: public.lifecycle,
        allow: tables.allow.clone(),
        queries: tables.queries,
        cors: tables.cors.clone(),
        clients: tables.clients.clone(),
        sampling: public.sampling,
        body_limit_bytes: limits.bytes,
    }));
    let app = App::new()
        .app_data(Data::new(public.health))
        .app_data(Data::new(tables.served))
        .app_data(Data::new(tables.allow))
        .app_data(Data::new(tables.cors))
        .app_data(Data::new(tables.clients))
        .configure(|app| bodies::configure(app, limits))
        .configure(public.routes)
        .configure(common_routes)
        .default_service(web::to(fallback))
        .wrap(EdgeOf(Rc::clone(&worker)))
        // Last means outermost: what the edge logs of a request lies within its span, and the span
        // has the status that the client is given.
        .wrap(request_spans(has_traces));
    Front {
        app: app.into_factory(),
        hot: public.hot,
        worker,
        limits,
    }
}

/// Lets the kernel drop a connection whose client takes nothing for that long, be it that it does not read or that it is gone
/// without a word. Only the kernel knows how much was taken: to us all is sent that lies in its buffers. Connections have it
/// from the socket that listens.
#[cfg(target_os = "linux")]
fn bound_unread(listener: &std::net::TcpListener, longest: Duration) -> io::Result<()> {
    socket2::SockRef::from(listener).set_tcp_user_timeout(Some(longest))
}

/// Other systems have no such bound.
#[cfg(not(target_os = "linux"))]
fn bound_unread(_listener: &std::net::TcpListener, _longest: Duration) -> io::Result<()> {
    Ok(())
}

/// Starts the operators' server: health and metrics, in one thread.
pub(crate) fn admin(
    listener: Listener,
    health: Health,
    registry: Arc<Registry>,
) -> io::Result<Server> {
    let factory = move || {
        App::new()
            .app_data(Data::new(health.clone()))
            .app_data(Data::from(Arc::clone(&registry)))
            .service(health::healthz)
            .service(health::readyz)
            .service(exposition::metrics)
            .default_service(web::to(admin_fallback))
            .wrap(from_fn(as_on_the_public_port))
    };
    let server = HttpServer::new(factory)
        .workers(1)
        .tcp_nodelay(true)
        .disable_signals()
        .client_disconnect_timeout(Duration::from_secs(1))
        .shutdown_timeout(1)
        .listen(listener.listener)?;
    Ok(server.run())
}

/// What both services have on their public port beside their own operations.
fn common_routes(app: &mut ServiceConfig) {
    app.service(health::healthz)
        .service(health::readyz)
        .service(openapi::openapi_json)
        .service(openapi::problems)
        .service(openapi::problem)
        .service(openapi::swagger_ui_redirect)
        .service(openapi::swagger_ui);
}

/// Answers what no route takes: a page's question whether it may ask; 405 where the path is right; else 404.
async fn fallback(
    request: HttpRequest,
    allow: Data<AllowTable>,
    cors: Data<Cors>,
) -> Result<HttpResponse, Problem> {
    if let Some(answer) = cors.preflight(request.method(), request.headers())? {
        return Ok(answer);
    }
    let problem = match allow.of(&request, None) {
        Some(methods) => Problem::method_not_allowed(methods),
        None => ProblemCode::NotFound.into(),
    };
    match request.app_data::<MissingPage>() {
        Some(MissingPage(answer)) => Ok(answer(&request, problem)),
        None => Err(problem),
    }
}

/// The same on the operators' port, where every path is only read.
async fn admin_fallback(request: HttpRequest) -> Problem {
    match request.match_pattern() {
        Some(_) => Problem::method_not_allowed(HeaderValue::from_static("GET, HEAD")),
        None => ProblemCode::NotFound.into(),
    }
}

/// Answers HEAD as GET (the encoder already knows not to send a body), and refuses query parameters, of which no
/// operation of this port has any, as the public port does.
async fn as_on_the_public_port(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    // What is no operation has another answer.
    if request.method() == Method::GET && request.match_pattern().is_some() {
        const NONE: [&str; 0] = [];
        parameters(request.query_string(), &NONE)?;
    }
    next.call(request).await
}
