//! A line of a batch, from its bytes to its lane.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use vote_domain::{Clock, IdempotencyKey, KeyDigest, ReceiptKey};
use vote_http::{Problem, ProblemCode};
use vote_store::{Clocks, OpenPoll, Outcome, SentVote, VoteToCast, VoteWriter};

use crate::gateways::Gateway;
use crate::vote::{
    CastVote, Received, cast, find_gateway_voter, find_poll, now, read_batch_line,
    read_gateway_vote, send,
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
    /// It may be recorded already in another shard than its own, which is looked up first, once its turn to be answered comes.
    Held(VoteToCast, Timestamp),
}

impl Sent {
    pub(super) async fn outcome(&mut self) -> Outcome {
        match &mut self.vote {
            Way::Sent(sent) => sent.outcome().await,
            Way::Held(vote, received_at) => {
                let outcome = Box::pin(cast(&self.open, vote.clone(), *received_at)).await;
                self.vote = Way::Sent(SentVote::over(outcome.clone()));
                outcome
            }
        }
    }
}

impl Taker {
    /// Takes a line: gives its vote to its lane, and waits for nothing.
    pub(super) fn take(&self, number: u32, line: &[u8]) -> Taken {
        let mut key = None;
        let state = match self.send(line, &mut key) {
            Ok(sent) => State::Sent(Box::new(sent)),
            Err(problem) => State::Refused(problem),
        };
        Taken { number, key, state }
    }

    fn send(&self, line: &[u8], shown: &mut Option<String>) -> Result<Sent, Problem> {
        if line.len() > MAX_LINE_BYTES {
            return Err(Problem::new(ProblemCode::MalformedBody)
                .detail(format!("The line is longer than {MAX_LINE_BYTES} bytes.")));
        }
        let line = read_batch_line(line)?;
        let text = line.key.as_deref().ok_or_else(|| {
            Problem::new(ProblemCode::IdempotencyKeyRequired)
                .detail("key: each line has one, and the same whenever it is sent again.")
        })?;
        let key = IdempotencyKey::parse(text).map_err(|error| {
            Problem::new(ProblemCode::InvalidIdempotencyKey).detail(format!("key: {error}."))
        })?;
        *shown = Some(text.to_owned());
        self.gateway.count(Instant::now())?;
        let received_at = now(&*self.clock, &self.clocks)?;
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
        let vote = if open.may_be_elsewhere(&vote) {
            Way::Held(vote, received_at)
        } else {
            Way::Sent(send(&open, vote, received_at))
        };
        Ok(Sent {
            vote,
            received,
            open,
        })
    }
}
