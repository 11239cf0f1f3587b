//! The question of an idle lane: whether Redis still has what it had acknowledged.

use std::time::Instant;

use vote_domain::WriterId;

use super::exactly_once::Recorder;
use crate::commit::backoff::Backoff;
use crate::commit::batch::Batch;
use crate::commit::books::Predecessor;
use crate::commit::call::{Call, Mode};
use crate::commit::heartbeats::Turn;
use crate::commit::reply::{Reply, not_a_reply};
use crate::commit::sender::{Aborted, Attempt, UnreadLedger};
use crate::commit::shared::NOT_CLOSED;
use crate::commit::spill::SpilledLane;

/// The most gaps that a lane repairs before it ends.
const LAST_REPAIRS: usize = 3;

/// So often a lane asks before it ends that has nothing to be sent again.
const LAST_QUESTIONS: usize = 3;

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Redis has the last batch.
    Stands,
    /// It had not, which was dealt with.
    Repaired,
    /// No answer.
    Unanswered,
}

impl Recorder {
    /// Asks whether Redis still has what it had acknowledged, and repairs what it has forgotten. Once the
    /// poll is closed this marks the writer as drained: all that it has accepted is there. Where `tries`, a server
    /// that answers and takes no writes has not answered.
    pub(in crate::commit) async fn heartbeat(
        &mut self,
        closed_at_ms: i64,
        tries: bool,
    ) -> Result<(), Aborted> {
        let lost_before = self.books.lost();
        self.books.drain_for(closed_at_ms);
        let asked = match closed_at_ms {
            NOT_CLOSED if tries => self.ask(Mode::Try, 0).await?,
            NOT_CLOSED => self.ask(Mode::Check, 0).await?,
            closed_at_ms => self.ask(Mode::Drain, closed_at_ms).await?,
        };
        if asked != Asked::Unanswered
            && self.ask_for_predecessors().await?
            && self.note_lost(lost_before).await?
        {
            self.unblock();
        }
        Ok(())
    }

    /// What the answers have shown to be lost is noted at once: the poll may be sealed before the next question. Whether
    /// all was answered.
    async fn note_lost(&mut self, lost_before: Option<(WriterId, u64)>) -> Result<bool, Aborted> {
        if self.books.lost() == lost_before {
            return Ok(true);
        }
        let asked = self.ask(Mode::Check, 0).await?;
        Ok(asked != Asked::Unanswered)
    }

    /// Before the lane ends: what it has had acknowledged should be there, and its writer is marked as
    /// ended. Said if that can't be made sure of any more. Gives what Redis may not have.
    pub(in crate::commit) async fn last_check(&mut self, turn: &Turn) -> Vec<SpilledLane> {
        if !self.books.have_entries() && !self.books.have_stranded() {
            return Vec::new();
        }
        let lost_before = self.books.lost();
        let stands = self.stands_at_last(turn).await;
        let has_ended = stands
            && self.ask_for_predecessors().await.is_ok_and(|asked| asked)
            && self.note_lost(lost_before).await.is_ok_and(|asked| asked);
        if !has_ended {
            tracing::warn!(
                poll = %self.sender.poll(), shard = self.sender.shard(), writer = %self.books.writer(),
                votes.acknowledged = self.books.votes(), votes.retained = self.books.votes_after(0),
                "the lane ends without knowing whether Redis still has its last acknowledged votes: \
                 its writer is not marked as ended"
            );
        }
        if stands { Vec::new() } else { self.spill() }
    }

    /// Whether Redis has all of the lane's batches, as it says at last. As long as some are retained it is asked until
    /// it answers, or the lane is told to end at once.
    async fn stands_at_last(&mut self, turn: &Turn) -> bool {
        let (mut repairs, mut questions, mut backoff) = (0, 0, Backoff::default());
        while !self.books.have_stranded() {
            let Ok(permit) = self.sender.unless_aborted(turn.last_question()).await else {
                return false;
            };
            let Ok(attempt) = self.question(Mode::End, 0).await else {
                return false;
            };
            drop(permit);
            questions += 1;
            match self.answered(attempt).await {
                Ok(Asked::Stands) => return true,
                Ok(Asked::Repaired) if repairs < LAST_REPAIRS => repairs += 1,
                Ok(Asked::Unanswered) if self.books.retain_any() || questions < LAST_QUESTIONS => {
                    if self.sender.pause(backoff.next()).await.is_err() {
                        return false;
                    }
                }
                Ok(_) | Err(Aborted) => return false,
            }
        }
        false
    }

    async fn ask(&mut self, mode: Mode<'_>, closed_at_ms: i64) -> Result<Asked, Aborted> {
        let attempt = self.question(mode, closed_at_ms).await?;
        self.answered(attempt).await
    }

    async fn question(&mut self, mode: Mode<'_>, closed_at_ms: i64) -> Result<Attempt, Aborted> {
        let (writer, last) = (self.books.writer(), self.books.last());
        let question = Batch::starting(closed_at_ms);
        let call = Call {
            lost: self.books.lost(),
            ..Call::new(writer, last, mode, &question)
        };
        self.sender.ask(&call).await
    }

    /// Does what the answer to a question asks for.
    async fn answered(&mut self, attempt: Attempt) -> Result<Asked, Aborted> {
        let error = match attempt {
            Attempt::Replied(bytes) => match Reply::parse(&bytes, 0) {
                Some(Reply::Stands { votes }) => {
                    self.note_complete();
                    let expected = self.books.correct(votes);
                    let why = "its last batch is there, not all of its votes";
                    self.compare(self.books.writer(), expected, votes, why);
                    return Ok(Asked::Stands);
                }
                Some(Reply::Gap { last }) => match self.not_known_yet().await? {
                    Some(reason) => reason,
                    None => {
                        self.repair(last).await?;
                        return Ok(Asked::Repaired);
                    }
                },
                Some(Reply::Behind { last }) => {
                    self.start_over("Redis knows this writer beyond its last batch", last)
                        .await?;
                    return Ok(Asked::Repaired);
                }
                _ => not_a_reply(&bytes),
            },
            Attempt::NotApplied(reason) | Attempt::Unknown(reason) => reason,
        };
        self.block(&error);
        Ok(Asked::Unanswered)
    }

    /// Why it can't be said yet what Redis has forgotten for good, where there is nothing to be sent again that would wait for
    /// that: a shard without a fence may have its ledger again by a backup.
    async fn not_known_yet(&mut self) -> Result<Option<String>, Aborted> {
        if self.books.retain_any() {
            return Ok(None);
        }
        let Err(unread) = self.sender.read_ledger(self.books.writer()).await? else {
            return Ok(None);
        };
        if matches!(unread, UnreadLedger::NoFence)
            && !std::mem::replace(&mut self.has_told_of_nothing, true)
        {
            self.heartbeats.suspect();
        }
        Ok(Some(unread.reason()))
    }

    /// Asks for the writers that the lane has started over from, and marks them as ended: all that was
    /// left of them has been sent again. Whether all was answered.
    async fn ask_for_predecessors(&mut self) -> Result<bool, Aborted> {
        for old in self.books.predecessors(Instant::now()).to_vec() {
            let found = match self.ask_for(&old).await? {
                Ok(found) => found,
                Err(error) => {
                    self.block(&error);
                    return Ok(false);
                }
            };
            let votes = found.votes;
            let expected = self.books.correct_predecessor(found);
            let why = "forgotten after the lane had started over";
            self.compare(old.writer, expected, votes, why);
        }
        Ok(true)
    }

    /// What the ledger has of an earlier writer, or why that is not known.
    async fn ask_for(&mut self, old: &Predecessor) -> Result<Result<Predecessor, String>, Aborted> {
        let question = Batch::starting(0);
        let call = Call::new(old.writer, old.sequence, Mode::End, &question);
        let bytes = match self.sender.ask(&call).await? {
            Attempt::Replied(bytes) => bytes,
            Attempt::NotApplied(reason) | Attempt::Unknown(reason) => return Ok(Err(reason)),
        };
        Ok(match Reply::parse(&bytes, 0) {
            Some(Reply::Stands { votes }) => Ok(old.found(old.sequence, votes, true)),
            Some(Reply::Gap { .. } | Reply::Behind { .. }) => {
                let entry = self.sender.read_ledger(old.writer).await?;
                entry
                    .map(|(sequence, votes)| old.found(sequence, votes, false))
                    .map_err(UnreadLedger::reason)
            }
            _ => Err(not_a_reply(&bytes)),
        })
    }
}

#[cfg(test)]
mod tests;
