//! The polls that there are, as both services see them.

use vote_domain::{Poll, PollId, ReceiptKey};

use crate::{error::StoreError, keys, nodes::Nodes};

/// The most polls that a process remembers although Redis has forgotten them: no command removes a
/// poll, so that more than a few are a sign of something else.
pub(crate) const MOST_FORGOTTEN: usize = 256;

/// An entry of the list of polls, and the document that it leads to, if there is one.
pub(crate) type Listed = (PollId, Result<Option<Poll>, StoreError>);

/// Reads polls and their state: all that the ingest service ever reads.
#[derive(Clone)]
pub struct PollReader {
    nodes: Nodes,
}

impl std::fmt::Debug for PollReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PollReader").finish_non_exhaustive()
    }
}

impl PollReader {
    pub(crate) fn new(nodes: Nodes) -> Self {
        Self { nodes }
    }

    /// All polls, in the order of their ids, each by itself: a document that this version can't
    /// read must not keep it from the others.
    ///
    /// A poll that is on the list and has no document is [`StoreError::Corrupt`] as well: documents
    /// are written before their entry in the list, and never removed, so Redis has forgotten it.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read.
    pub async fn all(&self) -> Result<Vec<(PollId, Result<Poll, StoreError>)>, StoreError> {
        let polls = self.listed().await?;
        let polls = polls.into_iter().map(|(id, document)| {
            let poll = document.and_then(|poll| poll.ok_or_else(|| no_document(&id)));
            (id, poll)
        });
        Ok(polls.collect())
    }

    /// As [`PollReader::all`], with `None` for the document that is not there.
    pub(crate) async fn listed(&self) -> Result<Vec<Listed>, StoreError> {
        let mut command = redis::cmd("SMEMBERS");
        command.arg(keys::POLLS);
        let mut ids: Vec<String> = self.nodes.query(keys::POLLS, &command).await?;
        ids.sort_unstable();
        let mut polls = Vec::with_capacity(ids.len());
        for id in ids {
            let id = PollId::parse(&id).map_err(|error| StoreError::Corrupt {
                key: keys::POLLS.to_owned(),
                reason: error.to_string(),
            })?;
            match self.get(&id).await {
                Ok(document) => polls.push((id, Ok(document))),
                Err(unreadable @ StoreError::Corrupt { .. }) => polls.push((id, Err(unreadable))),
                Err(error) => return Err(error),
            }
        }
        Ok(polls)
    }

    /// One poll.
    ///
    /// # Errors
    /// As [`PollReader::all`].
    pub async fn get(&self, id: &PollId) -> Result<Option<Poll>, StoreError> {
        self.nodes.document(&keys::poll(id)).await
    }

    /// The key that receipts are signed with, where the services share it through Redis.
    ///
    /// # Errors
    /// As [`PollReader::all`].
    pub async fn receipt_key(&self) -> Result<Option<ReceiptKey>, StoreError> {
        Ok(self.receipt_key_bytes().await?.map(ReceiptKey::from_bytes))
    }

    /// What the key of receipts is made of. Where there is none, `own` becomes it; if several processes do so
    /// at once, all get the same one. Says whether there was none.
    ///
    /// # Errors
    /// As [`PollReader::all`].
    pub(crate) async fn receipt_key_or(
        &self,
        own: &[u8; 32],
    ) -> Result<([u8; 32], bool), StoreError> {
        // It is nearly always there, and Redis refuses to set anything while it is out of memory.
        if let Some(found) = self.receipt_key_bytes().await? {
            return Ok((found, false));
        }
        let mut command = redis::cmd("SET");
        command.arg(keys::RECEIPT_KEY).arg(own).arg("NX");
        self.nodes
            .query::<redis::Value>(keys::RECEIPT_KEY, &command)
            .await?;
        let found = self.receipt_key_bytes().await?;
        found.map(|found| (found, true)).ok_or_else(|| {
            corrupt_key("nothing is there, a moment after it was written".to_owned())
        })
    }

    async fn receipt_key_bytes(&self) -> Result<Option<[u8; 32]>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(keys::RECEIPT_KEY);
        let bytes: Option<Vec<u8>> = self.nodes.query(keys::RECEIPT_KEY, &command).await?;
        let key = bytes.map(|bytes| {
            <[u8; 32]>::try_from(bytes)
                .map_err(|bytes| corrupt_key(format!("{} bytes where a key has 32", bytes.len())))
        });
        key.transpose()
    }
}

/// Of a poll that is on the list.
pub(crate) fn no_document(id: &PollId) -> StoreError {
    StoreError::Corrupt {
        key: keys::poll(id),
        reason: format!("nothing is there, though {} names the poll", keys::POLLS),
    }
}

/// Of a poll that was on the list.
pub(crate) fn not_listed(id: &str) -> StoreError {
    StoreError::Corrupt {
        key: keys::POLLS.to_owned(),
        reason: format!("it does not name the poll {id} any more"),
    }
}

fn corrupt_key(reason: String) -> StoreError {
    StoreError::Corrupt {
        key: keys::RECEIPT_KEY.to_owned(),
        reason,
    }
}
