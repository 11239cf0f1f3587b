//! The HTTP server of both services: its edge, problem details, OpenAPI, health, metrics, shutdown.
//!
//! A service implements [`Service`]; its binary is [`main`], its tests use [`launch`]:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use actix_web::web::ServiceConfig;
//! use vote_http::{BoxError, Context, HotRoutes, NoHotRoutes, Service, StopError};
//! use vote_runtime::ServiceName;
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
//!         context.ready_when("lanes", || Ok(()));
//!         Ok(Self)
//!     }
//!
//!     fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
//!         |_app: &mut ServiceConfig| {}
//!     }
//!
//!     fn hot_routes(&self) -> impl HotRoutes {
//!         NoHotRoutes
//!     }
//!
//!     async fn drain(self, _patience: Duration) -> Result<(), StopError> {
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     vote_http::main::<Ingest>()
//! }
//! ```

mod bearer;
mod bodies;
mod cli;
mod clients;
mod connections;
mod cors;
mod edge;
mod error;
mod exit;
mod exposition;
mod heads;
mod healthcheck;
mod http_metrics;
mod lifecycle;
mod plain;
mod process;
mod request_id;
mod request_span;
mod run;
mod server;
mod service;

pub mod form;
mod health;
pub mod openapi;
pub mod problem;
pub mod query;

pub use self::bearer::bearer;
pub use self::bodies::{TimelyBody, check_body};
pub use self::cli::{main, main_from};
pub use self::clients::client_address;
pub use self::cors::{IDEMPOTENCY_KEY, is_among};
pub use self::edge::{
    HotRead, HotRoutes, NoHotRoutes, SentHeader, WriteHead, WritePath, Written, is_head,
};
pub use self::error::{BoxError, StartError, StopError};
pub use self::lifecycle::Lifecycle;
pub use self::problem::{Problem, ProblemCode, ProblemDocument, RateFields};
pub use self::run::{Running, launch};
pub use self::service::{Context, MissingPage, Service};
