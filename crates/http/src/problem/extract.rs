//! Extractors of bodies, paths and queries whose errors are problems.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::{JsonPayloadError, PathError, PayloadError, QueryPayloadError};
use actix_web::web::{self, Bytes, JsonConfig, PathConfig, PayloadConfig, QueryConfig};
use actix_web::{Error, FromRequest, HttpRequest};

use super::{Problem, ProblemCode};

/// All of the configurations below at once, for an app or a scope.
pub fn configure_extractors(
    app: &mut web::ServiceConfig,
    body_limit_bytes: usize,
    body_timeout: Duration,
) {
    app.app_data(BodyTimeout(body_timeout))
        .app_data(json_config(body_limit_bytes))
        .app_data(payload_config(body_limit_bytes))
        .app_data(path_config())
        .app_data(query_config());
}

/// `web::Json` that answers 400, 413 and 415 as problems.
#[must_use]
pub fn json_config(body_limit_bytes: usize) -> JsonConfig {
    JsonConfig::default()
        .limit(body_limit_bytes)
        .content_type_required(true)
        .error_handler(move |error, _request| json_problem(&error, body_limit_bytes).into())
}

/// `web::Bytes` and `web::Payload` with that limit. Their errors become problems at the edge.
#[must_use]
pub fn payload_config(body_limit_bytes: usize) -> PayloadConfig {
    PayloadConfig::new(body_limit_bytes)
}

/// The longest time for a body.
#[derive(Debug, Clone, Copy)]
struct BodyTimeout(Duration);

/// A body as `web::Bytes` has it, and in time: actix bounds the time for a request's head alone, so that a client
/// which sends a byte a minute would keep its connection for ever. One that is late is answered 408.
#[derive(Debug)]
pub struct TimelyBody(pub Bytes);

impl FromRequest for TimelyBody {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = Bytes::from_request(request, payload);
        let timeout = request.app_data::<BodyTimeout>().copied();
        Box::pin(async move {
            let Some(BodyTimeout(timeout)) = timeout else {
                return Err(Problem::internal("the app has no time limit for bodies").into());
            };
            match tokio::time::timeout(timeout, body).await {
                Ok(body) => body.map(Self),
                Err(_) => Err(Problem::new(ProblemCode::RequestTimeout)
                    .detail(format!(
                        "The body did not arrive within {} ms.",
                        timeout.as_millis()
                    ))
                    .into()),
            }
        })
    }
}

/// `web::Path` that answers 400 as a problem.
#[must_use]
pub fn path_config() -> PathConfig {
    PathConfig::default().error_handler(|error, _request| {
        let detail = match error {
            PathError::Deserialize(error) => format!("The path can't be read: {error}."),
            _ => ProblemCode::InvalidPath.description().to_owned(),
        };
        Problem::new(ProblemCode::InvalidPath).detail(detail).into()
    })
}

/// `web::Query` that answers 400 as a problem.
#[must_use]
pub fn query_config() -> QueryConfig {
    QueryConfig::default().error_handler(|error, _request| {
        let detail = match error {
            QueryPayloadError::Deserialize(error) => format!("The query can't be read: {error}."),
            _ => ProblemCode::InvalidQuery.description().to_owned(),
        };
        Problem::new(ProblemCode::InvalidQuery)
            .detail(detail)
            .into()
    })
}

fn json_problem(error: &JsonPayloadError, limit: usize) -> Problem {
    match error {
        JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => {
            too_large(limit)
        }
        JsonPayloadError::ContentType => ProblemCode::UnsupportedMediaType.into(),
        JsonPayloadError::Deserialize(error) => Problem::new(ProblemCode::MalformedBody)
            .detail(format!("The body can't be read: {error}.")),
        JsonPayloadError::Payload(error) => payload_problem(error, limit),
        JsonPayloadError::Serialize(error) => Problem::internal(error),
        _ => ProblemCode::MalformedBody.into(),
    }
}

/// The problem of a body that could not be read.
pub(crate) fn payload_problem(error: &PayloadError, limit: usize) -> Problem {
    match error {
        PayloadError::Overflow => too_large(limit),
        _ => Problem::new(ProblemCode::MalformedBody).detail("The body did not arrive whole."),
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(ProblemCode::BodyTooLarge)
        .detail(format!("The body is larger than {limit} bytes."))
        .member("limit_bytes", limit)
}
