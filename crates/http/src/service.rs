//! What a service is: the part of a binary that is its own, and what it is given to start with.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse};
use prometheus_client::registry::Registry;
use utoipa::openapi::OpenApi as Document;
use vote_domain::Clock;
use vote_runtime::settings::{ServiceName, Settings};

use crate::edge::HotRoutes;
use crate::error::{BoxError, StopError};
use crate::health::ReadyCheck;
use crate::lifecycle::Lifecycle;
use crate::problem::Problem;

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

    /// What answers the operations that almost all requests are for; [`NoHotRoutes`](crate::NoHotRoutes) where there are none.
    fn hot_routes(&self) -> impl HotRoutes;

    /// Finishes what has been accepted, once no request is open any more. It has so long for it, and a second more to put
    /// away what could not be finished; then it is cut off.
    ///
    /// # Errors
    /// What could not be finished.
    fn drain(self, patience: Duration) -> impl Future<Output = Result<(), StopError>> + Send;
}

/// How a service answers what no route takes, as data of its app: with a page, say, where a browser asks. Without it the
/// answer is the problem.
#[derive(Clone, Copy)]
pub struct MissingPage(pub fn(&HttpRequest, Problem) -> HttpResponse);

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
    pub(crate) checks: Vec<ReadyCheck>,
}

impl Context {
    /// Adds a condition of `/readyz`: what is checked, such as `redis`, and a function that says why the service is not
    /// ready.
    ///
    /// It is asked at every probe, and must answer at once from what the process knows already. What it says is
    /// for operators, and shown on the public port: it names no secret.
    pub fn ready_when(
        &mut self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        let check = Box::new(check);
        self.checks.push(ReadyCheck { name, check });
    }
}
