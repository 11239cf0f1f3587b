//! The `Idempotency-Key` of a request.

use vote_domain::IdempotencyKey;
use vote_http::{KeyHeader, Problem, ProblemCode};

/// The key, if there is one, and it is a key.
pub(super) fn idempotency_key<'v>(
    sent: KeyHeader<'v>,
    required: bool,
) -> Result<Option<IdempotencyKey<'v>>, Problem> {
    let invalid = |detail: String| Problem::new(ProblemCode::InvalidIdempotencyKey).detail(detail);
    match sent {
        KeyHeader::Missing if required => Err(ProblemCode::IdempotencyKeyRequired.into()),
        KeyHeader::Missing => Ok(None),
        KeyHeader::Repeated => Err(invalid("Idempotency-Key must be given once.".to_owned())),
        KeyHeader::NoText => Err(invalid(
            "Idempotency-Key must hold only visible ASCII characters.".to_owned(),
        )),
        KeyHeader::Once(text) => IdempotencyKey::parse(text)
            .map(Some)
            .map_err(|error| invalid(format!("{error}."))),
    }
}
