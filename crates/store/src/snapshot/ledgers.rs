//! How the shards of a poll are read at a tick: whole, or where the ledger is long by the names of the writers that have changed
//! of late.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use vote_domain::{Poll, PollState};

use crate::error::StoreError;
use crate::fields::Places;
use crate::figures::read::{self, Aside, SHARDS_AT_ONCE, Wanted};
use crate::figures::{KnownLedger, ShardFigures, by_name};
use crate::nodes::Nodes;

/// From so many fields on a ledger is long: some 250 writers. A shorter one is read whole, for it costs no more.
const LONG: usize = 512;
/// How often a long ledger is looked through, where its figures are not proved, before it is read in one answer.
const LOOKS: u32 = 3;
/// So many readings it is read whole after that: figures that do not agree are not proved next time either.
const REST: u32 = 40;

/// What is known of the ledgers of a poll's shards.
#[derive(Debug)]
pub(super) struct Ledgers(Vec<Ledger>);

/// That of one shard.
#[derive(Debug, Default)]
struct Ledger {
    /// How many fields it had when it was last read whole.
    length: Option<usize>,
    /// What is known of a long one.
    known: Option<KnownLedger>,
    /// The readings for which it is read whole although it is long.
    rest: u32,
}

impl Ledgers {
    pub(super) fn none(shards: u16) -> Self {
        Self((0..shards).map(|_| Ledger::default()).collect())
    }

    /// The figures of all shards with these minutes.
    ///
    /// A poll that takes no votes any more is read whole: its writers say that they are drained, which is no batch.
    pub(super) async fn read(
        &mut self,
        nodes: &Nodes,
        poll: &Poll,
        places: &Places,
        minutes: &[i64],
        state: PollState,
    ) -> Result<Vec<ShardFigures>, StoreError> {
        let takes_votes = matches!(state, PollState::Open | PollState::Paused);
        let shards = (0_u16..).zip(&mut self.0);
        let readings: Vec<_> = shards
            .map(|(number, ledger)| {
                let wanted = Wanted::new(&poll.definition, places, number, minutes, Aside::Sums);
                one(nodes, wanted, ledger, takes_votes)
            })
            .collect();
        stream::iter(readings)
            .buffered(SHARDS_AT_ONCE)
            .try_collect()
            .await
    }
}

async fn one(
    nodes: &Nodes,
    wanted: Wanted<'_>,
    ledger: &mut Ledger,
    takes_votes: bool,
) -> Result<ShardFigures, StoreError> {
    if takes_votes && ledger.length.is_none() {
        ledger.length = by_name::length(nodes, &wanted).await?;
    }
    let is_long = takes_votes && ledger.length.is_some_and(|length| length > LONG);
    if is_long && ledger.rest == 0 {
        if let Some(shard) = by_names(nodes, &wanted, &mut ledger.known).await? {
            return Ok(shard);
        }
        ledger.rest = REST;
    }
    let shard = read::whole(nodes, &wanted).await?;
    let length = 2 * shard.writers.len();
    ledger.length = Some(length);
    ledger.rest = ledger.rest.saturating_sub(1);
    if !takes_votes || length <= LONG {
        *ledger = Ledger {
            length: ledger.length,
            ..Ledger::default()
        };
    } else if ledger.rest == 0 {
        let known = ledger.known.get_or_insert_default();
        known.replace(shard.writers.clone());
    }
    Ok(shard)
}

/// The figures as they are proved by what is known of a long ledger, which is looked through where it is not enough.
async fn by_names(
    nodes: &Nodes,
    wanted: &Wanted<'_>,
    known: &mut Option<KnownLedger>,
) -> Result<Option<ShardFigures>, StoreError> {
    for _ in 0..LOOKS {
        if let Some(known) = known
            && let Some(shard) = by_name::shard(nodes, wanted, known).await?
        {
            return Ok(Some(shard));
        }
        let known = known.get_or_insert_default();
        if !by_name::look_through(nodes, wanted, known).await? {
            return Ok(None);
        }
    }
    let Some(known) = known else { return Ok(None) };
    by_name::shard(nodes, wanted, known).await
}
