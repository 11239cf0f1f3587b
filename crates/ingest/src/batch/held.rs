//! Lines whose votes may be recorded already in another shard than the one that they go to: each is looked up there, many at once,
//! and then sent to its lane as any other.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesOrdered;
use tokio::sync::{Semaphore, oneshot};
use vote_store::{OpenPoll, Outcome, SentVote, VoteToCast};

use crate::vote::Arrival;

/// The lines of one batch that are looked up. They are looked up in any order and sent in theirs: of two with the same key the first
/// one counts.
#[derive(Default)]
pub(super) struct HeldLines {
    lookups: FuturesOrdered<LocalBoxFuture<'static, Found>>,
}

/// A line that was looked up.
struct Found {
    vote: VoteToCast,
    open: Arc<OpenPoll>,
    arrival: Arrival,
    /// `None`: it is recorded nowhere else.
    outcome: Option<Outcome>,
    tell: oneshot::Sender<SentVote>,
}

impl HeldLines {
    pub(super) fn is_empty(&self) -> bool {
        self.lookups.is_empty()
    }

    /// Looks a vote up, once it has one of these turns. Its line is told when it is on its way.
    pub(super) fn look_up(
        &mut self,
        vote: VoteToCast,
        open: Arc<OpenPoll>,
        arrival: Arrival,
        turns: Arc<Semaphore>,
    ) -> oneshot::Receiver<SentVote> {
        let (tell, told) = oneshot::channel();
        self.lookups.push_back(Box::pin(async move {
            // Nobody closes the semaphore.
            let turn = turns.acquire().await;
            let outcome = open.look_elsewhere(&vote).await;
            drop(turn);
            Found {
                vote,
                open,
                arrival,
                outcome,
                tell,
            }
        }));
        told
    }

    /// Sends the next one that was looked up, in the order of the lines. Dropped while it waits, it has done nothing.
    pub(super) async fn send_next(&mut self) {
        let Some(found) = self.lookups.next().await else {
            return;
        };
        let sent = match found.outcome {
            Some(outcome) => SentVote::over(outcome),
            None => found.open.send_since(found.vote, found.arrival.since),
        };
        // Its line waits for as long as the batch goes on.
        let _ended = found.tell.send(sent);
    }
}
