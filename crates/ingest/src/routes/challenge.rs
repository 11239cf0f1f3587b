//! `GET /v1/polls/{poll}/challenge`: a challenge to solve for a proof of work.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;
use vote_domain::{KeyDigest, Poll, Refusal, admit};
use vote_http::{Problem, ProblemCode, WriteHead, query};

use crate::routes::cast_vote::Votes;
use crate::vote::{ChallengeProblems, channel_named, find_poll, idempotency_key, voter_of};

/// A signed challenge of the ALTCHA protocol, version 2. Send it back unchanged within the proof.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "parameters": {
        "algorithm": "PBKDF2/SHA-256", "cost": 5000,
        "data": { "asked": "1795482084042", "channel": "prova", "poll": "paredao-01" },
        "expiresAt": 1795482174, "keyLength": 32, "keyPrefix": "5f1d0c8e2ab94c7791f02d6e3b1a9c54",
        "keySignature": "8b1c2f0e6a7d4c5b9e8f0a1b2c3d4e5f60718293a4b5c6d7e8f9011223344556",
        "nonce": "0c6f1de24a9b37588e21d0f4b6a7935c", "salt": "b3a1907d5e2f4c68a1d0937e5f2b4c86"
    },
    "signature": "1f2e3d4c5b6a79880f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978"
}))]
pub(crate) struct Challenge {
    /// What is to be solved.
    parameters: ChallengeParameters,
    /// HMAC-SHA-256 over the parameters, in hexadecimal digits.
    signature: String,
}

/// Find the counter, from 64 to 511, whose derived key begins with `keyPrefix`: PBKDF2 of nonce and counter (four bytes,
/// big-endian) with the salt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChallengeParameters {
    /// Always `PBKDF2/SHA-256`.
    algorithm: String,
    /// Iterations for each try.
    cost: u32,
    /// What the challenge is for.
    data: ChallengeData,
    /// When the proof ends to be taken, in seconds since 1970.
    expires_at: i64,
    /// Length of the derived key in bytes, always 32.
    key_length: u32,
    /// What the derived key begins with, in hexadecimal digits.
    key_prefix: String,
    /// Signature of the derived key, in hexadecimal digits.
    key_signature: String,
    /// 16 random bytes, in hexadecimal digits. A vote without an Idempotency-Key is known by them.
    nonce: String,
    /// 16 random bytes, in hexadecimal digits.
    salt: String,
}

/// What a challenge is for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChallengeData {
    /// When it was asked for, in milliseconds since 1970. Not there where the service has no clock that all of its processes agree on.
    #[schema(required = false)]
    asked: Option<String>,
    /// The channel's id.
    channel: String,
    /// The digest of the Idempotency-Key that the challenge was asked for with.
    #[schema(required = false)]
    key: Option<String>,
    /// The poll's id.
    poll: String,
    /// Stands for the voter whose token the challenge was asked for with, where the channel asks who votes.
    #[schema(required = false)]
    voter: Option<String>,
}

/// Get a challenge
///
/// For channels that ask for a proof of work. Solve it, and send base64 of `{"challenge": …, "solution": …}` as the `proof` of a
/// vote, as the official ALTCHA widget does. A proof is for one poll and one channel, and for one vote:
///
/// - Sent with the `Idempotency-Key` of the vote, the challenge is for that key, and so is the proof. The same vote may be sent
///   again with a new proof for the same key, and counts once.
/// - A channel that asks who votes besides (`voter_and_proof_of_work`) asks for the voter's token here too. The proof is for votes of
///   that voter alone.
/// - Without a key, as the widget asks, the proof itself stands for the key, and the vote must have none. Sent again with the same
///   proof it counts once.
#[utoipa::path(
    operation_id = "getChallenge",
    tag = "votes",
    params(
        ("poll" = String, Path, description = "The poll's id", example = "paredao-01",
            pattern = "^[a-z0-9][a-z0-9_-]{0,63}$"),
        ("channel" = Option<String>, Query, description = "The channel's id; the poll's first channel where it is left out",
            example = "prova", pattern = "^[a-z0-9][a-z0-9_-]{0,63}$"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "The key that the vote will have: 1 to 255 visible ASCII characters, in double quotes or bare",
            pattern = r#"^([!#-+\x2D-~]{1,255}|"([!#-\[\]-~]|\\["\\]){1,255}")$"#,
            example = "\"8e03978e-40d5-43e8-bc93-6894a57f9324\""),
        ("Authorization" = Option<String>, Header,
            description = "`Bearer` and the voter token of the vote, for channels that ask who votes (`voter_and_proof_of_work`). \
                Other channels don't look at it"),
    ),
    responses(
        (status = 200, description = "A new challenge", body = Challenge),
        ChallengeProblems,
    )
)]
#[get("/v1/polls/{poll}/challenge")]
pub(crate) async fn challenge(
    request: HttpRequest,
    poll: Path<String>,
    votes: Data<Votes>,
) -> Result<HttpResponse, Problem> {
    let head = WriteHead::from(&request);
    // As for a vote: making one costs more than a vote does.
    votes.limits.admit(head.client)?;
    let open = find_poll(&votes.writer, &poll)?;
    let parameters = query::parameters(request.query_string(), &["channel"])?;
    let named = parameters.first().map(|(_, channel)| channel.as_ref());
    let key = idempotency_key(head.key, votes.key_required)?;
    let definition = &open.poll().definition;
    let channel = &definition.channels()[channel_named(named, definition)?];
    if !channel.eligibility.asks_for_proof() {
        return Err(ProblemCode::NoProofAsked.into());
    }
    let now = votes.now()?.at;
    check_is_not_over(open.poll(), now)?;
    let key = key.map(|key| KeyDigest::new(definition.id(), &key));
    let receipt_key = votes.writer.receipt_key();
    let receipt_key = receipt_key.ok_or(ProblemCode::StoreUnavailable)?;
    let (poll, proofs) = (definition.id(), &votes.proofs);
    let voter = if channel.eligibility.asks_for_voter() {
        let voter = voter_of(channel, head.authorization, votes.voters.as_deref()).await?;
        votes.limits.admit_voter(voter.subject())?;
        Some(proofs.mark(&receipt_key, poll, voter.subject()))
    } else {
        None
    };
    let made = proofs.challenge(&receipt_key, poll, channel, (key, voter), now);
    let body = made.await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .body(body))
}

/// A poll that is sealed or void needs no work any more. One that has not begun or is paused does, for pages are opened before;
/// and one that has closed, for a vote that was recorded may be repeated, after its proof has expired.
fn check_is_not_over(poll: &Poll, now: jiff::Timestamp) -> Result<(), Problem> {
    match admit(poll.phase(now)) {
        Err(Refusal::Void) => Err(ProblemCode::PollVoid.into()),
        Err(Refusal::Sealed) => Err(ProblemCode::PollClosed.into()),
        _ => Ok(()),
    }
}
