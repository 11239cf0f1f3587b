//! The list of polls, and the documents that Redis has of each.

use vote_domain::{Poll, PollId, SealedPoll};

use crate::error::StoreError;
use crate::keys;
use crate::nodes::Nodes;

/// An entry of the list of polls, and the document that it leads to, if there is one.
pub(crate) type Listed = (PollId, Result<Option<Poll>, StoreError>);

/// All polls, in the order of their ids, each by itself: a document that this version can't read
/// must not keep it from the others.
///
/// # Errors
/// [`StoreError`] where Redis can't be read.
pub(crate) async fn list(nodes: &Nodes) -> Result<Vec<Listed>, StoreError> {
    let command = redis::Cmd::smembers(keys::POLLS);
    let mut ids: Vec<String> = nodes.query(keys::POLLS, &command).await?;
    ids.sort_unstable();
    let mut polls = Vec::with_capacity(ids.len());
    for id in ids {
        let id = PollId::parse(&id).map_err(|error| StoreError::corrupt(keys::POLLS, &error))?;
        match get(nodes, &id).await {
            Err(error) if !matches!(error, StoreError::Corrupt { .. }) => return Err(error),
            document => polls.push((id, document)),
        }
    }
    Ok(polls)
}

/// One poll.
pub(crate) async fn get(nodes: &Nodes, id: &PollId) -> Result<Option<Poll>, StoreError> {
    nodes.document(&keys::poll(id)).await
}

/// The sealed result of one poll.
pub(crate) async fn sealed(nodes: &Nodes, id: &PollId) -> Result<Option<SealedPoll>, StoreError> {
    nodes.document(&keys::sealed(id)).await
}

/// When the draft of that id was made that was deleted last, as [`vote_domain::wire_time`] writes it.
pub(super) async fn deleted(nodes: &Nodes, id: &PollId) -> Result<Option<String>, StoreError> {
    let key = keys::deleted(id);
    nodes.query(&key, &redis::Cmd::get(&key)).await
}

/// Of a poll that is on the list: documents are written before their entry there, and removed (a draft's) after it,
/// so Redis has forgotten it.
pub(crate) fn no_document(id: &PollId) -> StoreError {
    let reason = format!("nothing is there, though {} names the poll", keys::POLLS);
    StoreError::corrupt(&keys::poll(id), &reason)
}

/// Of a poll that was on the list, from which only a draft is removed.
pub(crate) fn not_listed(id: &PollId) -> StoreError {
    let reason = format!("it does not name the poll {id} any more");
    StoreError::corrupt(keys::POLLS, &reason)
}
