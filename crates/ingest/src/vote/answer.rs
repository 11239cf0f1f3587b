//! How a vote ended, for its client.

use actix_web::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use vote_domain::{Direction, Poll, Receipt, ReceiptKey, Refusal, wire_time};
use vote_http::{Problem, ProblemCode, Written};
use vote_store::{Acceptance, Outcome, Place, VoteToCast};

use super::eligibility;

/// Bytes that nearly every answer has room in: it is made at each vote, and never grows then.
const ROOM: usize = 384;

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
    #[serde(skip_serializing_if = "Option::is_none", with = "wire_time::optional")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    pub(crate) accepted_at: Option<Timestamp>,
    /// Proves later that the vote is in the tally, without saying whose it is or for whom. That of a repeat
    /// is another text and proves the same; its time is the repeat's, by which the vote was recorded. Only a
    /// repeat to a poll that is void or sealed has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub(crate) receipt: Option<String>,
}

/// What is to be told of a vote once it is cast.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    channel: u8,
    candidate: u8,
    known_by: KnownBy,
    received_at: Timestamp,
}

/// What a repeat of a vote is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KnownBy {
    Nothing,
    Key,
    Proof,
}

impl Received {
    /// Of a vote that was received then, with an Idempotency-Key or without.
    #[must_use]
    pub const fn of(vote: &VoteToCast, has_key: bool, received_at: Timestamp) -> Self {
        Self {
            channel: vote.channel,
            candidate: vote.candidate,
            known_by: match (vote.key.is_some(), has_key) {
                (false, _) => KnownBy::Nothing,
                (true, true) => KnownBy::Key,
                (true, false) => KnownBy::Proof,
            },
            received_at,
        }
    }
}

/// The answer to a vote that ended with `outcome`.
///
/// # Errors
/// The problem of every outcome but a recorded vote.
pub fn answer(
    poll: &Poll,
    received: Received,
    outcome: &Outcome,
    receipt_key: &ReceiptKey,
) -> Result<Written, Problem> {
    let accepted = vote_accepted(poll, received, outcome, receipt_key)?;
    let mut body = Vec::with_capacity(ROOM);
    serde_json::to_writer(&mut body, &accepted).map_err(Problem::internal)?;
    let status = match accepted.status {
        VoteStatus::Accepted => StatusCode::CREATED,
        VoteStatus::AlreadyAccepted => StatusCode::OK,
    };
    Ok(Written { status, body })
}

/// What the client is told: that its vote is recorded, or a problem.
pub(crate) fn vote_accepted<'a>(
    poll: &'a Poll,
    received: Received,
    outcome: &Outcome,
    receipt_key: &ReceiptKey,
) -> Result<VoteAccepted<'a>, Problem> {
    let definition = &poll.definition;
    let (status, acceptance) = match outcome {
        Outcome::Accepted(acceptance) => (VoteStatus::Accepted, Some(acceptance)),
        Outcome::Duplicate(acceptance) => (VoteStatus::AlreadyAccepted, acceptance.as_ref()),
        Outcome::Mismatch if received.known_by == KnownBy::Proof => {
            let channel = &definition.channels()[usize::from(received.channel)];
            return Err(eligibility::used(definition.id(), channel));
        }
        Outcome::Mismatch => return Err(ProblemCode::IdempotencyKeyReused.into()),
        Outcome::LimitReached => return Err(ProblemCode::VoteLimitReached.into()),
        Outcome::Refused(Refusal::Withdrawn) => return Err(withdrawn(poll, received.candidate)),
        Outcome::Refused(refusal) => return Err(refused(poll, *refusal, received)),
        Outcome::QueueFull => return Err(ProblemCode::Overloaded.into()),
        Outcome::NotRecorded => return Err(ProblemCode::NotRecorded.into()),
        Outcome::Unknown => return Err(ProblemCode::OutcomeUnknown.into()),
    };
    let is_repeat = status == VoteStatus::AlreadyAccepted;
    let receipt = |place: &Place| Receipt {
        poll: definition.id().clone(),
        writer: place.writer,
        shard: place.shard,
        sequence: place.sequence,
        place: place.place,
        is_repeat,
        at: received.received_at,
    };
    Ok(VoteAccepted {
        status,
        poll: definition.id().as_str(),
        candidate: definition.candidates()[usize::from(received.candidate)]
            .id
            .as_str(),
        channel: definition.channels()[usize::from(received.channel)]
            .id
            .as_str(),
        direction: definition.direction(),
        accepted_at: (!is_repeat).then_some(received.received_at),
        receipt: acceptance.map(|Acceptance { place, .. }| receipt(place).sign(receipt_key)),
    })
}

/// The problem of a vote that the poll did not take.
fn refused(poll: &Poll, refusal: Refusal, received: Received) -> Problem {
    match refusal {
        // Its lanes are gone, and with them whoever could look up a repeat's key.
        Refusal::Sealed | Refusal::Void if received.known_by != KnownBy::Nothing => {
            over_for_good(poll, refusal, received.known_by)
        }
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
        Refusal::Closed | Refusal::Sealed if poll.closes_at > received.received_at => {
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

/// The problem of a vote with a key, or a proof for one, that comes when nothing is recorded any more. An earlier attempt may have been.
fn over_for_good(poll: &Poll, refusal: Refusal, known_by: KnownBy) -> Problem {
    let with = if known_by == KnownBy::Proof {
        "proof"
    } else {
        "Idempotency-Key"
    };
    let (problem, why) = match refusal {
        Refusal::Void => (Problem::new(ProblemCode::PollVoid), "was declared void"),
        _ => {
            let closed_at = wire_time::format(poll.closes_at);
            let problem = Problem::new(ProblemCode::PollClosed).member("closed_at", closed_at);
            (problem, "has its final result")
        }
    };
    problem.detail(format!(
        "The poll {why}: this request recorded nothing. Whether an earlier one with this {with} did is not known \
         here any more; the receipt of that one says so."
    ))
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
