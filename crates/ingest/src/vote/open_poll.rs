//! The poll that votes are for.

use std::sync::Arc;

use vote_domain::PollId;
use vote_http::problem::echo;
use vote_http::{Problem, ProblemCode};
use vote_store::{OpenPoll, VoteWriter};

/// The poll of that id, if it has been announced: who is in it is told on television, and until it is opened its id is
/// answered like one that does not exist.
pub(crate) fn find_poll(writer: &VoteWriter, id: &str) -> Result<Arc<OpenPoll>, Problem> {
    let found = writer.find(id);
    if let Ok(Some(open)) = &found
        && open.poll().is_announced()
    {
        return Ok(Arc::clone(open));
    }
    if let Err(error) = PollId::parse(id) {
        return Err(Problem::new(ProblemCode::MalformedPollId).detail(error.to_string()));
    }
    if let Err(reason) = found {
        // Whether there is such a poll, or how it is, is not known: at a 404 a client drops its vote.
        return Err(Problem::new(ProblemCode::StoreUnavailable).because(reason));
    }
    Err(Problem::new(ProblemCode::UnknownPoll).detail(format!("There is no poll {}.", echo(id))))
}
