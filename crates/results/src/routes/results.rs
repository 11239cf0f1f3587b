//! `GET /v1/polls/{poll}/results`

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use vote_domain::{PollId, Standing};
use vote_http::Problem;

use crate::api::Api;
use crate::documents::standing::example;
use crate::pages::page::Subject;
use crate::problems::StandingProblems;
use crate::serve::find::{located, poll_of_request};
use crate::serve::respond::respond;

/// A poll's standing
///
/// Votes, percentages and ranks of every candidate, over all channels by their weights and in each.
/// Where the poll's `visibility` is `percentages`, the public's answer has no `votes` and
/// `total_votes`; where it is `embargoed`, the public gets none. `status` says how far the figures can
/// be relied on; a `final` one is the sealed result and doesn't change any more. With a token of production or broadcast,
/// `lost` is the number of accepted votes that are in no figure; without it none are noted.
#[utoipa::path(
    tag = "results",
    operation_id = "getResults",
    params(
        ("poll" = PollId, Path, description = "The poll's id.", example = "paredao-01"),
        ("If-None-Match" = Option<String>, Header, description = "`ETag`s of copies that the client has."),
    ),
    security((), ("reader_token" = [])),
    responses(
        (status = 200, description = "The standing.", body = Standing, content_type = "application/json",
            headers(
                ("ETag" = String, description = "Names these bytes: another one for each coding."),
                ("Cache-Control" = String, description = "A second for running polls, a minute for final ones; `private, no-store` with a token."),
            ),
            example = json!(example())),
        (status = 304, description = "The client's copy is the newest."),
        StandingProblems,
    )
)]
#[get("/v1/polls/{poll}/results")]
pub(crate) async fn get_results(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let audience = api.access.audience(&request)?;
    let board = api.board.load()?;
    let poll = poll_of_request(&board, &request, audience)?;
    let subject = Subject::Standing(audience.standing(poll.visibility())?);
    let response = respond(
        &request,
        &poll.pages,
        subject,
        audience,
        &poll.reads.results,
        &poll.confirmed,
    )?;
    Ok(located(&request, poll, response))
}
