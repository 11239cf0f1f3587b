//! `GET /v1/polls/{poll}/results.rows.json`, `.flat.json`, `.csv` and `.xml`

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, REFERRER_POLICY, WWW_AUTHENTICATE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use vote_http::{Problem, ProblemCode};

use crate::api::Api;
use crate::documents::feed_table::FeedRow;
use crate::formats::feeds::format::FeedFormat;
use crate::formats::feeds::{CSV, FLAT, ROWS, XML};
use crate::pages::feed_pages::FeedKey;
use crate::problems::FeedProblems;
use crate::routes::feed_parameters::FeedParameters;
use crate::routes::feed_query;
use crate::serve::find::{located, poll_of_request};
use crate::serve::respond::respond_with;

/// What may go on air, as an array of rows
///
/// A flat object for each candidate, which has what is said of the poll too. Figures are there once production has
/// released them; while it holds them, every process gives the same. `on_air` says whether they may be shown now.
#[utoipa::path(
    tag = "feeds",
    operation_id = "getFeedRows",
    params(FeedParameters),
    security((), ("reader_token" = []), ("feed_token" = [])),
    responses(
        (status = 200, description = "The rows.", body = Vec<FeedRow>, content_type = "application/json",
            headers(("ETag" = String, description = "Names these bytes: another one for each coding."), ("Cache-Control" = String))),
        (status = 304, description = "The client's copy is the newest."),
        FeedProblems,
    )
)]
#[get("/v1/polls/{poll}/results.rows.json")]
pub(crate) async fn get_rows(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    answer(&request, &api, ROWS).await
}

/// What may go on air, as one flat object
///
/// What is said of the poll, `rows`, and the same names as in the rows with `c1_`, `c2_`, … in front.
#[utoipa::path(
    tag = "feeds",
    operation_id = "getFeedFlat",
    params(FeedParameters),
    security((), ("reader_token" = []), ("feed_token" = [])),
    responses(
        (status = 200, description = "The object.", body = std::collections::BTreeMap<String, serde_json::Value>, content_type = "application/json",
            headers(("ETag" = String, description = "Names these bytes: another one for each coding."), ("Cache-Control" = String))),
        (status = 304, description = "The client's copy is the newest."),
        FeedProblems,
    )
)]
#[get("/v1/polls/{poll}/results.flat.json")]
pub(crate) async fn get_flat(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    answer(&request, &api, FLAT).await
}

/// What may go on air, as a table
///
/// CSV (RFC 4180) in UTF-8 with the names of the rows as headings; numbers have a decimal point.
#[utoipa::path(
    tag = "feeds",
    operation_id = "getFeedCsv",
    params(FeedParameters),
    security((), ("reader_token" = []), ("feed_token" = [])),
    responses(
        (status = 200, description = "The table.", body = String, content_type = "text/csv",
            headers(("ETag" = String, description = "Names these bytes: another one for each coding."), ("Cache-Control" = String))),
        (status = 304, description = "The client's copy is the newest."),
        FeedProblems,
    )
)]
#[get("/v1/polls/{poll}/results.csv")]
pub(crate) async fn get_csv(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    answer(&request, &api, CSV).await
}

/// What may go on air, as XML
///
/// `<results>` has what is said of the poll, and a `<candidate>` for each row; every value is an attribute and an element.
#[utoipa::path(
    tag = "feeds",
    operation_id = "getFeedXml",
    params(FeedParameters),
    security((), ("reader_token" = []), ("feed_token" = [])),
    responses(
        (status = 200, description = "The document.", body = String, content_type = "text/xml",
            headers(("ETag" = String, description = "Names these bytes: another one for each coding."), ("Cache-Control" = String))),
        (status = 304, description = "The client's copy is the newest."),
        FeedProblems,
    )
)]
#[get("/v1/polls/{poll}/results.xml")]
pub(crate) async fn get_xml(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    answer(&request, &api, XML).await
}

/// The answer, or its problem, with what an address that may hold a token needs.
async fn answer(request: &HttpRequest, api: &Api, format: &'static FeedFormat) -> HttpResponse {
    let answer = feed(request, api, format).await;
    for_address(answer.unwrap_or_else(HttpResponse::from_error))
}

/// Keeps the address of a request, which may hold a token, from whoever the answer leads to, and says by which schemes a
/// token is taken.
pub(crate) fn for_address(mut response: HttpResponse) -> HttpResponse {
    let is_refused = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if is_refused {
        let schemes = HeaderValue::from_static(r#"Basic realm="feeds", charset="UTF-8", Bearer"#);
        headers.insert(WWW_AUTHENTICATE, schemes);
    }
    response
}

async fn feed(
    request: &HttpRequest,
    api: &Api,
    format: &'static FeedFormat,
) -> Result<HttpResponse, Problem> {
    let audience = api.access.feed_audience(request)?;
    // Not the guard: it must not be held while a feed is being made.
    let poll = Arc::clone(poll_of_request(&**api.board.load()?, request, audience)?);
    let layout = feed_query::layout(request.query_string())?;
    let sight = audience.standing(poll.visibility())?;
    let pages = poll.feeds.seen(sight);
    let pages = pages.ok_or(ProblemCode::SnapshotUnavailable)?;
    let layout = layout.beside(&pages.feed);
    let ahead = pages.ahead(format).filter(|_| layout == Default::default());
    let body = match ahead {
        Some(body) => Arc::clone(body),
        None => {
            let key = FeedKey { format, layout };
            let of_task = Arc::clone(pages);
            let cell = pages.cell(key);
            api.feeds.get(&cell, move || of_task.make(key)).await?
        }
    };
    let reads = &poll.reads.feeds;
    let response = respond_with(request, &body, audience, reads, &poll.confirmed);
    Ok(located(request, &poll, response))
}
