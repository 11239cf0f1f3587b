//! A vote that was given to its lane, and what comes of it.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::poll_lanes::PollLanes;
use crate::commit::outcome::Outcome;
use crate::commit::ticket::{Ticket, Waiting};

/// A vote that was given to its lane. It is recorded whether or not somebody waits for it.
pub struct SentVote(State);

enum State {
    Over(Outcome),
    OnItsWay(OnItsWay),
}

struct OnItsWay {
    waiting: Waiting,
    /// When its client has waited long enough.
    until: Instant,
    lanes: Arc<PollLanes>,
    shard: usize,
    channel: u8,
    candidate: u8,
}

impl SentVote {
    /// One that has ended already.
    #[must_use]
    pub const fn over(outcome: Outcome) -> Self {
        Self(State::Over(outcome))
    }

    pub(super) fn on_its_way(
        ticket: Arc<Ticket>,
        until: Instant,
        lanes: Arc<PollLanes>,
        shard: usize,
        (channel, candidate): (u8, u8),
    ) -> Self {
        Self(State::OnItsWay(OnItsWay {
            waiting: Waiting(ticket),
            until,
            lanes,
            shard,
            channel,
            candidate,
        }))
    }

    /// How it ended; waits until the accept timeout after it was given to its lane. A vote that nobody asks for waits in its lane
    /// for as long as the lane does. To stop waiting changes nothing, and asked again it says the same.
    pub async fn outcome(&mut self) -> Outcome {
        let outcome = match &mut self.0 {
            State::Over(outcome) => return outcome.clone(),
            State::OnItsWay(vote) => {
                let outcome = match timeout_at(vote.until, &mut vote.waiting).await {
                    Ok(outcome) => outcome,
                    Err(_) => vote.waiting.0.recall(),
                };
                vote.count(&outcome);
                outcome
            }
        };
        self.0 = State::Over(outcome.clone());
        outcome
    }
}

impl OnItsWay {
    fn count(&self, outcome: &Outcome) {
        if let Some(lane) = self.lanes.at(self.shard) {
            lane.told(self.channel, self.candidate, outcome);
        }
    }
}
