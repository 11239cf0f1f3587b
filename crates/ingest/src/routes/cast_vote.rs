//! `POST /v1/polls/{poll}/votes`: one vote.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, post};
use vote_domain::Clock;
use vote_http::{Problem, ProblemCode, ProblemDocument, TimelyBody};
use vote_runtime::Settings;
use vote_store::VoteWriter;

use crate::vote::{CastVote, VoteAccepted, answer, cast, find_poll, read_vote};

/// Cast a vote
///
/// A vote answered with `201` is recorded exactly once, whatever happens afterwards. Send a fresh
/// `Idempotency-Key` with each vote and repeat the request with the same key for as long as the
/// answer is `503`, `504` or none at all: `200` then says that the vote had been recorded before.
#[utoipa::path(
    operation_id = "castVote",
    tag = "votes",
    params(
        ("poll" = String, Path, description = "The poll's id", example = "paredao-01",
            pattern = "^[a-z0-9][a-z0-9_-]{0,63}$"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Makes repeats of this request count once \
                (draft-ietf-httpapi-idempotency-key-header): 1 to 255 visible ASCII characters, in \
                double quotes or bare, such as a fresh UUID for each vote",
            pattern = r#"^([!#-+\x2D-~]{1,255}|"([!#-\[\]-~]|\\["\\]){1,255}")$"#,
            example = "\"8e03978e-40d5-43e8-bc93-6894a57f9324\""),
    ),
    request_body(content = CastVote<'_>, content_type = "application/json"),
    responses(
        (status = 201, description = "Recorded", body = VoteAccepted<'_>),
        (status = 200, description = "Recorded before, under the same Idempotency-Key", body = VoteAccepted<'_>,
            example = json!({
                "status": "already_accepted", "poll": "paredao-01", "candidate": "ana",
                "channel": "torcida", "direction": "eliminate"
            })),
        (status = 400, description = "Malformed body, poll id or Idempotency-Key, or no key where one is required",
            body = ProblemDocument, content_type = "application/problem+json",
            example = json!({ "type": "/problems/malformed-body", "title": "Malformed body", "status": 400, "code": "malformed-body",
                "detail": "The body can't be read: missing field `candidate` at line 1 column 2." })),
        (status = 403, description = "The channel's eligibility can't be checked here, or the voter has no vote left",
            body = ProblemDocument, content_type = "application/problem+json",
            example = json!({ "type": "/problems/eligibility-not-available", "title": "Eligibility can't be checked", "status": 403, "code": "eligibility-not-available",
                "detail": "channel: unico asks for voter, which this service can't check yet; the vote was not recorded." })),
        (status = 404, description = "No such poll",
            body = ProblemDocument, content_type = "application/problem+json",
            example = json!({ "type": "/problems/unknown-poll", "title": "Unknown poll", "status": 404, "code": "unknown-poll",
                "detail": "There is no poll \"paredao-99\"." })),
        (status = 408, description = "The body did not arrive in time",
            body = ProblemDocument, content_type = "application/problem+json",
            example = json!({ "type": "/problems/request-timeout", "title": "Request timeout", "status": 408, "code": "request-timeout",
                "detail": "The body did not arrive within 5000 ms." })),
        (status = 409, description = "Not open yet, or paused",
            body = ProblemDocument, content_type = "application/problem+json",
            example = json!({ "type": "/problems/poll-paused", "title": "Poll paused", "status": 409, "code": "poll-paused",
                "detail": "The poll is paused; the vote was not recorded." })),
        (status = 410, description = "Closed, sealed or void",
            body = ProblemDocument, content_type = "application/problem+json",
            example = json!({ "type": "/problems/poll-closed", "title": "Poll closed", "status": 410, "code": "poll-closed",
                "detail": "The poll closed at 2026-11-26T02:00:00.000Z; the vote was not recorded." })),
        (status = 413, description = "Body too large",
            body = ProblemDocument, content_type = "application/problem+json",
            example = json!({ "type": "/problems/body-too-large", "title": "Body too large", "status": 413, "code": "body-too-large",
                "detail": "The body is larger than 16384 bytes." })),
        (status = 415, description = "The body is not application/json",
            body = ProblemDocument, content_type = "application/problem+json",
            example = json!({ "type": "/problems/unsupported-media-type", "title": "Unsupported media type", "status": 415, "code": "unsupported-media-type",
                "detail": "The operation takes a body of Content-Type application/json." })),
        (status = 422, description = "Unknown candidate or channel, the other direction, or a key used for another vote",
            body = ProblemDocument, content_type = "application/problem+json",
            example = json!({ "type": "/problems/unknown-candidate", "title": "Unknown candidate", "status": 422, "code": "unknown-candidate",
                "detail": "candidate: the poll has no candidate \"zoe\"." })),
        (status = 503, description = "Not recorded: overloaded, or the store is away. Try again after Retry-After",
            headers(("Retry-After" = u32, description = "Seconds")),
            body = ProblemDocument, content_type = "application/problem+json",
            example = json!({ "type": "/problems/not-recorded", "title": "Not recorded", "status": 503, "code": "not-recorded",
                "detail": "The vote could not be sent in time, and was withdrawn: it was not recorded. Try again." })),
        (status = 504, description = "Outcome unknown: retry with the same Idempotency-Key",
            headers(("Retry-After" = u32, description = "Seconds")),
            body = ProblemDocument, content_type = "application/problem+json",
            example = json!({ "type": "/problems/outcome-unknown", "title": "Outcome unknown", "status": 504, "code": "outcome-unknown",
                "detail": "The vote was sent, but not confirmed in time: it may have been recorded. Retry with the same Idempotency-Key." })),
    )
)]
#[post("/v1/polls/{poll}/votes")]
pub(crate) async fn cast_vote(
    request: HttpRequest,
    poll: Path<String>,
    TimelyBody(body): TimelyBody,
    writer: Data<VoteWriter>,
    settings: Data<Settings>,
    clock: Data<dyn Clock>,
) -> Result<HttpResponse, Problem> {
    let received_at = clock.now();
    let open = find_poll(&writer, &poll)?;
    let receipt_key = writer.receipt_key().ok_or(ProblemCode::StoreUnavailable)?;
    let key_required = settings.commit.idempotency_key_required;
    let vote = read_vote(
        request.headers(),
        &body,
        open.poll(),
        received_at,
        key_required,
    )?;
    let (channel, candidate) = (vote.channel, vote.candidate);
    let outcome = cast(&open, vote, received_at).await;
    answer(
        open.poll(),
        channel,
        candidate,
        received_at,
        &outcome,
        &receipt_key,
    )
}
