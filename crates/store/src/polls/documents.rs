//! The list of polls, and the documents that Redis has of each.

use std::sync::Once;

use vote_domain::{Poll, PollId, SealedPoll};

use crate::error::StoreError;
use crate::keys;
use crate::nodes::Nodes;

/// An entry of the list of polls, and the document that it leads to, if there is one.
pub(crate) type Listed = (PollId, Result<Option<Poll>, StoreError>);

/// Whether strange entries were said: the list is read each second.
static SAID: Once = Once::new();

/// All polls, in the order of their ids, each by itself: a document that this version can't read
/// must not keep it from the others.
///
/// # Errors
/// [`StoreError`] where Redis can't be read.
pub(crate) async fn list(nodes: &Nodes) -> Result<Vec<Listed>, StoreError> {
    let (polls, strangers) = list_all(nodes).await?;
    if !strangers.is_empty() {
        SAID.call_once(|| {
            tracing::error!(
                key = keys::POLLS,
                entries = strangers.join(", "),
                "the list of polls has entries that are no ids of polls: they are passed over"
            );
        });
    }
    Ok(polls)
}

/// As [`list`], with the entries that are no ids of polls beside it.
///
/// # Errors
/// [`StoreError`] where Redis can't be read.
pub(crate) async fn list_all(nodes: &Nodes) -> Result<(Vec<Listed>, Vec<String>), StoreError> {
    let command = redis::Cmd::smembers(keys::POLLS);
    let mut ids: Vec<Vec<u8>> = nodes.query(keys::POLLS, &command).await?;
    ids.sort_unstable();
    let (mut known, mut strangers) = (Vec::with_capacity(ids.len()), Vec::new());
    for id in ids {
        let id = String::from_utf8_lossy(&id);
        match PollId::parse(&id) {
            Ok(id) => known.push(id),
            Err(_) => strangers.push(id.escape_debug().to_string()),
        }
    }
    let keys: Vec<String> = known.iter().map(keys::poll).collect();
    let mut documents = nodes.documents(&keys).await?;
    let mut polls = Vec::with_capacity(known.len());
    for (id, key) in known.into_iter().zip(&keys) {
        let document = match documents.remove(key) {
            Some(json) => parsed(key, json.as_deref()),
            // Asked for by itself: on the move, or none at all.
            None => get(nodes, &id).await,
        };
        match document {
            Err(error) if !matches!(error, StoreError::Corrupt { .. }) => return Err(error),
            document => polls.push((id, document)),
        }
    }
    Ok((polls, strangers))
}

fn parsed(key: &str, json: Option<&[u8]>) -> Result<Option<Poll>, StoreError> {
    let document = json.map(serde_json::from_slice).transpose();
    document.map_err(|error| StoreError::corrupt(key, &error))
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
