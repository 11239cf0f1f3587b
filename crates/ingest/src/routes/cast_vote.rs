//! `POST /v1/polls/{poll}/votes`: one vote.

use std::borrow::Cow;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue},
    post,
    web::{Data, Path},
};
use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use serde::{Deserialize, Deserializer, Serialize};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use utoipa::ToSchema;
use vote_domain::{
    Clock, Direction, Eligibility, IdempotencyKey, KeyDigest, Poll, PollId, PollState, Receipt,
    ReceiptKey, Refusal, UnknownName, admit, wire_time,
};
use vote_http::problem::echo;
use vote_http::{IDEMPOTENCY_KEY, Problem, ProblemCode, ProblemDocument, TimelyBody};
use vote_runtime::Settings;
use vote_store::{OpenPoll, Outcome, VoteToCast, VoteWriter};

/// A vote.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "candidate": "ana", "channel": "torcida", "direction": "eliminate" }))]
pub struct CastVote<'a> {
    /// The candidate's id.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    pub candidate: Cow<'a, str>,
    /// The channel's id; the poll's first channel where it is left out.
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    pub channel: Option<Cow<'a, str>>,
    /// What the client shows that a vote means. A vote that names the other direction than the
    /// poll's is refused.
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(value_type = Direction, required = false)]
    pub direction: Option<Cow<'a, str>>,
    /// The proof of work that some channels ask for; open channels don't look at it.
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(value_type = String, required = false)]
    pub proof: Option<Cow<'a, str>>,
}

/// A field that may be left out, but not be null: null is more often a client's fault than a wish.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// How a vote ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoteStatus {
    /// It is recorded, now.
    Accepted,
    /// It had been recorded before, under the same Idempotency-Key; it counts once.
    AlreadyAccepted,
}

/// The answer to a vote that is recorded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "status": "accepted", "poll": "paredao-01", "candidate": "ana", "channel": "torcida",
    "direction": "eliminate", "accepted_at": "2026-11-24T01:02:03.250Z",
    "receipt": "v1.AAECAwQFBgcAAAAAAAAAAAABAAAAAAAAAZqzr1Uy.AAECAwQFBgcICQoLDA0ODw"
}))]
pub struct VoteAccepted<'a> {
    /// Whether it was recorded now or before.
    pub status: VoteStatus,
    /// The poll's id.
    pub poll: &'a str,
    /// The candidate's id.
    pub candidate: &'a str,
    /// The channel's id.
    pub channel: &'a str,
    /// What the vote means.
    #[schema(value_type = Direction)]
    pub direction: Direction,
    /// When the vote was received. A repeat has none: the first answer had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, required = false)]
    pub accepted_at: Option<String>,
    /// Proves later that the vote is in the tally, without saying whose it is or for whom. A repeat
    /// has none: the first answer had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub receipt: Option<String>,
}

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
    let open = find(&writer, &poll)?;
    let Some(receipt_key) = writer.receipt_key() else {
        return Err(ProblemCode::StoreUnavailable.into());
    };
    let required = settings.commit.idempotency_key_required;
    let mut vote = read_vote(request.headers(), &body, open.poll(), received_at, required)?;
    let span = tracing::Span::current();
    vote.span = sampled(&span);

    let (channel, candidate) = (vote.channel, vote.candidate);
    let outcome = match admit(open.poll().phase(received_at)) {
        Ok(()) => open.cast(vote).await,
        Err(refusal) => refuse(&open, vote, refusal).await,
    };
    if let Outcome::Accepted {
        batch: Some(batch), ..
    } = &outcome
    {
        span.add_link((**batch).clone());
    }
    answer(
        open.poll(),
        channel,
        candidate,
        received_at,
        &outcome,
        &receipt_key,
    )
}

/// The poll that the path names.
fn find(writer: &VoteWriter, id: &str) -> Result<std::sync::Arc<OpenPoll>, Problem> {
    let found = writer.find(id);
    if let Ok(Some(open)) = found {
        return Ok(open);
    }
    if let Err(error) = PollId::parse(id) {
        return Err(Problem::new(ProblemCode::MalformedPollId).detail(error.to_string()));
    }
    if let Err(reason) = found {
        // Whether there is such a poll, or how it is, is not known: at a 404 a client drops its vote.
        return Err(Problem::new(ProblemCode::StoreUnavailable).because(reason));
    }
    Err(Problem::new(ProblemCode::UnknownPoll).detail(format!("There is no poll {}.", echo(id))))
}

/// Reads a vote for `poll` from a request: every rule that needs no store.
///
/// # Errors
/// A problem that names the field and the rule.
pub fn read_vote(
    headers: &HeaderMap,
    body: &[u8],
    poll: &Poll,
    received_at: Timestamp,
    key_required: bool,
) -> Result<VoteToCast, Problem> {
    if !is_json(headers) {
        return Err(ProblemCode::UnsupportedMediaType.into());
    }
    let key = idempotency_key(headers, key_required)?;
    let vote = parse(body)?;
    let definition = &poll.definition;
    let candidate = definition.candidate_index(&vote.candidate).ok_or_else(|| {
        Problem::new(ProblemCode::UnknownCandidate).detail(format!(
            "candidate: the poll has no candidate {}.",
            echo(&vote.candidate)
        ))
    })?;
    let channel = match &vote.channel {
        None => 0,
        Some(id) => definition.channel_index(id).ok_or_else(|| {
            Problem::new(ProblemCode::UnknownChannel)
                .detail(format!("channel: the poll has no channel {}.", echo(id)))
        })?,
    };
    if let Some(direction) = &vote.direction {
        check_direction(direction, definition.direction())?;
    }
    let eligibility = definition.channels()[channel].eligibility;
    if eligibility != Eligibility::Open {
        return Err(Problem::new(ProblemCode::EligibilityNotAvailable)
            .detail(format!(
                "channel: {} asks for {eligibility}, which this service can't check yet; the vote was not recorded.",
                definition.channels()[channel].id
            ))
            .member("eligibility", eligibility.as_str()));
    }
    // A definition has at most 64 candidates and 8 channels.
    let index = |index: usize| u8::try_from(index).map_err(Problem::internal);
    Ok(VoteToCast {
        channel: index(channel)?,
        candidate: index(candidate)?,
        received_at_ms: received_at.as_millisecond(),
        key: key.map(|key| KeyDigest::new(definition.id(), &key)),
        voter: None,
        span: None,
    })
}

/// A client that names the direction has shown it to its user: it must be the poll's.
fn check_direction(named: &str, of_poll: Direction) -> Result<(), Problem> {
    let named: Direction = named.parse().map_err(|error: UnknownName| {
        Problem::new(ProblemCode::MalformedBody).detail(format!("direction: {error}."))
    })?;
    if named == of_poll {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::DirectionMismatch)
        .detail(format!(
            "direction: the vote says {named}, but in this poll a vote means to {of_poll}; \
             it was not recorded."
        ))
        .member("direction", of_poll.as_str()))
}

fn parse(body: &[u8]) -> Result<CastVote<'_>, Problem> {
    let malformed = |detail: String| Problem::new(ProblemCode::MalformedBody).detail(detail);
    // Serde takes an array for a struct as well, its elements for the fields.
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|byte| *byte != b'{') {
        return Err(malformed("The body must be a JSON object.".to_owned()));
    }
    serde_json::from_slice(body)
        .map_err(|error| malformed(format!("The body can't be read: {error}.")))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn idempotency_key(headers: &HeaderMap, required: bool) -> Result<Option<IdempotencyKey>, Problem> {
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

/// A vote that the poll does not take now, as far as this process knows. One that is late is Redis'
/// to judge and to count: its fence knows of an extension first. One with a key may be the repeat of
/// a vote that was recorded, and only Redis knows that.
async fn refuse(open: &OpenPoll, vote: VoteToCast, refusal: Refusal) -> Outcome {
    match refusal {
        Refusal::Closed => open.cast(vote).await,
        Refusal::Paused if vote.key.is_some() => open.cast(vote).await,
        Refusal::Paused | Refusal::NotOpenYet | Refusal::Sealed | Refusal::Void => {
            open.count_refused(vote.channel, vote.candidate);
            Outcome::Refused(refusal)
        }
    }
}

fn sampled(span: &tracing::Span) -> Option<Box<SpanContext>> {
    if span.is_none() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    context.is_sampled().then(|| Box::new(context.clone()))
}

/// The answer to a vote that ended with `outcome`.
///
/// # Errors
/// The problem of every outcome but a recorded vote.
pub fn answer(
    poll: &Poll,
    channel: u8,
    candidate: u8,
    received_at: Timestamp,
    outcome: &Outcome,
    receipt_key: &ReceiptKey,
) -> Result<HttpResponse, Problem> {
    let definition = &poll.definition;
    let (status, receipt) = match outcome {
        Outcome::Accepted { place, .. } => {
            let receipt = Receipt {
                poll: definition.id().clone(),
                writer: place.writer,
                shard: place.shard,
                sequence: place.sequence,
                place: place.place,
                at: received_at,
            };
            (VoteStatus::Accepted, Some(receipt.sign(receipt_key)))
        }
        Outcome::Duplicate => (VoteStatus::AlreadyAccepted, None),
        Outcome::Mismatch => return Err(ProblemCode::IdempotencyKeyReused.into()),
        Outcome::LimitReached => return Err(ProblemCode::VoteLimitReached.into()),
        Outcome::Refused(refusal) => return Err(refused(poll, *refusal, received_at)),
        Outcome::QueueFull => return Err(ProblemCode::Overloaded.into()),
        Outcome::NotRecorded => return Err(ProblemCode::NotRecorded.into()),
        Outcome::Unknown => return Err(ProblemCode::OutcomeUnknown.into()),
    };
    let body = VoteAccepted {
        status,
        poll: definition.id().as_str(),
        candidate: definition.candidates()[usize::from(candidate)].id.as_str(),
        channel: definition.channels()[usize::from(channel)].id.as_str(),
        direction: definition.direction(),
        accepted_at: receipt.is_some().then(|| wire_time::format(received_at)),
        receipt,
    };
    let mut response = match status {
        VoteStatus::Accepted => HttpResponse::Created(),
        VoteStatus::AlreadyAccepted => HttpResponse::Ok(),
    };
    let json = serde_json::to_vec(&body).map_err(Problem::internal)?;
    Ok(response
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .body(json))
}

fn refused(poll: &Poll, refusal: Refusal, received_at: Timestamp) -> Problem {
    match refusal {
        Refusal::NotOpenYet if poll.state == PollState::Draft => ProblemCode::PollNotOpen.into(),
        Refusal::NotOpenYet => {
            let opens_at = wire_time::format(poll.definition.opens_at());
            Problem::new(ProblemCode::PollNotOpen)
                .detail(format!(
                    "The poll opens at {opens_at}; the vote was not recorded."
                ))
                .member("opens_at", opens_at)
        }
        Refusal::Paused => ProblemCode::PollPaused.into(),
        // The shards know of an early closing before this process does; the time that it knows then
        // is still to come, and wrong.
        Refusal::Closed | Refusal::Sealed if poll.closes_at > received_at => {
            ProblemCode::PollClosed.into()
        }
        Refusal::Closed | Refusal::Sealed => {
            let closed_at = wire_time::format(poll.closes_at);
            Problem::new(ProblemCode::PollClosed)
                .detail(format!(
                    "The poll closed at {closed_at}; the vote was not recorded."
                ))
                .member("closed_at", closed_at)
        }
        Refusal::Void => ProblemCode::PollVoid.into(),
    }
}
