//! A service that serves, from its start to its drain: the part of a binary that tests use as well.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vote_domain::Clock;
use vote_runtime::sampling::Sampling;
use vote_runtime::settings::Settings;

use crate::connections;
use crate::error::{StartError, StopError};
use crate::health::Health;
use crate::http_metrics::HttpMetrics;
use crate::lifecycle::Lifecycle;
use crate::openapi;
use crate::server::{self, PublicApp};
use crate::service::{Context, Service};

/// Longest time for the operators' server to stop: only probes and scrapes are open there.
const ADMIN_STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// How much longer a service may take to put away what it could not finish in its time.
const PUTTING_AWAY: Duration = Duration::from_millis(1_500);

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

/// Starts a service in this process and returns when it listens on both of its ports. `sampling` says which spans are exported; `None`,
/// that none are made.
///
/// # Errors
/// A taken address, or the service's own start.
pub async fn launch<S: Service>(
    settings: Settings,
    clock: Arc<dyn Clock>,
    sampling: Option<Sampling>,
) -> Result<Running<S>, StartError> {
    let public = server::listen("http.bind", settings.http.bind)?;
    let admin = server::listen("admin.bind", settings.admin.bind)?;
    let (address, admin_address) = (public.address, admin.address);
    let max_connections = connections::per_worker(&settings)?;

    let settings = Arc::new(settings);
    let lifecycle = Lifecycle::new();
    let mut context = Context {
        settings: Arc::clone(&settings),
        clock,
        metrics: Registry::default(),
        lifecycle: lifecycle.clone(),
        checks: Vec::new(),
    };
    let build = vec![("service", S::NAME.as_str()), ("version", S::VERSION)];
    context
        .metrics
        .register("vote_build", "Which service this is", Info::new(build));
    #[cfg(target_os = "linux")]
    vote_runtime::process_metrics::register(&mut context.metrics);
    let metrics = HttpMetrics::register(&mut context.metrics);
    let service = S::start(&mut context)
        .await
        .map_err(|error| StartError::Service(S::NAME, error))?;
    let health = Health::new(context.checks, lifecycle.clone());

    let admin = server::admin(admin, health.clone(), Arc::new(context.metrics))?;
    let app = PublicApp {
        routes: service.routes(),
        hot: service.hot_routes(),
        health,
        document: Arc::new(openapi::complete(S::openapi())),
        metrics,
        lifecycle: lifecycle.clone(),
        settings: Arc::clone(&settings),
        sampling,
        max_connections,
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
        let bound = settings.shutdown.drain_timeout;
        let bound_ms = in_ms(bound);
        lifecycle.begin_draining();
        tracing::info!(
            grace_ms = in_ms(settings.shutdown.grace),
            drain_timeout_ms = bound_ms,
            "draining: not ready any more, still serving"
        );
        tokio::select! {
            () = tokio::time::sleep(settings.shutdown.grace) => {}
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
        tracing::info!(
            elapsed_ms = in_ms(started.elapsed()),
            "public server stopped"
        );

        // What has been accepted is worth more than the bound: it gets a quarter of it in any case.
        let left = bound.saturating_sub(started.elapsed()).max(bound / 4);
        let cut_off = left + PUTTING_AWAY;
        let drained = tokio::time::timeout(cut_off, service.drain(left)).await;
        match drained.unwrap_or(Err(StopError::Service(bound_ms))) {
            Ok(()) => {}
            // Nothing else that went wrong weighs as much.
            Err(error @ StopError::Unrecorded { .. }) => result = Err(error),
            Err(error) => result = result.and(Err(error)),
        }
        lifecycle.stop();
        // Scraped until here, so that the last votes are in the metrics.
        let _ended = tokio::time::timeout(ADMIN_STOP_TIMEOUT, admin.handle.stop(false)).await;
        tracing::info!(elapsed_ms = in_ms(started.elapsed()), "drained");
        result
    }
}

fn in_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
