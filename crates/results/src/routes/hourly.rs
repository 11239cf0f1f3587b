//! `GET /v1/polls/{poll}/results/hourly`

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use vote_domain::PollId;
use vote_http::Problem;

use crate::openapi::SeriesProblems;
use crate::routes::series_query;
use crate::series::{HourlySeriesDocument, Step};
use crate::service::Api;

/// A poll's votes by the hour
///
/// Every hour from the opening to `as_of`, in the poll's time zone or in that of `tz`. An hour without
/// votes is zero; one that has not come yet is absent. The hour in which clocks are put back is there
/// twice, once for each offset. Public only where the poll's `visibility` is `public`.
#[utoipa::path(
    tag = "results",
    operation_id = "getHourlyResults",
    params(
        ("poll" = PollId, Path, description = "The poll's id.", example = "paredao-01"),
        ("tz" = Option<String>, Query, description = "IANA name of the time zone of the hours; the poll's own if it is missing.", example = "America/Manaus", max_length = 64),
        ("from" = Option<String>, Query, format = DateTime, description = "The first hour is the one that this instant is in.", example = "2026-11-24T01:00:00Z"),
        ("until" = Option<String>, Query, format = DateTime, description = "The last hour begins before this instant.", example = "2026-11-24T03:00:00Z"),
        ("If-None-Match" = Option<String>, Header, description = "`ETag`s of copies that the client has."),
    ),
    security((), ("reader_token" = [])),
    responses(
        (status = 200, description = "The hours.", body = HourlySeriesDocument, content_type = "application/json",
            headers(("ETag" = String, description = "Names these bytes: another one for each coding."), ("Cache-Control" = String)),
            example = json!({
                "poll": "paredao-01", "kind": "live", "direction": "eliminate",
                "timezone": "America/Sao_Paulo", "status": "provisional",
                "as_of": "2026-11-24T01:02:03.250Z", "revision": 815,
                "hours": [
                    { "start": "2026-11-23T21:00:00-03:00", "total_votes": 0, "candidates": { "ana": 0, "bia": 0 } },
                    { "start": "2026-11-23T22:00:00-03:00", "total_votes": 12, "candidates": { "ana": 7, "bia": 5 } }
                ]
            })),
        (status = 304, description = "The client's copy is the newest."),
        SeriesProblems,
    )
)]
#[get("/v1/polls/{poll}/results/hourly")]
pub(crate) async fn get_hourly(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    series_query::answer(&request, &api, Step::Hour).await
}
