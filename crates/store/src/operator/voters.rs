//! Forgetting who has voted: the key of the voters' digests is destroyed.

use redis::Cmd;
use vote_domain::Poll;

use super::poll_operator::PollOperator;
use super::save::{SaveError, Written};
use crate::keys;

impl PollOperator {
    /// Saves a poll that [`Poll::forget_voters`] has given, changed from `previous_revision`, and destroys the key of its
    /// voters' digests; whether there was one. Safe to repeat.
    ///
    /// The document comes first: who reads it from then on neither reads the key nor puts it back.
    ///
    /// # Errors
    /// As [`PollOperator::save`]; [`SaveError::HalfWritten`] where the key could not be destroyed.
    pub async fn forget_voters(
        &self,
        next: &Poll,
        previous_revision: u64,
    ) -> Result<(Written, bool), SaveError> {
        let mut written = if next.revision == previous_revision {
            self.fence(next).await?
        } else {
            self.save(next, previous_revision).await?
        };
        let key = keys::voter_key(next.definition.id());
        let destroyed = self.nodes.query(&key, &Cmd::del(&key)).await;
        let destroyed: u64 = destroyed.map_err(SaveError::HalfWritten)?;
        let more = self.confirm(std::iter::once(key)).await;
        written.unconfirmed.extend(more.unconfirmed);
        Ok((written, destroyed > 0))
    }
}
