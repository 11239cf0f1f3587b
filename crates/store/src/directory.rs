//! The polls that there are, as both services see them.

use deadpool_redis::{Connection, Pool};
use vote_domain::{Poll, PollId, ReceiptKey};

use crate::{error::StoreError, keys};

/// Reads polls and their state: all that the ingest service ever reads.
#[derive(Clone)]
pub struct PollReader {
    pool: Pool,
}

impl std::fmt::Debug for PollReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PollReader").finish_non_exhaustive()
    }
}

impl PollReader {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// All polls, in the order of their ids, each by itself: a document that this version can't
    /// read must not keep it from the others.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read.
    pub async fn all(&self) -> Result<Vec<(PollId, Result<Poll, StoreError>)>, StoreError> {
        let mut connection = self.pool.get().await?;
        let mut ids: Vec<String> = redis::cmd("SMEMBERS")
            .arg(keys::POLLS)
            .query_async(&mut connection)
            .await?;
        ids.sort_unstable();
        let mut polls = Vec::with_capacity(ids.len());
        for id in ids {
            let id = PollId::parse(&id).map_err(|error| StoreError::Corrupt {
                key: keys::POLLS.to_owned(),
                reason: error.to_string(),
            })?;
            match read_poll(&mut connection, &id).await {
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
        let mut connection = self.pool.get().await?;
        read_poll(&mut connection, id).await
    }

    /// The key that receipts are signed with, where the services share it through Redis.
    ///
    /// # Errors
    /// As [`PollReader::all`].
    pub async fn receipt_key(&self) -> Result<Option<ReceiptKey>, StoreError> {
        let mut connection = self.pool.get().await?;
        let bytes: Option<Vec<u8>> = redis::cmd("GET")
            .arg(keys::RECEIPT_KEY)
            .query_async(&mut connection)
            .await?;
        bytes.map(receipt_key).transpose()
    }

    /// As [`PollReader::receipt_key`], but where there is none yet, `fresh` becomes it; if several
    /// processes start at once, all get the same one.
    ///
    /// # Errors
    /// As [`PollReader::all`].
    pub(crate) async fn receipt_key_or(&self, fresh: &[u8; 32]) -> Result<ReceiptKey, StoreError> {
        let mut connection = self.pool.get().await?;
        redis::cmd("SET")
            .arg(keys::RECEIPT_KEY)
            .arg(fresh)
            .arg("NX")
            .exec_async(&mut connection)
            .await?;
        let bytes: Vec<u8> = redis::cmd("GET")
            .arg(keys::RECEIPT_KEY)
            .query_async(&mut connection)
            .await?;
        receipt_key(bytes)
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// As [`PollReader::all`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut connection = self.pool.get().await?;
        redis::cmd("PING").exec_async(&mut connection).await?;
        Ok(())
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

pub(crate) async fn read_poll(
    connection: &mut Connection,
    id: &PollId,
) -> Result<Option<Poll>, StoreError> {
    let key = keys::poll(id);
    let document: Option<Vec<u8>> = redis::cmd("GET").arg(&key).query_async(connection).await?;
    document
        .map(|json| {
            serde_json::from_slice(&json).map_err(|error| StoreError::Corrupt {
                key,
                reason: error.to_string(),
            })
        })
        .transpose()
}
