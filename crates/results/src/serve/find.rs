//! Which poll a request is about.

use std::sync::Arc;

use actix_web::HttpRequest;
use vote_domain::PollId;
use vote_http::{Problem, ProblemCode};

use crate::pages::board::{Board, PollPages};
use crate::serve::access::Audience;

/// The pages of the poll that the request's path names.
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
    let pages = match board.polls.get(raw) {
        Some(pages) => pages,
        None => board.poll(&named(request)?)?,
    };
    let poll = &pages.snapshot.poll;
    if audience == Audience::Staff || poll.is_announced() {
        return Ok(pages);
    }
    let id = poll.definition.id().as_str();
    Err(Problem::new(ProblemCode::UnknownPoll).member("poll", id))
}

fn named(request: &HttpRequest) -> Result<PollId, Problem> {
    let text: String = request
        .match_info()
        .load()
        .map_err(|_not_text| Problem::new(ProblemCode::MalformedPollId))?;
    PollId::parse(&text).map_err(|error| {
        Problem::new(ProblemCode::MalformedPollId)
            .detail(format!("The poll's id in the path {error}."))
    })
}
