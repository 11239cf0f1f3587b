//! `GET /v1/polls/{poll}/results/minutely`

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use vote_domain::PollId;
use vote_http::Problem;

use crate::openapi::SeriesProblems;
use crate::routes::series_query;
use crate::series::{MinutelySeriesDocument, Step};
use crate::service::Api;

/// A poll's votes by the minute
///
/// Every minute from the opening to `as_of`. A minute without votes is zero; one that has not come yet
/// is absent. A poll of two days has 2,880 of them: ask for a part with `from` and `until` where that
/// is enough. Public only where the poll's `visibility` is `public`.
#[utoipa::path(
    tag = "results",
    operation_id = "getMinutelyResults",
    params(
        ("poll" = PollId, Path, description = "The poll's id.", example = "paredao-01"),
        ("tz" = Option<String>, Query, description = "IANA name of the time zone that `start` is written in; the poll's own if it is missing.", example = "America/Manaus", max_length = 64),
        ("from" = Option<String>, Query, format = DateTime, description = "The first minute is the one that this instant is in.", example = "2026-11-24T01:00:00Z"),
        ("until" = Option<String>, Query, format = DateTime, description = "The last minute begins before this instant.", example = "2026-11-24T01:30:00Z"),
        ("If-None-Match" = Option<String>, Header, description = "`ETag`s of copies that the client has."),
    ),
    security((), ("reader_token" = [])),
    responses(
        (status = 200, description = "The minutes.", body = MinutelySeriesDocument, content_type = "application/json",
            headers(("ETag" = String, description = "Names these bytes: another one for each coding."), ("Cache-Control" = String)),
            example = json!({
                "poll": "paredao-01", "kind": "live", "direction": "eliminate",
                "timezone": "America/Sao_Paulo", "status": "provisional",
                "as_of": "2026-11-24T00:01:03.250Z", "revision": 815,
                "minutes": [
                    { "start": "2026-11-23T21:00:00-03:00", "total_votes": 0, "candidates": { "ana": 0, "bia": 0 } },
                    { "start": "2026-11-23T21:01:00-03:00", "total_votes": 12, "candidates": { "ana": 7, "bia": 5 } }
                ]
            })),
        (status = 304, description = "The client's copy is the newest."),
        SeriesProblems,
    )
)]
#[get("/v1/polls/{poll}/results/minutely")]
pub(crate) async fn get_minutely(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    series_query::answer(&request, &api, Step::Minute).await
}
