//! The `Idempotency-Key` of a request.

use vote_domain::IdempotencyKey;
use vote_http::{Problem, ProblemCode, SentHeader};

/// The key, if there is one, and it is a key.
pub(crate) fn idempotency_key<'v>(
    sent: SentHeader<'v>,
    required: bool,
) -> Result<Option<IdempotencyKey<'v>>, Problem> {
    let invalid = |detail: String| Problem::new(ProblemCode::InvalidIdempotencyKey).detail(detail);
    match sent {
        SentHeader::Missing if required => Err(ProblemCode::IdempotencyKeyRequired.into()),
        SentHeader::Missing => Ok(None),
        SentHeader::Repeated => Err(invalid("Idempotency-Key must be given once.".to_owned())),
        SentHeader::NoText => Err(invalid(
            "Idempotency-Key must hold only visible ASCII characters.".to_owned(),
        )),
        SentHeader::Once(text) => IdempotencyKey::parse(text)
            .map(Some)
            .map_err(|error| invalid(format!("{error}."))),
    }
}
