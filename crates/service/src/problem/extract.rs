//! Extractors of bodies, paths and queries whose errors are problems.

use actix_web::error::{JsonPayloadError, PathError, PayloadError, QueryPayloadError};
use actix_web::web::{self, JsonConfig, PathConfig, PayloadConfig, QueryConfig};

use super::{Problem, ProblemCode};

/// All of the configurations below at once, for an app or a scope.
pub fn configure_extractors(app: &mut web::ServiceConfig, body_limit_bytes: usize) {
    app.app_data(json_config(body_limit_bytes))
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
