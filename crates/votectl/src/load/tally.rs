//! The tally of the poll that is voted in.

use std::time::Duration;
use vote_client::reconcile::TallySource;
use vote_domain::Poll;
use vote_store::PollOperator;

/// How long the tally may take to agree with the answers.
pub(super) const RECONCILE_PATIENCE: Duration = Duration::from_secs(5);

/// Straight from Redis.
pub(super) struct PollTally<'a> {
    pub(super) operator: &'a PollOperator,
    pub(super) poll: &'a Poll,
}

impl TallySource for PollTally<'_> {
    async fn total(&self) -> anyhow::Result<u128> {
        Ok(self.operator.poll_tally_total(self.poll).await?)
    }
}
