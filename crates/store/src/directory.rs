//! The polls that there are, as both services see them.

use vote_domain::{Poll, PollId, ReceiptKey};

use crate::{error::StoreError, keys, nodes::Nodes};

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
    /// # Errors
    /// [`StoreError`] where Redis can't be read.
    pub async fn all(&self) -> Result<Vec<(PollId, Result<Poll, StoreError>)>, StoreError> {
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
                Ok(Some(poll)) => polls.push((id, Ok(poll))),
                Ok(None) => {}
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
        let mut command = redis::cmd("GET");
        command.arg(keys::RECEIPT_KEY);
        let bytes: Option<Vec<u8>> = self.nodes.query(keys::RECEIPT_KEY, &command).await?;
        bytes.map(receipt_key).transpose()
    }

    /// As [`PollReader::receipt_key`], but where there is none yet, `fresh` becomes it; if several
    /// processes start at once, all get the same one.
    ///
    /// # Errors
    /// As [`PollReader::all`].
    pub(crate) async fn receipt_key_or(&self, fresh: &[u8; 32]) -> Result<ReceiptKey, StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(keys::RECEIPT_KEY).arg(fresh).arg("NX");
        self.nodes
            .query::<redis::Value>(keys::RECEIPT_KEY, &command)
            .await?;
        let mut command = redis::cmd("GET");
        command.arg(keys::RECEIPT_KEY);
        let bytes: Vec<u8> = self.nodes.query(keys::RECEIPT_KEY, &command).await?;
        receipt_key(bytes)
    }
}

fn receipt_key(bytes: Vec<u8>) -> Result<ReceiptKey, StoreError> {
    <[u8; 32]>::try_from(bytes)
        .map(ReceiptKey::from_bytes)
        .map_err(|bytes| StoreError::Corrupt {
            key: keys::RECEIPT_KEY.to_owned(),
            reason: format!("{} bytes where a key has 32", bytes.len()),
        })
}
