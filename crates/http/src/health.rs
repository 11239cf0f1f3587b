//! `/healthz` and `/readyz`: whether the process is alive, and whether it should get requests.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::lifecycle::Lifecycle;
use crate::query::QueryProblems;

/// A condition without which the service should get no requests.
pub(crate) struct ReadyCheck {
    pub(crate) name: &'static str,
    pub(crate) check: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// The health of this process; cheap to clone.
#[derive(Clone)]
pub(crate) struct Health {
    checks: Arc<[ReadyCheck]>,
    lifecycle: Lifecycle,
}

impl Health {
    /// Ready when all checks pass and the process has not been asked to stop.
    pub(crate) fn new(checks: Vec<ReadyCheck>, lifecycle: Lifecycle) -> Self {
        Self {
            checks: checks.into(),
            lifecycle,
        }
    }

    /// Asks every check.
    fn report(&self) -> ReadyReport {
        let checks: Vec<CheckReport> = self
            .checks
            .iter()
            .map(|check| {
                let detail = (check.check)().err();
                let status = if detail.is_none() {
                    CheckStatus::Ok
                } else {
                    CheckStatus::Failed
                };
                CheckReport {
                    name: check.name,
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
#[derive(Debug, Serialize, ToSchema)]
struct ReadyReport {
    /// Whether the service should get requests.
    status: ReadyStatus,
    /// Every condition.
    checks: Vec<CheckReport>,
}

/// Whether the service should get requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReadyStatus {
    /// It should.
    Ready,
    /// A condition is not met.
    NotReady,
    /// The process is about to stop.
    Draining,
}

/// One condition.
#[derive(Debug, Serialize, ToSchema)]
struct CheckReport {
    /// What is checked.
    #[schema(example = "redis")]
    name: &'static str,
    /// Whether it is met.
    status: CheckStatus,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Whether a condition is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CheckStatus {
    /// It is.
    Ok,
    /// It is not.
    Failed,
}

/// What `/healthz` answers.
#[derive(Debug, Serialize, ToSchema)]
struct AliveReport {
    /// Always `alive`: a process that is not does not answer.
    #[schema(example = "alive")]
    status: &'static str,
}

/// Whether the process is alive
///
/// Answers as long as the process serves requests at all. Meant for restarting a process that hangs; it
/// says nothing about the store.
#[utoipa::path(
    tag = "health",
    responses(
        (status = 200, description = "The process is alive.", body = AliveReport, example = json!({"status": "alive"})),
        QueryProblems,
    )
)]
#[get("/healthz")]
pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(AliveReport { status: "alive" })
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
        QueryProblems,
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
