//! The list of polls, and the documents that Redis has of each.

use std::collections::HashMap;
use std::sync::Once;

use redis::aio::MultiplexedConnection;
use vote_domain::{Poll, PollId, SealedPoll};

use crate::address::Node;
use crate::error::StoreError;
use crate::keys;
use crate::nodes::{Nodes, Silent};

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
    say_strangers(&strangers);
    Ok(polls)
}

fn say_strangers(strangers: &[String]) {
    if !strangers.is_empty() {
        SAID.call_once(|| {
            tracing::error!(
                key = keys::POLLS,
                entries = strangers.join(", "),
                "the list of polls has entries that are no ids of polls: they are passed over"
            );
        });
    }
}

/// As [`list`], with the entries that are no ids of polls beside it.
///
/// # Errors
/// [`StoreError`] where Redis can't be read.
pub(crate) async fn list_all(nodes: &Nodes) -> Result<(Vec<Listed>, Vec<String>), StoreError> {
    let entries = nodes.query(keys::POLLS, &list_command()).await?;
    let (ids, strangers) = ids_of(entries);
    let read = read_all(nodes, ids, &HashMap::new(), &mut Silent::default()).await?;
    let polls = read.into_iter().map(|read| match read.document {
        // Whoever asks for all of them is not given a part.
        Err(error) if !says_what_is_there(&error) => Err(error),
        document => Ok((read.id, document)),
    });
    Ok((polls.collect::<Result<_, _>>()?, strangers))
}

/// The ids of all polls in their order, and whether they were read over the one of these connections that leads to the list.
pub(super) async fn ids(
    nodes: &Nodes,
    over: &HashMap<Node, MultiplexedConnection>,
    silent: &mut Silent,
) -> Result<(Vec<PollId>, bool), StoreError> {
    let given = nodes
        .layout()
        .node_of(keys::POLLS)
        .and_then(|node| over.get(node));
    let entries: Option<Vec<Vec<u8>>> = match given {
        Some(connection) => list_command()
            .query_async(&mut connection.clone())
            .await
            .ok(),
        None => None,
    };
    let is_over_given = entries.is_some();
    let entries = match entries {
        Some(entries) => entries,
        None => {
            let command = list_command();
            let asked = nodes.query(keys::POLLS, &command);
            silent.ask(nodes, keys::POLLS, asked).await?
        }
    };
    let (ids, strangers) = ids_of(entries);
    say_strangers(&strangers);
    Ok((ids, is_over_given))
}

fn list_command() -> redis::Cmd {
    redis::Cmd::smembers(keys::POLLS)
}

/// The entries that are ids, in their order, and those that are none.
fn ids_of(mut entries: Vec<Vec<u8>>) -> (Vec<PollId>, Vec<String>) {
    entries.sort_unstable();
    let (mut known, mut strangers) = (Vec::with_capacity(entries.len()), Vec::new());
    for id in entries {
        let id = String::from_utf8_lossy(&id);
        match PollId::parse(&id) {
            Ok(id) => known.push(id),
            Err(_) => strangers.push(id.escape_debug().to_string()),
        }
    }
    (known, strangers)
}

/// A document that was read.
pub(super) struct Read {
    pub(super) id: PollId,
    pub(super) document: Result<Option<Poll>, StoreError>,
    /// Whether it was read over one of the connections that were given.
    pub(super) is_over_given: bool,
}

/// Whether it is about what is at a key. All others are about a server that is away, or refuses.
pub(super) const fn says_what_is_there(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { .. })
}

/// The documents of these polls, each by itself: by one pipeline to each server, over these connections where there is one.
/// One whose server is away keeps none of the others from being read, and with a server that is silent, or turns out to be, they
/// are not read later for each document that it has.
///
/// # Errors
/// [`StoreError`] where no server is known.
pub(super) async fn read_all(
    nodes: &Nodes,
    ids: Vec<PollId>,
    over: &HashMap<Node, MultiplexedConnection>,
    silent: &mut Silent,
) -> Result<Vec<Read>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<String> = ids.iter().map(keys::poll).collect();
    let mut found = nodes.documents(&keys, over, silent).await?;
    let mut read = Vec::with_capacity(ids.len());
    for (id, key) in ids.into_iter().zip(&keys) {
        let (document, is_over_given) = match found.remove(key) {
            Some(found) => (parsed(key, found.json.as_deref()), found.is_over_given),
            // Asked for by itself: on the move, no document at all, or its server is away.
            None => (silent.ask(nodes, key, get(nodes, &id)).await, false),
        };
        read.push(Read {
            id,
            document,
            is_over_given,
        });
    }
    Ok(read)
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
