//! From arguments to exit: what both binaries do around their service.
//!
//! [`main`] reads arguments and settings, sets up telemetry, launches the service, waits for a signal,
//! drains in bounded time and flushes telemetry, whatever happened. [`launch`] is the part of it that
//! tests use: a service in this process, on its own ports, with the same way to stop.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::ServiceConfig;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi as Document;
use vote_domain::Clock;

use crate::health::{Health, ReadyCheck};
use crate::http_metrics::HttpMetrics;
use crate::lifecycle::Lifecycle;
use crate::server::{self, PublicApp};
use crate::settings::{ServiceName, Settings};

/// Any error of a service's own start.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Longest time for the operators' server to stop: only probes and scrapes are open there.
const ADMIN_STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A service: what it does beyond what all services do.
pub trait Service: Sized + Send + 'static {
    /// Which one it is.
    const NAME: ServiceName;
    /// Its version, `env!("CARGO_PKG_VERSION")`.
    const VERSION: &'static str;
    /// What it is for, in a sentence for `--help`.
    const ABOUT: &'static str;

    /// Its own part of the OpenAPI document; what both services have is added to it.
    fn openapi() -> Document;

    /// Builds it: registers metrics and readiness checks, starts background tasks. Must not wait for
    /// Redis: services start in any order.
    fn start(context: &mut Context) -> impl Future<Output = Result<Self, BoxError>> + Send;

    /// Its routes, added to the app of each worker.
    fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static;

    /// Finishes what has been accepted, once no request is open any more. Bounded by the caller.
    fn drain(self) -> impl Future<Output = ()> + Send;
}

/// What a service is built from.
pub struct Context {
    /// All settings.
    pub settings: Arc<Settings>,
    /// The clock to tell time by.
    pub clock: Arc<dyn Clock>,
    /// The registry of metrics; served at `/metrics` of the admin port.
    pub metrics: Registry,
    /// Tells when to end streams and background tasks.
    pub lifecycle: Lifecycle,
    /// The runtime of background tasks. A task that must outlive the HTTP server, such as a lane, is
    /// spawned here: plain `tokio::spawn` within a handler would tie it to that handler's worker, which
    /// is gone before the service drains.
    pub runtime: Handle,
    /// Whether spans are exported, and so worth making.
    pub has_traces: bool,
    checks: Vec<Arc<dyn ReadyCheck>>,
}

impl Context {
    /// Adds a condition of `/readyz`; see [`crate::health::ready_check`].
    pub fn ready_when(&mut self, check: Arc<dyn ReadyCheck>) {
        self.checks.push(check);
    }
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be listened on.
    #[error("{setting}: {address} {reason}: set {variable} to another address")]
    Bind {
        /// Name of the setting.
        setting: &'static str,
        /// Name of the variable.
        variable: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
        /// What is wrong with it.
        reason: String,
    },
    /// A server can't be started.
    #[error("the server could not start: {0}")]
    Server(#[from] io::Error),
    /// The service's own start failed.
    #[error("{0} could not start: {1}")]
    Service(ServiceName, #[source] BoxError),
}

impl StartError {
    pub(crate) fn bind(setting: &'static str, address: SocketAddr, error: &io::Error) -> Self {
        let variable = if setting == "http.bind" {
            "VOTE__HTTP__BIND"
        } else {
            "VOTE__ADMIN__BIND"
        };
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => format!("can't be used, port {} is taken", address.port()),
            io::ErrorKind::AddrNotAvailable => "is no address of this machine".to_owned(),
            io::ErrorKind::PermissionDenied => "may not be used by this user".to_owned(),
            _ => format!("can't be used ({error})"),
        };
        Self::Bind {
            setting,
            variable,
            address,
            reason,
        }
    }
}

/// A stop that was not clean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// Requests were still open at the bound, and were cut off.
    #[error("requests were still open after shutdown.drain_timeout_ms ({0} ms), and were cut off")]
    Requests(u64),
    /// The service had not finished what it had accepted.
    #[error("the service had not drained after shutdown.drain_timeout_ms ({0} ms)")]
    Service(u64),
    /// A server ended by itself.
    #[error("the {0} server ended by itself: {1}")]
    Server(&'static str, String),
}

/// A service that serves.
pub struct Running<S> {
    service: S,
    settings: Arc<Settings>,
    lifecycle: Lifecycle,
    public: Serving,
    admin: Serving,
}

struct Serving {
    name: &'static str,
    address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
}

impl Serving {
    fn spawn(name: &'static str, address: SocketAddr, server: Server) -> Self {
        tracing::info!(server = name, address = %address, "listening");
        Self {
            name,
            address,
            handle: server.handle(),
            task: tokio::spawn(server),
        }
    }

    /// Resolves when the server ends by itself.
    async fn ended(&mut self) -> StopError {
        let outcome = match (&mut self.task).await {
            Ok(Ok(())) => "no error".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        StopError::Server(self.name, outcome)
    }
}

/// Starts a service in this process and returns when it listens on both of its ports.
///
/// # Errors
/// A taken address, or the service's own start.
pub async fn launch<S: Service>(
    settings: Settings,
    clock: Arc<dyn Clock>,
    has_traces: bool,
) -> Result<Running<S>, StartError> {
    let public = server::listen("http.bind", settings.http.bind)?;
    let admin = server::listen("admin.bind", settings.admin.bind)?;
    let (address, admin_address) = (public.address, admin.address);

    let settings = Arc::new(settings);
    let lifecycle = Lifecycle::new();
    let mut context = Context {
        settings: Arc::clone(&settings),
        clock,
        metrics: Registry::default(),
        lifecycle: lifecycle.clone(),
        runtime: Handle::current(),
        has_traces,
        checks: Vec::new(),
    };
    let build = vec![("service", S::NAME.as_str()), ("version", S::VERSION)];
    context
        .metrics
        .register("vote_build", "Which service this is", Info::new(build));
    #[cfg(target_os = "linux")]
    crate::process_metrics::register(&mut context.metrics);
    let metrics = HttpMetrics::register(&mut context.metrics);
    let service = S::start(&mut context)
        .await
        .map_err(|error| StartError::Service(S::NAME, error))?;
    let health = Health::new(context.checks, lifecycle.clone());

    let admin = server::admin(admin, health.clone(), Arc::new(context.metrics))?;
    let app = PublicApp {
        routes: service.routes(),
        health,
        document: Arc::new(crate::openapi::complete(S::openapi())),
        metrics,
        lifecycle: lifecycle.clone(),
        settings: Arc::clone(&settings),
        has_traces,
    };
    let public = server::public(public, app)?;
    Ok(Running {
        service,
        settings,
        lifecycle,
        public: Serving::spawn("public", address, public),
        admin: Serving::spawn("admin", admin_address, admin),
    })
}

impl<S: Service> Running<S> {
    /// Where the public API listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.public.address
    }

    /// Where `/metrics` listens.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address
    }

    /// The service itself.
    #[must_use]
    pub fn service(&self) -> &S {
        &self.service
    }

    /// The stages of this service's life.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Resolves when a server ends without having been told to, which it never should.
    pub async fn failed(&mut self) -> StopError {
        tokio::select! {
            error = self.public.ended() => error,
            error = self.admin.ended() => error,
        }
    }

    /// Stops: readiness off and `Connection: close`, the grace, open requests, the service's own drain.
    /// `skip_grace` cuts the grace short.
    ///
    /// # Errors
    /// Something was not finished within `shutdown.drain_timeout_ms`; the process should exit non-zero.
    pub async fn shutdown(self, skip_grace: CancellationToken) -> Result<(), StopError> {
        let Self {
            service,
            settings,
            lifecycle,
            public,
            admin,
        } = self;
        let bound = settings.shutdown.drain_timeout();
        let bound_ms = settings.shutdown.drain_timeout_ms;
        lifecycle.begin_draining();
        tracing::info!(
            grace_ms = settings.shutdown.grace_ms,
            drain_timeout_ms = bound_ms,
            "draining: not ready any more, still serving"
        );
        tokio::select! {
            () = tokio::time::sleep(settings.shutdown.grace()) => {}
            () = skip_grace.cancelled() => tracing::info!("grace cut short"),
        }

        let started = Instant::now();
        let mut result = Ok(());
        if tokio::time::timeout(bound, public.handle.stop(true))
            .await
            .is_err()
        {
            result = Err(StopError::Requests(bound_ms));
            let forced = tokio::time::timeout(ADMIN_STOP_TIMEOUT, public.handle.stop(false));
            let _ended = forced.await;
        }
        tracing::info!(elapsed_ms = elapsed_ms(started), "public server stopped");

        // What has been accepted is worth more than the bound: it gets a quarter of it in any case.
        let left = bound.saturating_sub(started.elapsed()).max(bound / 4);
        if tokio::time::timeout(left, service.drain()).await.is_err() {
            result = result.and(Err(StopError::Service(bound_ms)));
        }
        lifecycle.stop();
        // Scraped until here, so that the last votes are in the metrics.
        let _ended = tokio::time::timeout(ADMIN_STOP_TIMEOUT, admin.handle.stop(false)).await;
        tracing::info!(elapsed_ms = elapsed_ms(started), "drained");
        result
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The whole of a binary: `fn main() -> ExitCode { vote_service::main::<Ingest>() }`.
#[must_use]
pub fn main<S: Service>() -> ExitCode {
    main_from::<S>(std::env::args_os()).into()
}

/// [`main`] with arguments of the caller's, the program's name first; returns the exit code: 0, 1 for a
/// failure, 2 for wrong settings. Wrong arguments, `--help` and `--version` end the process themselves.
#[must_use]
pub fn main_from<S: Service>(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    crate::cli::main::<S>(arguments)
}
