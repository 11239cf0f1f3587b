//! How a vote ended, for its client.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use vote_domain::{Direction, Poll, Receipt, ReceiptKey, Refusal, wire_time};
use vote_http::{Problem, ProblemCode};
use vote_store::{Acceptance, Outcome, Place};

/// How a vote ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VoteStatus {
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
pub(crate) struct VoteAccepted<'a> {
    /// Whether it was recorded now or before.
    pub(crate) status: VoteStatus,
    /// The poll's id.
    pub(crate) poll: &'a str,
    /// The candidate's id.
    pub(crate) candidate: &'a str,
    /// The channel's id.
    pub(crate) channel: &'a str,
    /// What the vote means.
    #[schema(value_type = Direction)]
    pub(crate) direction: Direction,
    /// When the vote was received. A repeat has none: the first answer had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, required = false)]
    pub(crate) accepted_at: Option<String>,
    /// Proves later that the vote is in the tally, without saying whose it is or for whom. That of a repeat
    /// is another text and proves the same; its time is the repeat's, by which the vote was recorded. Only a
    /// repeat to a poll that is void or sealed has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) receipt: Option<String>,
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
    let accepted = vote_accepted(poll, channel, candidate, received_at, outcome, receipt_key)?;
    let mut response = match accepted.status {
        VoteStatus::Accepted => HttpResponse::Created(),
        VoteStatus::AlreadyAccepted => HttpResponse::Ok(),
    };
    let json = serde_json::to_vec(&accepted).map_err(Problem::internal)?;
    Ok(response
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .body(json))
}

/// What the client is told: that its vote is recorded, or a problem.
pub(super) fn vote_accepted<'a>(
    poll: &'a Poll,
    channel: u8,
    candidate: u8,
    received_at: Timestamp,
    outcome: &Outcome,
    receipt_key: &ReceiptKey,
) -> Result<VoteAccepted<'a>, Problem> {
    let definition = &poll.definition;
    let (status, acceptance) = match outcome {
        Outcome::Accepted(acceptance) => (VoteStatus::Accepted, Some(acceptance)),
        Outcome::Duplicate(acceptance) => (VoteStatus::AlreadyAccepted, acceptance.as_ref()),
        Outcome::Mismatch => return Err(ProblemCode::IdempotencyKeyReused.into()),
        Outcome::LimitReached => return Err(ProblemCode::VoteLimitReached.into()),
        Outcome::Refused(Refusal::Withdrawn) => return Err(withdrawn(poll, candidate)),
        Outcome::Refused(refusal) => return Err(refused(poll, *refusal, received_at)),
        Outcome::QueueFull => return Err(ProblemCode::Overloaded.into()),
        Outcome::NotRecorded => return Err(ProblemCode::NotRecorded.into()),
        Outcome::Unknown => return Err(ProblemCode::OutcomeUnknown.into()),
    };
    Ok(VoteAccepted {
        status,
        poll: definition.id().as_str(),
        candidate: definition.candidates()[usize::from(candidate)].id.as_str(),
        channel: definition.channels()[usize::from(channel)].id.as_str(),
        direction: definition.direction(),
        accepted_at: (status == VoteStatus::Accepted).then(|| wire_time::format(received_at)),
        receipt: acceptance
            .map(|Acceptance { place, .. }| receipt(poll, place, received_at).sign(receipt_key)),
    })
}

fn receipt(poll: &Poll, place: &Place, received_at: Timestamp) -> Receipt {
    Receipt {
        poll: poll.definition.id().clone(),
        writer: place.writer,
        shard: place.shard,
        sequence: place.sequence,
        place: place.place,
        at: received_at,
    }
}

/// The problem of a vote that the poll did not take.
fn refused(poll: &Poll, refusal: Refusal, received_at: Timestamp) -> Problem {
    match refusal {
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
        Refusal::Withdrawn => ProblemCode::CandidateWithdrawn.into(),
    }
}

/// The problem of a vote whose candidate is out of the poll.
fn withdrawn(poll: &Poll, candidate: u8) -> Problem {
    let candidate = &poll.definition.candidates()[usize::from(candidate)].id;
    let problem =
        Problem::new(ProblemCode::CandidateWithdrawn).member("candidate", candidate.as_str());
    // Taken back meanwhile, it has no such time any more.
    let Some(at) = poll.withdrawn_at(candidate).map(wire_time::format) else {
        return problem;
    };
    problem
        .detail(format!(
            "candidate: {candidate} left the poll at {at}; the vote was not recorded."
        ))
        .member("withdrawn_at", at)
}
