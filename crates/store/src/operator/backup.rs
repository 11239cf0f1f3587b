//! Taking a backup of a poll.

use std::time::Duration;

use jiff::Timestamp;
use vote_domain::PollId;

use super::poll_operator::PollOperator;
use crate::backup::{Backup, BackupError, Taken};
use crate::error::StoreError;

/// How often a poll is read that is changed meanwhile.
const TRIES: u32 = 4;
/// The pause before it is read again: an operator's change takes some milliseconds.
const PAUSE: Duration = Duration::from_millis(250);

/// Why no backup was taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The figures do not agree.
    #[error("the poll can't be backed up, for it does not pass its audit: {0}")]
    Disagree(BackupError),
    /// The poll was changed at each attempt.
    #[error("the poll was changed while it was read, {TRIES} times: try again")]
    Changing,
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PollOperator {
    /// Reads all of a poll; `None` where there is no such poll. What of a shard can still change is read in one step, one
    /// shard after the other.
    ///
    /// So the figures of a shard agree, and those of a poll that takes votes are of slightly different instants.
    ///
    /// # Errors
    /// [`TakeError::Disagree`] where the poll does not pass its audit: such a backup could not be restored.
    pub async fn backup(
        &self,
        id: &PollId,
        now: Timestamp,
        by: &str,
        software: &str,
    ) -> Result<Option<Backup>, TakeError> {
        let taken = Taken {
            at: now,
            by: by.to_owned(),
            software: software.to_owned(),
        };
        let mut failed = TakeError::Changing;
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let Some(poll) = self.get(id).await? else {
                return Ok(None);
            };
            let shards = self.figures(&poll).await?;
            let sealed = self.sealed_of(&poll).await?;
            let again = self.get(id).await?;
            if again.is_none_or(|again| again.revision != poll.revision) {
                failed = TakeError::Changing;
                continue;
            }
            match Backup::new(poll, shards, sealed, taken.clone()) {
                Ok(backup) => return Ok(Some(backup)),
                // Perhaps between a change's document and its last fence.
                Err(error) => failed = TakeError::Disagree(error),
            }
        }
        Err(failed)
    }
}
