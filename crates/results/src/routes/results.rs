//! `GET /v1/polls/{poll}/results`

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use vote_domain::{PollId, Standing};
use vote_http::{Problem, ProblemCode};

use crate::access::Sight;
use crate::openapi::StandingProblems;
use crate::respond::respond;
use crate::service::Api;

/// A poll's standing
///
/// Votes, percentages and ranks of every candidate, over all channels by their weights and in each.
/// Where the poll's `visibility` is `percentages`, the public's answer has no `votes` and
/// `total_votes`; where it is `embargoed`, the public gets none. `status` says how far the figures can
/// be relied on; a `final` one is the sealed result and doesn't change any more.
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
            example = json!(crate::routes::results::example())),
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
    let pages = board.of_request(&request, audience)?;
    let body = match audience.standing(pages.visibility())? {
        Sight::All => &pages.standing.whole,
        Sight::Percentages => {
            let percentages = pages.standing.percentages.as_ref();
            percentages.ok_or(ProblemCode::SnapshotUnavailable)?
        }
    };
    Ok(respond(&request, body, audience, &pages.reads.results))
}

/// A standing as the document shows it.
pub(crate) fn example() -> serde_json::Value {
    let row = |id: &str, name: &str, votes: u32, percent: f64, rank: u32| serde_json::json!({ "id": id, "name": name, "votes": votes, "percent": percent, "rank": rank });
    serde_json::json!({
        "poll": "paredao-01", "title": "Paredão 1", "kind": "live", "direction": "eliminate",
        "state": "open", "status": "provisional", "as_of": "2026-11-24T01:02:03.250Z",
        "revision": 815, "total_votes": 2000,
        "candidates": [row("ana", "Ana", 1135, 40.88, 2), row("bia", "Bia", 865, 59.12, 1)],
        "channels": [
            { "id": "torcida", "weight": 30, "total_votes": 1200,
              "candidates": [row("ana", "Ana", 935, 77.92, 1), row("bia", "Bia", 265, 22.08, 2)] },
            { "id": "unico", "weight": 70, "total_votes": 800,
              "candidates": [row("ana", "Ana", 200, 25.0, 2), row("bia", "Bia", 600, 75.0, 1)] }
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_standing() {
        let standing: Standing = serde_json::from_value(example()).expect("a standing");
        assert_eq!(standing.poll.as_str(), "paredao-01");
    }
}
