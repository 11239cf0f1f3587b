//! The `Idempotency-Key` of a request.

use actix_web::http::header::HeaderMap;
use vote_domain::IdempotencyKey;
use vote_http::{IDEMPOTENCY_KEY, Problem, ProblemCode};

/// The key, if there is one, and it is a key.
pub(super) fn idempotency_key(
    headers: &HeaderMap,
    required: bool,
) -> Result<Option<IdempotencyKey>, Problem> {
    let invalid = |detail: String| Problem::new(ProblemCode::InvalidIdempotencyKey).detail(detail);
    let mut values = headers.get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return if required {
            Err(ProblemCode::IdempotencyKeyRequired.into())
        } else {
            Ok(None)
        };
    };
    if values.next().is_some() {
        return Err(invalid("Idempotency-Key must be given once.".to_owned()));
    }
    let text = value.to_str().map_err(|_| {
        invalid("Idempotency-Key must hold only visible ASCII characters.".to_owned())
    })?;
    IdempotencyKey::parse(text)
        .map(Some)
        .map_err(|error| invalid(format!("{error}.")))
}
