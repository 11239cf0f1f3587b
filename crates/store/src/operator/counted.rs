//! What counts of the votes of all shards.

use vote_domain::{Poll, RecordedVotes, Tally};

use crate::error::StoreError;
use crate::figures::ShardFigures;

/// The votes of all shards, by channel and candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// All that were recorded.
    pub recorded: Tally,
    /// Those of them that are annulled.
    pub annulled: Tally,
    /// Those that count.
    pub net: Tally,
}

impl Counted {
    /// Adds up the figures of all shards; they have their minutes where votes of the poll are annulled.
    ///
    /// # Errors
    /// Where a sum overflows, or a shard has more annulled votes than votes: then its minutes are not those of its tally.
    pub fn of(poll: &Poll, shards: &[ShardFigures]) -> Result<Self, StoreError> {
        let overflow = |error| StoreError::corrupt("the sum of all shards", &error);
        let mut recorded = Tally::empty(&poll.definition);
        let mut annulled = recorded.clone();
        for shard in shards {
            recorded.merge(&shard.tally).map_err(overflow)?;
            let of_shard = poll.annulled(&shard.minutes).map_err(overflow)?;
            annulled.merge(&of_shard).map_err(overflow)?;
        }
        let Some(net) = recorded.clone().without(&annulled) else {
            let reason =
                "its minutes have more annulled votes than its tally has votes: audit the poll";
            return Err(StoreError::corrupt(
                &format!("the figures of poll {}", poll.definition.id()),
                &reason,
            ));
        };
        Ok(Self {
            recorded,
            annulled,
            net,
        })
    }

    /// What was recorded beside what is annulled; `None` where nothing is.
    #[must_use]
    pub fn beside(&self, poll: &Poll) -> Option<RecordedVotes> {
        RecordedVotes::of(&poll.definition, &self.recorded, &self.annulled)
    }
}
