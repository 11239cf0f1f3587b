//! `GET /v1/receipts/{receipt}`

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;
use vote_domain::{
    Direction, Kind, PollId, PollState, Receipt, ReceiptError, ReceiptKey, Status, WriterId,
    wire_time,
};
use vote_http::{Problem, ProblemCode};
use vote_store::PollSnapshot;

use crate::api::Api;
use crate::documents::view::sealed;
use crate::pages::board::PollPages;
use crate::problems::ReceiptProblems;

/// What a genuine receipt proves.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ReceiptReport {
    /// Always true: a text that isn't a genuine receipt is answered with the problem `invalid-receipt`.
    #[schema(example = true)]
    genuine: bool,
    /// Whether the figures of `as_of` hold the vote's batch. Once true it stays so.
    #[schema(example = true)]
    in_tally: bool,
    /// In which poll the vote was recorded.
    poll: PollId,
    /// Whether the poll counts.
    kind: Kind,
    /// What the vote means.
    direction: Direction,
    /// The poll's state.
    state: PollState,
    /// How far the poll's figures can be relied on. `final`: the sealed result was looked at.
    status: Status,
    /// When those figures were read.
    #[schema(format = DateTime, example = "2026-11-24T01:02:03.250Z")]
    as_of: String,
    /// When the vote was accepted. Absent for the receipt of a repeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, required = false, example = "2026-11-24T01:02:02.987Z")]
    accepted_at: Option<String>,
    /// Only for the receipt of a repeat: when that was received. The vote had been accepted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, required = false, example = "2026-11-24T01:02:09.112Z")]
    repeated_at: Option<String>,
    /// In which shard.
    #[schema(example = 0)]
    shard: u16,
    /// By which process.
    #[schema(value_type = String, pattern = "^[0-9a-f]{16}$", example = "01a2b3c4d5e6f708")]
    writer: WriterId,
    /// In which of its batches.
    #[schema(example = 815)]
    sequence: u64,
    /// At which place in the batch, from 0.
    #[schema(example = 3)]
    place: u32,
}

impl ReceiptReport {
    /// # Errors
    /// `snapshot-unavailable`, while not all writers that have ended were read.
    fn new(receipt: Receipt, pages: &PollPages) -> Result<Self, Problem> {
        let in_tally = in_tally(&receipt, &pages.snapshot);
        let in_tally = in_tally.ok_or(ProblemCode::SnapshotUnavailable)?;
        let definition = &pages.snapshot.poll.definition;
        let at = wire_time::format(receipt.at);
        let (accepted_at, repeated_at) = match receipt.is_repeat {
            true => (None, Some(at)),
            false => (Some(at), None),
        };
        Ok(Self {
            genuine: true,
            in_tally,
            kind: definition.kind(),
            direction: definition.direction(),
            state: pages.view.state,
            status: pages.view.status,
            as_of: wire_time::format(pages.view.as_of),
            accepted_at,
            repeated_at,
            shard: receipt.shard,
            writer: receipt.writer,
            sequence: receipt.sequence,
            place: receipt.place,
            poll: receipt.poll,
        })
    }
}

/// Whether the ledger, the sealed one if there is one, has the receipt's batch; `None` where that is not known yet.
pub(crate) fn in_tally(receipt: &Receipt, snapshot: &PollSnapshot) -> Option<bool> {
    match sealed(snapshot) {
        Some(sealed) => {
            let last = sealed.last_sequence(receipt.shard, &receipt.writer);
            Some(last.is_some_and(|last| receipt.sequence <= last))
        }
        None => snapshot.has_batch(receipt.shard, &receipt.writer, receipt.sequence),
    }
}

/// Whether a receipt is genuine and its vote is in the tally
///
/// A receipt names the batch that a vote was recorded with. The batch is in the tally as soon as the
/// ledger has come as far, which it says about itself, and also after the poll has been sealed. The
/// receipt of a repeat names the batch in which the vote's key was found, and proves as much. A
/// receipt says nothing of the candidate or the voter, and neither does this answer.
#[utoipa::path(
    tag = "receipts",
    operation_id = "getReceipt",
    params(
        ("receipt" = String, Path, description = "The receipt, as it was answered to the vote.",
            min_length = 1, max_length = 300,
            example = "v1.AQIDBAUGBwgAAwAAAAAAAAMvAAASZwAAAaILEvvycGFyZWRhby0wMQ.JzeqgwfZ_Y9gcTArmWY6BA"),
    ),
    responses(
        (status = 200, description = "It is genuine; `in_tally` says the rest.", body = ReceiptReport, content_type = "application/json",
            headers(("Cache-Control" = String, description = "`private, no-store`.")),
            example = json!({
                "genuine": true, "in_tally": true, "poll": "paredao-01", "kind": "live",
                "direction": "eliminate", "state": "open", "status": "provisional",
                "as_of": "2026-11-24T01:02:03.250Z", "accepted_at": "2026-11-24T01:02:02.987Z",
                "shard": 0, "writer": "01a2b3c4d5e6f708", "sequence": 815, "place": 3
            })),
        ReceiptProblems,
    )
)]
#[get("/v1/receipts/{receipt}")]
pub(crate) async fn get_receipt(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let board = api.board.load()?;
    let text: String = request
        .match_info()
        .load()
        .map_err(|_not_text| Problem::new(ProblemCode::InvalidReceipt))?;
    let key = api.receipt_key.as_ref().or(board.receipt_key.as_deref());
    let receipt = verify(&text, key)?;
    let pages = board.poll(&receipt.poll)?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .json(ReceiptReport::new(receipt, pages)?))
}

/// Reads a receipt. Without a key its form alone can be judged.
///
/// # Errors
/// `invalid-receipt`; `snapshot-unavailable`, where the key is not known.
pub(crate) fn verify(text: &str, key: Option<&ReceiptKey>) -> Result<Receipt, Problem> {
    let verified = match key {
        Some(key) => Receipt::verify(text, key),
        None => {
            Receipt::verify(text, &ReceiptKey::from_bytes([0; 32])).and(Err(ReceiptError::Forged))
        }
    };
    verified.map_err(|error| {
        if key.is_none() && error == ReceiptError::Forged {
            return ProblemCode::SnapshotUnavailable.into();
        }
        Problem::new(ProblemCode::InvalidReceipt).detail(format!("The text is {error}."))
    })
}

#[cfg(test)]
mod tests {
    use vote_store::EndedWriters;

    use super::*;
    use crate::samples::{WRITER, opens_at, sealed_snapshot, snapshot};

    fn receipt(shard: u16, writer: WriterId, sequence: u64) -> Receipt {
        Receipt {
            poll: PollId::parse("paredao-01").expect("legal"),
            writer,
            shard,
            sequence,
            place: 0,
            is_repeat: false,
            at: opens_at(),
        }
    }

    #[test]
    fn a_batch_is_in_the_tally_once_the_ledger_has_come_as_far() {
        let running = snapshot(&[(0, 0, 5)]);
        let sealed = sealed_snapshot(&[(0, 0, 5)]);
        let other = WriterId::from_bytes([8; 8]);
        for (receipt, is_in) in [
            (receipt(0, WRITER, 1), true),
            (receipt(0, WRITER, 3), true),
            (receipt(0, WRITER, 4), false),
            (receipt(0, WRITER, u64::MAX), false),
            (receipt(1, WRITER, 1), false),
            (receipt(u16::MAX, WRITER, 1), false),
            (receipt(0, other, 1), false),
        ] {
            let wanted = Some(is_in);
            assert_eq!(in_tally(&receipt, &running), wanted, "{receipt:?}");
            assert_eq!(in_tally(&receipt, &sealed), wanted, "sealed: {receipt:?}");
        }
    }

    #[test]
    fn a_writer_that_has_ended_proves_its_receipts_and_one_that_is_not_known_yet_is_not_denied() {
        let (ended, other) = (WriterId::from_bytes([8; 8]), WriterId::from_bytes([9; 8]));
        let mut running = snapshot(&[(0, 0, 5)]);
        for is_partial in [false, true] {
            running.ended = vec![EndedWriters::new(&[(ended, 2, 5)], is_partial)];
            let denied = (!is_partial).then_some(false);
            for (receipt, is_in) in [
                (receipt(0, WRITER, 3), Some(true)),
                (receipt(0, WRITER, 4), Some(false)),
                (receipt(0, ended, 2), Some(true)),
                (receipt(0, ended, 3), denied),
                (receipt(0, other, 1), denied),
                (receipt(1, ended, 1), Some(false)),
            ] {
                assert_eq!(in_tally(&receipt, &running), is_in, "{receipt:?}");
            }
        }
    }

    #[test]
    fn what_is_no_receipt_is_refused_with_or_without_a_key() {
        let key = ReceiptKey::from_bytes([42; 32]);
        let code = |text: &str, key| verify(text, key).expect_err(text).code();
        let long = "v1.".repeat(100_000);
        for text in ["", "x", "v1..", "v2.a.b", "v1.é.é", "../x", &long] {
            assert_eq!(code(text, Some(&key)), ProblemCode::InvalidReceipt);
            assert_eq!(code(text, None), ProblemCode::InvalidReceipt);
        }
        let forged = receipt(0, WRITER, 1).sign(&ReceiptKey::from_bytes([1; 32]));
        assert_eq!(code(&forged, Some(&key)), ProblemCode::InvalidReceipt);
        // Without a key nobody knows.
        assert_eq!(code(&forged, None), ProblemCode::SnapshotUnavailable);
        let zeroes = receipt(0, WRITER, 1).sign(&ReceiptKey::from_bytes([0; 32]));
        assert_eq!(code(&zeroes, None), ProblemCode::SnapshotUnavailable);
    }
}
