//! `GET /v1/polls`

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use vote_http::{Problem, ProblemCode};

use crate::api::Api;
use crate::documents::list::PollListDocument;
use crate::documents::poll::example;
use crate::pages::page::Subject;
use crate::problems::ListProblems;
use crate::serve::access::Audience;
use crate::serve::respond::respond;

/// All polls and their state
///
/// In the order of their ids, each as `GET /v1/polls/{poll}` answers it. Never holds any figures. Drafts are on it for
/// holders of a bearer token of production or broadcast alone.
#[utoipa::path(
    tag = "polls",
    operation_id = "listPolls",
    params(
        ("If-None-Match" = Option<String>, Header, description = "`ETag`s of copies that the client has."),
    ),
    security((), ("reader_token" = [])),
    responses(
        (status = 200, description = "The polls.", body = PollListDocument<'_>, content_type = "application/json",
            headers(("ETag" = String, description = "Names these bytes."), ("Cache-Control" = String)),
            example = json!({
                "as_of": "2026-11-24T01:02:03.250Z", "stale": false,
                "polls": [example()]
            })),
        (status = 304, description = "The client's copy is the newest."),
        ListProblems,
    )
)]
#[get("/v1/polls")]
pub(crate) async fn list_polls(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let audience = api.access.audience(&request)?;
    let board = api.board.load()?;
    let lists = board
        .list
        .as_ref()
        .ok_or(ProblemCode::SnapshotUnavailable)?;
    let subject = match audience {
        Audience::Public if lists.has(Subject::AnnouncedPolls) => Subject::AnnouncedPolls,
        _ => Subject::AllPolls,
    };
    let confirmed = &board.list_confirmed;
    respond(
        &request,
        lists,
        subject,
        audience,
        &api.list_reads,
        confirmed,
    )
}
