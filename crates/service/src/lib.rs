//! What both HTTP services share: settings, telemetry, problem details, health, metrics, shutdown.
//!
//! A service implements [`Service`]; its binary is [`main`], its tests use [`launch`]:
//!
//! ```no_run
//! use actix_web::web::ServiceConfig;
//! use vote_service::{BoxError, Context, Service, ServiceName};
//!
//! struct Ingest;
//!
//! impl Service for Ingest {
//!     const NAME: ServiceName = ServiceName::Ingest;
//!     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
//!     const ABOUT: &'static str = "Takes votes.";
//!
//!     fn openapi() -> utoipa::openapi::OpenApi {
//!         utoipa::openapi::OpenApi::default()
//!     }
//!
//!     async fn start(context: &mut Context) -> Result<Self, BoxError> {
//!         context.ready_when(vote_service::health::ready_check("lanes", || Ok(())));
//!         Ok(Self)
//!     }
//!
//!     fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
//!         |_app: &mut ServiceConfig| {}
//!     }
//!
//!     async fn drain(self) {}
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     vote_service::main::<Ingest>()
//! }
//! ```

mod chunked_body;
mod cli;
mod edge;
mod log;
#[cfg(target_os = "linux")]
mod process_metrics;
mod request_span;
mod run;
mod server;

pub mod clock;
pub mod entropy;
pub mod health;
pub mod http_metrics;
pub mod lifecycle;
pub mod openapi;
pub mod problem;
pub mod settings;
pub mod telemetry;

pub use self::clock::SystemClock;
pub use self::lifecycle::Lifecycle;
pub use self::problem::{Problem, ProblemCode, ProblemDocument};
pub use self::run::{
    BoxError, Context, Running, Service, StartError, StopError, launch, main, main_from,
};
pub use self::settings::{ServiceName, Settings};
