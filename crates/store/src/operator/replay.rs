//! Recording what processes have left behind in their spills.

use jiff::Timestamp;
use vote_domain::Poll;

use super::poll_operator::PollOperator;
use super::save::Written;
use crate::commit::{LaneReplay, ReplayError, ReplayReport, Spill, SpilledLane};
use crate::error::StoreError;
use crate::fence;
use crate::keys::ShardKeys;

impl PollOperator {
    /// What [`PollOperator::replay`] would do with a lane of a spill; nothing is written.
    ///
    /// # Errors
    /// What keeps its votes from being recorded.
    pub async fn plan_replay(
        &self,
        spill: &Spill,
        lane: &SpilledLane,
        now: Timestamp,
    ) -> Result<ReplayReport, ReplayError> {
        let poll = self.poll_of(lane).await?;
        let key_window_ms = spill.key_window_ms();
        let begun = LaneReplay::begin(lane, &poll, key_window_ms, self.nodes.clone(), now);
        let plan = begun.await?.plan();
        if plan.recorded > 0 {
            self.takes_replays(&poll, lane.shard).await?;
        }
        Ok(plan)
    }

    /// Records the votes of a lane of a spill that Redis lacks, under the writers and sequences that they had, and
    /// marks the lane's writers as ended. Repeated, it counts nothing twice. `sent` is told after each batch. Gives what was
    /// recorded, and which replicas have not confirmed it.
    ///
    /// # Errors
    /// What has kept its votes from being recorded, or some of them.
    pub async fn replay(
        &self,
        spill: &Spill,
        lane: &SpilledLane,
        now: Timestamp,
        sent: impl FnMut(),
    ) -> Result<(ReplayReport, Written), ReplayError> {
        let poll = self.poll_of(lane).await?;
        let key_window_ms = spill.key_window_ms();
        let begun = LaneReplay::begin(lane, &poll, key_window_ms, self.nodes.clone(), now);
        let report = begun.await?.send(sent).await?;
        let keys = ShardKeys::new(&lane.poll, lane.shard);
        let written = self.confirm(std::iter::once(keys.state())).await;
        Ok((report, written))
    }

    async fn poll_of(&self, lane: &SpilledLane) -> Result<Poll, ReplayError> {
        let poll = self.get(&lane.poll).await.map_err(redis)?;
        poll.ok_or(ReplayError::NoPoll)
    }

    /// Whether the shard's fence lets replays pass.
    async fn takes_replays(&self, poll: &Poll, shard: u16) -> Result<(), ReplayError> {
        use vote_domain::PollState as State;
        let keys = ShardKeys::new(poll.definition.id(), shard);
        let fence = fence::read(&self.nodes, &keys).await.map_err(redis)?;
        match fence.ok_or(ReplayError::NoFence(shard))?.state {
            State::Open | State::Paused | State::Closed => Ok(()),
            State::Sealed => Err(ReplayError::Over("sealed")),
            State::Void => Err(ReplayError::Over("void")),
            State::Draft => Err(ReplayError::NotOpen {
                shard,
                state: State::Draft.to_string(),
            }),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn redis(error: StoreError) -> ReplayError {
    ReplayError::Redis(error.to_string())
}
