//! Deciding of votes that were set aside as suspect: they are released into the figures, or annulled.

use std::collections::BTreeSet;

use vote_domain::{
    Fate, Poll, PollId, Quarantine, QuarantineDecision, QuarantineSelection, TallyOverflow,
    WriterId,
};

use super::poll_operator::PollOperator;
use super::save::{SaveError, Written};
use crate::decision::{decide_command, stands_for};
use crate::error::StoreError;
use crate::figures::ShardFigures;
use crate::keys::ShardKeys;
use crate::script::DECIDE_QUARANTINE;

/// Minutes that one call decides of: some milliseconds of Redis where each has all reasons, channels and candidates.
const MINUTES_AT_ONCE: usize = 30;

/// Why it was not decided of all votes that were meant. What was decided stays so, and the same command goes on.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// A shard lets nobody decide.
    #[error("shard {shard} lets nobody decide of its votes: {found}")]
    Fence {
        /// The shard.
        shard: u16,
        /// What its fence says.
        found: String,
    },
    /// The poll's document was not changed.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PollOperator {
    /// Decides of all undecided votes of `selection`, as `next` has it in its log, changed from `previous_revision`. `figures` are
    /// those of the poll as they were read before. Gives how many votes it was decided of.
    ///
    /// The document comes first, so that nothing is decided that nobody answers for. Repeated after a failure it decides of
    /// what is left: each vote leaves the quarantine once.
    ///
    /// # Errors
    /// [`DecideError::Save`] where the poll was changed meanwhile: nothing is decided then.
    pub async fn decide_quarantine(
        &self,
        next: &Poll,
        previous_revision: u64,
        decision: QuarantineDecision,
        selection: &QuarantineSelection,
        figures: &[ShardFigures],
    ) -> Result<(u64, Written), DecideError> {
        let mut written = self.save(next, previous_revision).await?;
        let id = next.definition.id();
        let writer = stands_for(id, next.revision);
        let mut decided = 0;
        for shard in figures {
            let minutes: Vec<i64> = undecided_minutes(shard, selection).into_iter().collect();
            for minutes in minutes.chunks(MINUTES_AT_ONCE) {
                decided += self
                    .decide_in(id, shard.shard, writer, decision.fate(), selection, minutes)
                    .await?;
            }
        }
        let states = figures
            .iter()
            .map(|shard| ShardKeys::new(id, shard.shard).state());
        written
            .unconfirmed
            .extend(self.confirm(states).await.unconfirmed);
        Ok((decided, written))
    }

    async fn decide_in(
        &self,
        id: &PollId,
        shard: u16,
        writer: WriterId,
        fate: Fate,
        selection: &QuarantineSelection,
        minutes: &[i64],
    ) -> Result<u64, DecideError> {
        let keys = ShardKeys::new(id, shard);
        let state = keys.state();
        let command = decide_command(&keys, writer, fate, selection, minutes);
        let answer: String = self.nodes.run(&DECIDE_QUARANTINE, &state, &command).await?;
        answer.parse().map_err(|_| DecideError::Fence {
            shard,
            found: match answer.as_str() {
                "absent" => "it has no fence".to_owned(),
                state => format!("it is {state}"),
            },
        })
    }

    /// All votes of a poll that were set aside, over all shards and minutes of `selection`'s window.
    ///
    /// # Errors
    /// Where the sum holds more than a figure can.
    pub fn set_aside(
        figures: &[ShardFigures],
        selection: &QuarantineSelection,
    ) -> Result<Quarantine, TallyOverflow> {
        let mut sum = Quarantine::default();
        for shard in figures {
            for (minute, aside) in &shard.quarantine_minutes {
                if has_minute(selection, *minute) {
                    sum.merge(aside)?;
                }
            }
        }
        Ok(sum)
    }
}

fn has_minute(selection: &QuarantineSelection, minute: i64) -> bool {
    vote_domain::Minute::from_since_epoch(minute).is_some_and(|minute| selection.has_minute(minute))
}

/// The minutes in which a shard has undecided votes that are meant.
fn undecided_minutes(shard: &ShardFigures, selection: &QuarantineSelection) -> BTreeSet<i64> {
    let is_meant = |aside: &Quarantine| {
        aside
            .rows()
            .any(|(fate, reason, _)| fate == Fate::Undecided && selection.has_reason(reason))
    };
    shard
        .quarantine_minutes
        .iter()
        .filter(|(minute, aside)| has_minute(selection, **minute) && is_meant(aside))
        .map(|(minute, _)| *minute)
        .collect()
}
