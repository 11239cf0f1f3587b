//! `GET /v1/polls/{poll}/desk`

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use vote_domain::PollId;
use vote_http::{Problem, ProblemCode};

use crate::api::Api;
use crate::documents::desk::{DeskDocument, example};
use crate::pages::body::{Body, Effort};
use crate::problems::DeskProblems;
use crate::serve::access::Audience;
use crate::serve::find::{located, poll_of_request};
use crate::serve::respond::respond_with;

/// What production's desk shows of a poll
///
/// All that is known of a poll, from one snapshot: the poll and its standing, weighted and not, what graphics show of it,
/// how votes ended, whether the figures agree, and the newest of its journal. While production holds the poll, `standing`
/// goes on and `on_air` is what graphics are held at. Only with a bearer token of production or broadcast.
#[utoipa::path(
    tag = "production",
    operation_id = "getDesk",
    params(
        ("poll" = PollId, Path, description = "The poll's id.", example = "paredao-01"),
        ("If-None-Match" = Option<String>, Header, description = "`ETag`s of copies that the client has."),
    ),
    security(("reader_token" = [])),
    responses(
        (status = 200, description = "What is known.", body = DeskDocument<'_>, content_type = "application/json",
            headers(
                ("ETag" = String, description = "Names these bytes: another one for each coding."),
                ("Cache-Control" = String, description = "`private, no-store`."),
            ),
            example = json!(example())),
        (status = 304, description = "The client's copy is the newest."),
        DeskProblems,
    )
)]
#[get("/v1/polls/{poll}/desk")]
pub(crate) async fn get_desk(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let audience = api.access.audience(&request)?;
    if audience == Audience::Public {
        return Err(Problem::new(ProblemCode::Unauthorized).detail(
            "The desk is for production: it needs a bearer token of production or broadcast.",
        ));
    }
    let poll = {
        let board = api.board.load()?;
        Arc::clone(poll_of_request(&board, &request, audience)?)
    };
    let (snapshot, view) = (Arc::clone(&poll.snapshot), poll.view);
    let making = api.desks.get(&poll.desk, move || {
        let document = DeskDocument::new(&snapshot, &view);
        let content = serde_json::to_vec(&document)?;
        let cache_control = view.cache_control();
        Body::new(content, "application/json", cache_control, Effort::OnDemand)
    });
    let body = making.await?;
    let response = respond_with(&request, &body, audience, &poll.reads.desk, &poll.confirmed);
    Ok(located(&request, &poll, response))
}
