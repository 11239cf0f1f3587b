//! Votes and answers without a server.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use vote_domain::{Eligibility, Poll, Receipt, ReceiptKey, Refusal, WriterId};
use vote_http::problem::ProblemGroup as _;
use vote_http::{IDEMPOTENCY_KEY, Problem, ProblemCode, WriteHead};
use vote_store::{Acceptance, Outcome, Place, VoteToCast};
use vote_testkit::fixtures::{self, demo_poll};

use super::answer::{VoteStatus, vote_accepted};
use super::{Checks, Received, VoteProblems, answer, read_vote};

/// Those that a server meets: their tests are in `tests/it`.
const OF_THE_SERVER: [ProblemCode; 11] = [
    ProblemCode::VoterTokenRequired,
    ProblemCode::InvalidVoterToken,
    ProblemCode::VoterKeysUnavailable,
    ProblemCode::MalformedPollId,
    ProblemCode::UnknownPoll,
    ProblemCode::StoreUnavailable,
    ProblemCode::RequestTimeout,
    ProblemCode::BodyTooLarge,
    ProblemCode::InvalidQuery,
    ProblemCode::UnsupportedContentEncoding,
    ProblemCode::RateLimited,
];

/// Those of channels that ask for a proof of work: their tests are in `tests/it/proofs.rs`.
const OF_PROOFS: [ProblemCode; 5] = [
    ProblemCode::ProofRequired,
    ProblemCode::ProofInvalid,
    ProblemCode::ProofMismatch,
    ProblemCode::ProofExpired,
    ProblemCode::ProofUsed,
];

const KEY_REQUIRED: Checks<'static> = Checks {
    key_required: true,
    ..Checks::OPEN
};

/// So many seconds after the opening.
fn at(seconds: i64) -> Timestamp {
    fixtures::at("2026-11-24T00:00:00Z") + SignedDuration::from_secs(seconds)
}

/// A poll that is open for an hour.
fn poll() -> Poll {
    demo_poll().between(at(0), at(3_600)).open()
}

/// A poll that asks for a proof.
fn proved() -> Poll {
    demo_poll()
        .between(at(0), at(3_600))
        .channels(&[
            ("prova", 1, Eligibility::ProofOfWork),
            ("torcida", 1, Eligibility::Open),
        ])
        .open()
}

/// A poll for gateways.
fn of_gateways() -> Poll {
    demo_poll()
        .between(at(0), at(3_600))
        .channels(&[("sms", 1, Eligibility::Gateway)])
        .open()
}

/// A vote without a key through the first channel.
fn received(candidate: u8, received_at: Timestamp) -> Received {
    let vote = VoteToCast {
        channel: 0,
        candidate,
        received_at_ms: received_at.as_millisecond(),
        key: None,
        voter: None,
        is_withdrawn: false,
        quarantine: None,
        span: None,
    };
    Received::of(&vote, false, received_at)
}

fn headers(content_types: &[&str], keys: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in [(CONTENT_TYPE, content_types), (IDEMPOTENCY_KEY, keys)] {
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header");
            headers.append(name.clone(), value);
        }
    }
    headers
}

fn read(body: &str, keys: &[&str]) -> Result<VoteToCast, Problem> {
    let headers = headers(&["application/json"], keys);
    read_vote(
        &WriteHead::from(&headers),
        body.as_bytes(),
        &poll(),
        at(1),
        Checks::OPEN,
    )
    .map(|read| read.vote)
}

fn code<T>(result: Result<T, Problem>) -> Option<ProblemCode> {
    result.err().map(|problem| problem.code())
}

#[test]
fn a_content_type_is_judged_by_its_first_part_alone() {
    let body = br#"{"candidate":"ana"}"#;
    let cases: &[(&[&str], bool)] = &[
        (&["application/json"], true),
        (&["Application/JSON"], true),
        (&["application/json; charset=utf-8"], true),
        (&["application/json;charset=\"utf-8\""], true),
        (&["application/json ; charset=latin1"], true),
        (&[" application/json\t"], true),
        (&["application/json;"], true),
        (&["application/json; charset"], true),
        (&["application/json;;=,/"], true),
        (&["application/json", "text/plain"], true),
        (&["text/plain", "application/json"], false),
        (&[], false),
        (&[""], false),
        (&[";"], false),
        (&["application"], false),
        (&["application/"], false),
        (&["application/jsonx"], false),
        (&["application/json5; charset=utf-8"], false),
        (&["application/problem+json"], false),
        (&["application / json"], false),
        (&["application/json, text/plain"], false),
        (&["text/plain; application/json"], false),
        (&["application/json; charset=é"], false),
        (&["*/*"], false),
    ];
    for (content_types, is_taken) in cases {
        let headers = headers(content_types, &[]);
        let refused = code(read_vote(
            &WriteHead::from(&headers),
            body,
            &poll(),
            at(1),
            Checks::OPEN,
        ));
        let expected = (!is_taken).then_some(ProblemCode::UnsupportedMediaType);
        assert_eq!(refused, expected, "{content_types:?}");
    }
}

#[test]
fn a_vote_is_read_by_the_polls_indexes() {
    let vote = read(r#"{"candidate":"bia","direction":"eliminate"}"#, &[]).expect("a vote");
    assert_eq!((vote.channel, vote.candidate), (0, 1));
    assert_eq!(vote.received_at_ms, at(1).as_millisecond());
    assert!(vote.key.is_none() && vote.voter.is_none() && vote.span.is_none());
    let keyed = read(r#"{"candidate":"ana","channel":"torcida"}"#, &["k"]).expect("a vote");
    let quoted = read(r#"{"candidate":"ana"}"#, &["\"k\""]).expect("a vote");
    assert!(keyed.key.is_some());
    assert_eq!(keyed.key, quoted.key);
}

/// Requests that are no vote for the poll, and why.
fn unread() -> Vec<(Result<VoteToCast, Problem>, ProblemCode)> {
    let ana = r#"{"candidate":"ana"}"#;
    let json = headers(&["application/json"], &[]);
    vec![
        (
            read_vote(
                &WriteHead::from(&HeaderMap::new()),
                b"",
                &poll(),
                at(1),
                KEY_REQUIRED,
            )
            .map(|read| read.vote),
            ProblemCode::UnsupportedMediaType,
        ),
        (
            read_vote(&WriteHead::from(&json), b"", &poll(), at(1), KEY_REQUIRED)
                .map(|read| read.vote),
            ProblemCode::IdempotencyKeyRequired,
        ),
        (read("", &["two words"]), ProblemCode::InvalidIdempotencyKey),
        (read(ana, &["a", "b"]), ProblemCode::InvalidIdempotencyKey),
        (read(ana, &["chave-é"]), ProblemCode::InvalidIdempotencyKey),
        (read("[]", &[]), ProblemCode::MalformedBody),
        (
            read(r#"{"candidate":"ana","direction":"up"}"#, &[]),
            ProblemCode::MalformedBody,
        ),
        (
            read(r#"{"candidate":"zoe","channel":"x"}"#, &[]),
            ProblemCode::UnknownCandidate,
        ),
        (
            read(r#"{"candidate":"ana","channel":"x"}"#, &[]),
            ProblemCode::UnknownChannel,
        ),
        (
            read(
                r#"{"candidate":"ana","channel":"unico","direction":"save"}"#,
                &[],
            ),
            ProblemCode::DirectionMismatch,
        ),
        (
            read_vote(
                &WriteHead::from(&json),
                br#"{"candidate":"ana"}"#,
                &proved(),
                at(1),
                Checks::OPEN,
            )
            .map(|read| read.vote),
            ProblemCode::EligibilityNotAvailable,
        ),
        (
            read_vote(
                &WriteHead::from(&json),
                br#"{"candidate":"ana"}"#,
                &of_gateways(),
                at(1),
                Checks::OPEN,
            )
            .map(|read| read.vote),
            ProblemCode::GatewayRequired,
        ),
    ]
}

/// Outcomes of votes that were not recorded, and what they are answered.
const UNRECORDED: [(Outcome, ProblemCode); 11] = [
    (Outcome::Mismatch, ProblemCode::IdempotencyKeyReused),
    (Outcome::LimitReached, ProblemCode::VoteLimitReached),
    (
        Outcome::Refused(Refusal::NotOpenYet),
        ProblemCode::PollNotOpen,
    ),
    (Outcome::Refused(Refusal::Paused), ProblemCode::PollPaused),
    (Outcome::Refused(Refusal::Closed), ProblemCode::PollClosed),
    (Outcome::Refused(Refusal::Sealed), ProblemCode::PollClosed),
    (Outcome::Refused(Refusal::Void), ProblemCode::PollVoid),
    (
        Outcome::Refused(Refusal::Withdrawn),
        ProblemCode::CandidateWithdrawn,
    ),
    (Outcome::QueueFull, ProblemCode::Overloaded),
    (Outcome::NotRecorded, ProblemCode::NotRecorded),
    (Outcome::Unknown, ProblemCode::OutcomeUnknown),
];

#[test]
fn the_first_rule_that_a_request_breaks_is_named() {
    for (result, expected) in unread() {
        let refused = code(result);
        assert_eq!(refused, Some(expected));
    }
}

#[test]
fn a_vote_that_was_not_recorded_is_a_problem() {
    let key = ReceiptKey::from_bytes([7; 32]);
    for (outcome, expected) in UNRECORDED {
        let refused = code(answer(&poll(), received(0, at(1)), &outcome, &key));
        assert_eq!(refused, Some(expected), "{outcome:?}");
    }
}

#[test]
fn the_document_names_each_problem_that_a_vote_can_meet_and_no_other() {
    let unread = unread();
    let met: BTreeSet<&str> = unread
        .iter()
        .map(|(_, code)| *code)
        .chain(UNRECORDED.map(|(_, code)| code))
        .chain(OF_THE_SERVER)
        .chain(OF_PROOFS)
        .map(ProblemCode::as_str)
        .collect();
    let named = VoteProblems::CODES;
    assert_eq!(named.len(), met.len(), "one is named twice, or missing");
    assert_eq!(
        named
            .iter()
            .map(|code| code.as_str())
            .collect::<BTreeSet<_>>(),
        met
    );
}

#[test]
fn a_closing_time_is_told_only_once_it_has_come() {
    let key = ReceiptKey::from_bytes([7; 32]);
    let closed = Outcome::Refused(Refusal::Closed);
    for (received_at, is_told) in [(at(1), false), (at(3_600), true), (at(3_601), true)] {
        let problem =
            answer(&poll(), received(0, received_at), &closed, &key).expect_err("refused");
        let body = String::from_utf8_lossy(&problem.body()).into_owned();
        assert_eq!(body.contains("\"closed_at\":"), is_told, "{body}");
    }
}

#[test]
fn a_recorded_vote_is_answered_with_its_receipt() {
    let (poll, key) = (poll(), ReceiptKey::from_bytes([7; 32]));
    let place = Place {
        writer: WriterId::from_bytes([1; 8]),
        shard: 2,
        sequence: 3,
        place: 4,
    };
    let outcome = Outcome::Accepted(Acceptance { place, batch: None });
    let accepted = vote_accepted(&poll, received(1, at(1)), &outcome, &key).expect("recorded");
    let receipt = Receipt::verify(accepted.receipt.as_deref().expect("a receipt"), &key);
    let receipt = receipt.expect("genuine");
    assert_eq!((receipt.shard, receipt.sequence, receipt.place), (2, 3, 4));
    assert_eq!((accepted.candidate, accepted.channel), ("bia", "torcida"));
    assert!(accepted.accepted_at.is_some());

    let response = answer(&poll, received(1, at(1)), &outcome, &key).expect("recorded");
    assert_eq!(response.status, StatusCode::CREATED);
}

#[test]
fn a_repeat_is_answered_with_the_receipt_of_the_batch_that_found_it() {
    let (poll, key) = (poll(), ReceiptKey::from_bytes([7; 32]));
    let place = Place {
        writer: WriterId::from_bytes([2; 8]),
        shard: 5,
        sequence: 6,
        place: 7,
    };
    let outcome = Outcome::Duplicate(Some(Acceptance { place, batch: None }));
    let response = answer(&poll, received(1, at(9)), &outcome, &key).expect("recorded");
    assert_eq!(response.status, StatusCode::OK);
    let repeat = vote_accepted(&poll, received(1, at(9)), &outcome, &key).expect("recorded");
    let receipt = Receipt::verify(repeat.receipt.as_deref().expect("a receipt"), &key);
    let expected = Receipt {
        poll: poll.definition.id().clone(),
        writer: place.writer,
        shard: 5,
        sequence: 6,
        place: 7,
        is_repeat: true,
        // When the vote itself came is not known any more; by then it was recorded.
        at: at(9),
    };
    assert_eq!(receipt, Ok(expected));
    assert!(repeat.accepted_at.is_none());

    // No batch of a poll that is over for good is in its ledger.
    let unproved = vote_accepted(&poll, received(1, at(9)), &Outcome::Duplicate(None), &key);
    let unproved = unproved.expect("recorded");
    assert_eq!(unproved.status, VoteStatus::AlreadyAccepted);
    assert!(unproved.receipt.is_none() && unproved.accepted_at.is_none());
}

#[test]
fn a_vote_with_a_key_is_not_told_that_it_was_not_recorded_where_nobody_knows() {
    let (poll, key) = (poll(), ReceiptKey::from_bytes([7; 32]));
    let vote = read(r#"{"candidate":"ana"}"#, &["k"]).expect("a vote");
    for (refusal, code) in [
        (Refusal::Sealed, ProblemCode::PollClosed),
        (Refusal::Void, ProblemCode::PollVoid),
    ] {
        let said = |received| {
            let problem = answer(&poll, received, &Outcome::Refused(refusal), &key);
            let problem = problem.expect_err("refused");
            assert_eq!(problem.code(), code);
            String::from_utf8_lossy(&problem.body()).into_owned()
        };
        let keyed = said(Received::of(&vote, true, at(3_601)));
        assert!(!keyed.contains("the vote was not recorded"), "{keyed}");
        assert!(
            keyed.contains("an earlier one with this Idempotency-Key"),
            "{keyed}"
        );
        let plain = said(received(0, at(3_601)));
        assert!(plain.contains("the vote was not recorded"), "{plain}");
    }
}
