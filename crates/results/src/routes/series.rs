//! `GET /v1/polls/{poll}/results/hourly` and `GET /v1/polls/{poll}/results/minutely`

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use vote_domain::PollId;
use vote_http::{Problem, ProblemCode};

use crate::api::Api;
use crate::documents::series::{HourlySeries, MinutelySeries, Step};
use crate::pages::page::Subject;
use crate::pages::series_cache::SeriesKey;
use crate::problems::SeriesProblems;
use crate::routes::series_query::SeriesQuery;
use crate::serve::find::{located, poll_of_request};
use crate::serve::negotiate::choose_format;
use crate::serve::respond::{respond, respond_with};

/// What is said to who asks for too many minutes at once.
const TOO_LONG: &str =
    "That is more than three days of minutes: ask for a part of them by `from` and `until`.";

/// A poll's votes by the hour
///
/// Every hour from the opening to now, in the poll's time zone or in that of `tz`. An hour without
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
        (status = 200, description = "The hours.", body = HourlySeries<'_>, content_type = "application/json",
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
    answer(&request, &api, Step::Hour).await
}

/// A poll's votes by the minute
///
/// Every minute from the opening to now. A minute without votes is zero; one that has not come yet
/// is absent. One answer has three days of them at most (4,320), and more is refused: of a longer poll
/// ask for one part after the other with `from` and `until`, or from where you are with `from`. Public only where the poll's `visibility` is `public`.
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
        (status = 200, description = "The minutes.", body = MinutelySeries<'_>, content_type = "application/json",
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
    answer(&request, &api, Step::Minute).await
}

async fn answer(request: &HttpRequest, api: &Api, step: Step) -> Result<HttpResponse, Problem> {
    let audience = api.access.audience(request)?;
    // Not the guard: it must not be held while a series is being made.
    let poll = Arc::clone(poll_of_request(&**api.board.load()?, request, audience)?);
    let query = SeriesQuery::parse(request.query_string())?;
    audience.series(poll.visibility())?;
    let reads = poll.reads.series(step);
    let asked = &poll.snapshot.poll;
    if step == Step::Minute && query.bounds.are_too_far_apart(asked, poll.view.as_of) {
        return Err(Problem::new(ProblemCode::InvalidQuery).detail(TOO_LONG));
    }
    let definition = &asked.definition;
    if query.is_for_all_in(definition.timezone())
        && let Some(ahead) = poll.series.by(step).load_full()
    {
        let subject = Subject::Series(step);
        let response = respond(request, &ahead, subject, audience, reads, &poll.confirmed)?;
        return Ok(located(request, &poll, response));
    }
    let key = SeriesKey {
        step,
        part: query.of(definition),
        format: choose_format(request),
    };
    let body = api.series.get(&poll, key).await?;
    let response = respond_with(request, &body, audience, reads, &poll.confirmed);
    Ok(located(request, &poll, response))
}
