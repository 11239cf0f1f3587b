//! A line of a batch, from its bytes to its lane.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};
use vote_domain::{Clock, IdempotencyKey, KeyDigest, ReceiptKey};
use vote_http::{Problem, ProblemCode};
use vote_store::{Clocks, OpenPoll, Outcome, SentVote, VoteWriter};

use super::held::HeldLines;
use super::lines::Line;
use crate::gateways::Gateway;
use crate::vote::{
    CastVote, Received, find_gateway_voter, find_poll, now, read_batch_line, read_gateway_vote,
    refuse,
};

/// The longest line that is read: a vote with the longest key and the longest voter has half of it.
const MAX_LINE_BYTES: usize = 4096;

/// Takes the lines of one batch.
pub(crate) struct Taker {
    pub(crate) writer: Arc<VoteWriter>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) receipt_key: Arc<ReceiptKey>,
    pub(crate) gateway: Arc<Gateway>,
    /// The turns of lines to be looked up.
    pub(crate) lookups: Arc<Semaphore>,
    pub(crate) poll: String,
}

/// A line that was taken, until it is answered.
pub(super) struct Taken {
    pub(super) number: u32,
    /// Its key, once it is known to be one.
    pub(super) key: Option<String>,
    pub(super) state: State,
}

/// What becomes of a line.
pub(super) enum State {
    /// It is no vote.
    Refused(Problem),
    Sent(Box<Sent>),
}

/// A vote on its way.
pub(super) struct Sent {
    vote: Way,
    pub(super) received: Received,
    pub(super) open: Arc<OpenPoll>,
}

/// How far it has come.
enum Way {
    Sent(SentVote),
    /// It may be recorded already in another shard than its own, where it is looked up; to be told when it is sent.
    Held(oneshot::Receiver<SentVote>),
}

impl Sent {
    /// How it ended. To stop waiting changes nothing, and asked again it says the same.
    pub(super) async fn outcome(&mut self) -> Outcome {
        loop {
            match &mut self.vote {
                Way::Sent(sent) => return sent.outcome().await,
                Way::Held(told) => {
                    let sent = told.await;
                    // Who would tell goes with the batch, and with it who asks.
                    let sent = sent.unwrap_or_else(|_ended| SentVote::over(Outcome::NotRecorded));
                    self.vote = Way::Sent(sent);
                }
            }
        }
    }
}

impl Taker {
    /// Takes a line: gives its vote to its lane, or to those that are looked up before, and waits for nothing.
    pub(super) fn take(&self, line: &Line, held: &mut HeldLines) -> Taken {
        let mut key = None;
        let state = match self.send(line, &mut key, held) {
            Ok(sent) => State::Sent(Box::new(sent)),
            Err(problem) => State::Refused(problem),
        };
        Taken {
            number: line.number,
            key,
            state,
        }
    }

    fn send(
        &self,
        line: &Line,
        shown: &mut Option<String>,
        held: &mut HeldLines,
    ) -> Result<Sent, Problem> {
        let Line { text, came_at, .. } = line;
        if text.len() > MAX_LINE_BYTES {
            return Err(Problem::new(ProblemCode::MalformedBody)
                .detail(format!("The line is longer than {MAX_LINE_BYTES} bytes.")));
        }
        let line = read_batch_line(text)?;
        let text = line.key.as_deref().ok_or_else(|| {
            Problem::new(ProblemCode::IdempotencyKeyRequired)
                .detail("key: each line has one, and the same whenever it is sent again.")
        })?;
        let key = IdempotencyKey::parse(text).map_err(|error| {
            Problem::new(ProblemCode::InvalidIdempotencyKey).detail(format!("key: {error}."))
        })?;
        *shown = Some(text.to_owned());
        self.gateway.count(Instant::now())?;
        // It may have waited until there was room for it.
        let arrival = now(&*self.clock, &self.clocks)?.back_to(*came_at);
        let received_at = arrival.at;
        // Anew for each line: a batch may last while its poll changes.
        let open = find_poll(&self.writer, &self.poll)?;
        let poll = open.poll();
        let digest = KeyDigest::of_gateway(poll.definition.id(), self.gateway.name(), &key);
        let vote = CastVote {
            candidate: line.candidate,
            channel: Some(line.channel),
            direction: line.direction,
            proof: None,
            judge_response: None,
        };
        let mut vote = read_gateway_vote(&vote, digest, poll, received_at)?;
        let channel = &poll.definition.channels()[usize::from(vote.channel)];
        self.gateway.check(poll.definition.id(), channel)?;
        let (voter, names) = (line.voter.as_deref(), self.gateway.names());
        find_gateway_voter(&mut vote, voter, names, &open, received_at)?;
        let received = Received::of(&vote, true, received_at);
        let vote = if let Some(refused) = refuse(&open, &vote, received_at) {
            Way::Sent(refused)
        } else if open.may_be_elsewhere(&vote) {
            let (open, turns) = (Arc::clone(&open), Arc::clone(&self.lookups));
            Way::Held(held.look_up(vote, open, arrival, turns))
        } else {
            Way::Sent(open.send_since(vote, arrival.since))
        };
        Ok(Sent {
            vote,
            received,
            open,
        })
    }
}
