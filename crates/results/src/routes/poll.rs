//! `GET /v1/polls/{poll}`

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use vote_domain::PollId;
use vote_http::Problem;

use crate::api::Api;
use crate::documents::poll::{PollDocument, example};
use crate::pages::page::Subject;
use crate::problems::PollProblems;
use crate::serve::find::{located, poll_of_request};
use crate::serve::respond::respond;

/// A poll and its state
///
/// Public from the opening on, whatever the poll's `visibility`: it never holds any figures. A draft needs a bearer
/// token of production or broadcast.
#[utoipa::path(
    tag = "polls",
    operation_id = "getPoll",
    params(
        ("poll" = PollId, Path, description = "The poll's id.", example = "paredao-01"),
        ("If-None-Match" = Option<String>, Header, description = "`ETag`s of copies that the client has."),
    ),
    security((), ("reader_token" = [])),
    responses(
        (status = 200, description = "The poll.", body = PollDocument<'_>, content_type = "application/json",
            headers(("ETag" = String, description = "Names these bytes."), ("Cache-Control" = String)),
            example = json!(example())),
        (status = 304, description = "The client's copy is the newest."),
        PollProblems,
    )
)]
#[get("/v1/polls/{poll}")]
pub(crate) async fn get_poll(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let audience = api.access.audience(&request)?;
    let board = api.board.load()?;
    let poll = poll_of_request(&board, &request, audience)?;
    let reads = &poll.reads.poll;
    let (pages, confirmed) = (&poll.pages, &poll.confirmed);
    let response = respond(&request, pages, Subject::Poll, audience, reads, confirmed)?;
    Ok(located(&request, poll, response))
}
