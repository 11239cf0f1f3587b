//! `POST /v1/polls/{poll}/votes/batch`: the votes of a gateway.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, post, rt};
use futures_util::stream;
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;
use vote_http::{Problem, ProblemCode, WriteHead, check_body};

use crate::batch::{Batch, MAX_BYTES, Taker, Ways};
use crate::gateways::Gateways;
use crate::routes::cast_vote::Votes;
use crate::vote::{BatchProblems, find_poll};

/// The media type of batches and of their answers.
const NDJSON: &str = "application/x-ndjson";

/// Tells nginx to pass answers on as they come.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Pieces of answers that wait for who reads them.
const PIECES: usize = 2;

/// For so long the answer waits for the end of the body: one that begins before it is the last of its connection.
const WHOLE_SOON: Duration = Duration::from_millis(250);

/// Lines of JSON as documents have them: bytes. OpenAPI 3.1 has no word for what each line is; programs that are made from the
/// document send them as they are, where a text would be written as one JSON string.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(
    dead_code,
    reason = "it is what documents say of a body that is read as it comes"
)]
struct Lines(Vec<u8>);

/// Cast the votes of a gateway
///
/// For gateways of short messages, of telephone calls, or of another region: a batch of up to 10,000 lines and 1 MiB, each line one
/// vote (`BatchLine`). The answer has a line for each of them, in their order, and may begin before the batch has ended: the `line`'s
/// number, from 1, its `key`, and what `castVote` answers such a vote with, be it recorded (`status` is `accepted` or
/// `already_accepted`) or a problem (with a `code`, and with `retry_after_s` where it may be sent again). A line that is wrong does
/// not harm the others; blank lines have no answer.
///
/// Send the same batch again for as long as an answer is missing, or says `429`, `503` or `504`: lines that were recorded are answered
/// `already_accepted`. Where not all of the body was read, the last line says so, with the number of the first line that was not.
#[utoipa::path(
    operation_id = "castBatch",
    tag = "gateways",
    params(
        ("poll" = String, Path, description = "The poll's id", example = "paredao-01",
            pattern = "^[a-z0-9][a-z0-9_-]{0,63}$"),
        ("Authorization" = Option<String>, Header, description = "`Bearer` and the gateway's token"),
    ),
    request_body(content = inline(Lines), content_type = "application/x-ndjson",
        description = "Votes, one a line: each a `BatchLine`",
        example = json!("{\"key\":\"4711\",\"channel\":\"sms\",\"candidate\":\"ana\",\"voter\":\"d8f0c6e2a94b1735\"}\n")),
    responses(
        (status = 200, description = "An answer a line: a `VoteAccepted` or a `Problem`, with `line` and `key`",
            body = inline(Lines), content_type = "application/x-ndjson",
            example = json!("{\"line\":1,\"key\":\"4711\",\"status\":\"accepted\",\"poll\":\"paredao-01\",\"candidate\":\"ana\",\"channel\":\"sms\",\"direction\":\"eliminate\",\"accepted_at\":\"2026-11-24T01:02:03.250Z\",\"receipt\":\"v1.AAECAwQFBgcAAAAAAAAAAAABAAAAAAAAAZqzr1Uy.AAECAwQFBgcICQoLDA0ODw\"}\n")),
        BatchProblems,
    )
)]
#[post("/v1/polls/{poll}/votes/batch")]
pub(crate) async fn cast_batch(
    request: HttpRequest,
    poll: Path<String>,
    body: Payload,
    votes: Data<Votes>,
    gateways: Data<Gateways>,
) -> Result<HttpResponse, Problem> {
    let head = WriteHead::from(&request);
    let gateway = match gateways.find(head.authorization) {
        Ok(gateway) => gateway,
        // Who tries tokens is held to the limits of addresses, as who votes is. Gateways have a limit of their own.
        Err(unauthorized) => {
            votes.limits.admit(head.client)?;
            return Err(unauthorized);
        }
    };
    check_content_type(head.content_type)?;
    check_body(request.headers(), MAX_BYTES)?;
    find_poll(&votes.writer, &poll)?;
    let receipt_key = votes.writer.receipt_key();
    let receipt_key = receipt_key.ok_or(ProblemCode::StoreUnavailable)?;
    let slot = gateway.begin()?;
    let taker = Taker {
        writer: Arc::clone(&votes.writer),
        clock: Arc::clone(&votes.clock),
        clocks: Arc::clone(&votes.clocks),
        receipt_key,
        gateway,
        lookups: Arc::clone(&gateways.lookups),
        poll: poll.into_inner(),
    };
    let (answers, mut answered) = mpsc::channel(PIECES);
    let (has_ended, ended) = oneshot::channel();
    let ways = Ways {
        body,
        answers,
        has_ended,
        timeout: gateways.batch_timeout,
        draining: gateways.draining.clone(),
    };
    // Beside the answer, so that the body is read on while nobody takes answers. Ends with it.
    rt::spawn(Batch::new(taker, slot).run(ways));
    let _late_or_ended = tokio::time::timeout(WHOLE_SOON, ended).await;
    let answers = stream::poll_fn(move |context| {
        let piece = answered.poll_recv(context);
        piece.map(|piece| piece.map(Ok::<_, Infallible>))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static(NDJSON)))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .insert_header((BUFFERING, HeaderValue::from_static("no")))
        .streaming(answers))
}

/// Refuses what does not say that it is lines of JSON.
fn check_content_type(content_type: Option<&str>) -> Result<(), Problem> {
    let essence = content_type.and_then(|value| value.split(';').next());
    let essence = essence.map(str::trim).unwrap_or_default();
    if [NDJSON, "application/ndjson", "application/jsonl"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
    {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::UnsupportedMediaType)
        .detail("The operation takes a batch of Content-Type application/x-ndjson."))
}
