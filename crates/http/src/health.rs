//! `/healthz` and `/readyz`: whether the process is alive, and whether it should get requests.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder, get, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::lifecycle::Lifecycle;

/// A condition without which the service should get no requests.
///
/// It is asked at every probe, and must answer at once from what the process knows already.
pub trait ReadyCheck: Send + Sync {
    /// What is checked, such as `redis`.
    fn name(&self) -> &'static str;

    /// # Errors
    /// Why the service is not ready, for operators; it is shown on the public port, so it names no secret.
    fn check(&self) -> Result<(), String>;
}

/// A [`ReadyCheck`] made of a name and a function.
pub fn ready_check<F>(name: &'static str, check: F) -> Arc<dyn ReadyCheck>
where
    F: Fn() -> Result<(), String> + Send + Sync + 'static,
{
    struct Function<F>(&'static str, F);
    impl<F: Fn() -> Result<(), String> + Send + Sync> ReadyCheck for Function<F> {
        fn name(&self) -> &'static str {
            self.0
        }
        fn check(&self) -> Result<(), String> {
            (self.1)()
        }
    }
    Arc::new(Function(name, check))
}

/// The health of this process; cheap to clone.
#[derive(Clone)]
pub struct Health {
    checks: Arc<[Arc<dyn ReadyCheck>]>,
    lifecycle: Lifecycle,
}

impl Health {
    /// Ready when all checks pass and the process has not been asked to stop.
    #[must_use]
    pub fn new(checks: Vec<Arc<dyn ReadyCheck>>, lifecycle: Lifecycle) -> Self {
        Self {
            checks: checks.into(),
            lifecycle,
        }
    }

    /// Asks every check.
    #[must_use]
    pub fn report(&self) -> ReadyReport {
        let checks: Vec<CheckReport> = self
            .checks
            .iter()
            .map(|check| {
                let detail = check.check().err();
                let status = if detail.is_none() {
                    CheckStatus::Ok
                } else {
                    CheckStatus::Failed
                };
                CheckReport {
                    name: check.name().to_owned(),
                    status,
                    detail,
                }
            })
            .collect();
        let status = if self.lifecycle.is_draining() {
            ReadyStatus::Draining
        } else if checks.iter().all(|check| check.status == CheckStatus::Ok) {
            ReadyStatus::Ready
        } else {
            ReadyStatus::NotReady
        };
        ReadyReport { status, checks }
    }
}

/// What `/readyz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyReport {
    /// Whether the service should get requests.
    pub status: ReadyStatus,
    /// Every condition.
    pub checks: Vec<CheckReport>,
}

/// Whether the service should get requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadyStatus {
    /// It should.
    Ready,
    /// A condition is not met.
    NotReady,
    /// The process is about to stop.
    Draining,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckReport {
    /// What is checked.
    #[schema(example = "redis")]
    pub name: String,
    /// Whether it is met.
    pub status: CheckStatus,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

/// Whether a condition is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// It is.
    Ok,
    /// It is not.
    Failed,
}

/// What `/healthz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AliveReport {
    /// Always `alive`: a process that is not does not answer.
    #[schema(example = "alive")]
    pub status: String,
}

/// Whether the process is alive
///
/// Answers as long as the process serves requests at all. Meant for restarting a process that hangs; it
/// says nothing about the store.
#[utoipa::path(
    tag = "health",
    responses((status = 200, description = "The process is alive.", body = AliveReport, example = json!({"status": "alive"})))
)]
#[get("/healthz")]
pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(AliveReport {
            status: "alive".to_owned(),
        })
}

/// Whether the process should get requests
///
/// Meant for load balancers. Fails from the moment the process is asked to stop, while it still serves.
#[utoipa::path(
    tag = "health",
    responses(
        (status = 200, description = "The process is ready.", body = ReadyReport,
         example = json!({"status": "ready", "checks": [{"name": "redis", "status": "ok"}]})),
        (status = 503, description = "The process should get no requests now.", body = ReadyReport,
         example = json!({"status": "not_ready", "checks": [{"name": "redis", "status": "failed", "detail": "no answer for 3 s"}]})),
    )
)]
#[get("/readyz")]
pub(crate) async fn readyz(health: web::Data<Health>) -> HttpResponse {
    let report = health.report();
    let status = match report.status {
        ReadyStatus::Ready => StatusCode::OK,
        ReadyStatus::NotReady | ReadyStatus::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    HttpResponseBuilder::new(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(report)
}
