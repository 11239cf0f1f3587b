//! Which poll a request is about.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_LOCATION, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use url::form_urlencoded;
use vote_domain::{PollId, Status};
use vote_http::{Problem, ProblemCode};

use crate::documents::view::CHANGES;
use crate::pages::board::{Board, PollPages};
use crate::serve::access::Audience;

/// The pages of the poll that the request's path names; `current` is the one that is on now.
///
/// # Errors
/// `malformed-poll-id`; `unknown-poll`, also where it is not announced to the audience; `snapshot-unavailable`
/// where it isn't known whether there is such a poll, or nothing of it could be read yet.
pub(crate) fn poll_of_request<'b>(
    board: &'b Board,
    request: &HttpRequest,
    audience: Audience,
) -> Result<&'b Arc<PollPages>, Problem> {
    let raw = request.match_info().get("poll").unwrap_or_default();
    // A poll's id needs no escapes, so this finds whatever is there.
    let pages = match board.polls.get(raw).filter(|_| raw != PollId::CURRENT) {
        Some(pages) => pages,
        None => {
            let id = named(request)?;
            match (id.as_str(), &board.current) {
                (PollId::CURRENT, Some(current)) => board.poll(current)?,
                (PollId::CURRENT, None) if board.list.is_some() => return Err(nothing_is_on()),
                _ => board.poll(&id)?,
            }
        }
    };
    if audience.is_trusted() || pages.snapshot.poll.is_announced() {
        return Ok(pages);
    }
    // By the name that was asked for: a draft that is the current one is not to be told either.
    Err(Problem::new(ProblemCode::UnknownPoll).member("poll", named(request)?.as_str()))
}

fn nothing_is_on() -> Problem {
    Problem::new(ProblemCode::UnknownPoll)
        .detail("No live poll has been opened yet, so that none is the current one.")
        .member("poll", PollId::CURRENT)
}

/// The answer of the pages that were found. Where they were asked for by another name than their own, such as `current`, it
/// says by which address they are always found, and no cache keeps it for longer than until another poll may be meant.
pub(crate) fn located(
    request: &HttpRequest,
    pages: &PollPages,
    mut response: HttpResponse,
) -> HttpResponse {
    let id = pages.snapshot.poll.definition.id().as_str();
    let asked = request.match_info().get("poll").unwrap_or_default();
    if asked == id {
        return response;
    }
    let path = request
        .path()
        .replacen(&format!("/{asked}"), &format!("/{id}"), 1);
    let query = form_urlencoded::parse(request.query_string().as_bytes());
    let mut known = form_urlencoded::Serializer::new(String::new());
    // A token is for who has it, and for no header.
    known.extend_pairs(query.filter(|(name, _)| name != "token"));
    let query = known.finish();
    let location = if query.is_empty() {
        path
    } else {
        format!("{path}?{query}")
    };
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(CONTENT_LOCATION, location);
    }
    let is_kept_long = pages.view.status == Status::Final
        && headers.get(CACHE_CONTROL) == Some(&pages.view.cache_control());
    if is_kept_long {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(CHANGES));
    }
    response
}

pub(crate) fn named(request: &HttpRequest) -> Result<PollId, Problem> {
    let text: String = request
        .match_info()
        .load()
        .map_err(|_not_text| Problem::new(ProblemCode::MalformedPollId))?;
    PollId::parse(&text).map_err(|error| {
        Problem::new(ProblemCode::MalformedPollId)
            .detail(format!("The poll's id in the path {error}."))
    })
}
