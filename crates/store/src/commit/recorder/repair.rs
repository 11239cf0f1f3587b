//! What is done when Redis has forgotten what it had acknowledged: it is sent again.

use vote_domain::Refusal;

use super::exactly_once::Recorder;
use crate::commit::backoff::Backoff;
use crate::commit::books::{Acknowledged, Remains};
use crate::commit::call::{Call, Mode};
use crate::commit::outcome::Verdict;
use crate::commit::reply::{Reply, not_a_reply};
use crate::commit::sender::{Aborted, Attempt};

/// What came of sending a batch again.
pub(super) enum Replayed {
    /// It is on record.
    Recorded(Remains),
    /// It is on record as an earlier writer's: Redis has what it had forgotten. Its sequence is taken.
    Original,
    /// Redis has forgotten more meanwhile: it has the writer only up to this sequence.
    Gap(u64),
    /// The poll is over for good.
    Refused(String),
}

impl Recorder {
    /// Redis has forgotten batches that it had acknowledged, those after `last`: sends them again, in order.
    pub(super) async fn repair(&mut self, last: u64) -> Result<(), Aborted> {
        let (writer, shard) = (self.books.writer(), self.sender.shard());
        self.metrics.poll.gaps.inc();
        // At once: to repair it may take as long as a backup.
        self.heartbeats.suspect();
        self.note_forgotten(Some(last));
        tracing::warn!(
            poll = %self.sender.poll(), shard, %writer, redis.last = last, lane.last = self.books.last(),
            "Redis has forgotten acknowledged batches"
        );
        if !self.books.reach(last) {
            return self
                .start_over("the gap is beyond the replay window", last)
                .await;
        }
        let mut repaired = 0;
        let mut reached = last;
        while let Some(batch) = self.books.first_after(reached) {
            let remains = match self.replay(&batch, batch.sequence).await? {
                Replayed::Recorded(remains) => remains,
                Replayed::Original => {
                    self.books.expect_at_origin(&batch);
                    Remains::elsewhere(&batch.batch)
                }
                // The next attempt finds the new gap.
                Replayed::Gap(_) => return Ok(()),
                Replayed::Refused(why) => {
                    let votes = self.books.give_up_after(reached);
                    self.lost(writer, votes, &why);
                    break;
                }
            };
            repaired += remains.counted;
            self.lost(
                writer,
                remains.refused,
                "keys or limits were used up meanwhile",
            );
            self.books.replayed(&batch, remains);
            reached = batch.sequence;
            self.note_forgotten(Some(reached));
        }
        self.note_forgotten(None);
        self.metrics.poll.repaired_votes.inc_by(repaired);
        tracing::warn!(poll = %self.sender.poll(), shard, %writer, votes = repaired, "gap repaired");
        Ok(())
    }

    /// Redis has all up to the writer's last batch, whatever it had said before.
    pub(super) fn note_complete(&mut self) {
        self.has_told_of_nothing = false;
        if self.books.forgotten_after().is_some() {
            self.note_forgotten(None);
        }
    }

    /// Notes that Redis has the writer only up to `last`; `None`: that it lacks nothing.
    fn note_forgotten(&mut self, last: Option<u64>) {
        self.books.set_forgotten_after(last);
        let votes = last.map_or(0, |last| self.books.votes_after(last));
        self.metrics.missing_votes.set(votes.cast_signed());
    }

    /// Sends an acknowledged batch again until its reply is known.
    pub(super) async fn replay(
        &mut self,
        acknowledged: &Acknowledged,
        sequence: u64,
    ) -> Result<Replayed, Aborted> {
        let mut backoff = Backoff::default();
        let mode = Mode::Replay(&acknowledged.origins);
        loop {
            let call = Call {
                age: acknowledged.at.elapsed(),
                ..Call::new(self.books.writer(), sequence, mode, &acknowledged.batch)
            };
            let replayed = match self.sender.attempt(&call).await? {
                Attempt::Replied(bytes) => replayed(acknowledged, &bytes),
                Attempt::NotApplied(reason) | Attempt::Unknown(reason) => Err(reason),
            };
            match replayed {
                Ok(replayed) => return Ok(replayed),
                Err(error) => self.retry_after(&error, &mut backoff).await?,
            }
        }
    }
}

/// What a reply says of a batch that was sent again.
///
/// # Errors
/// Why it is to be sent once more.
fn replayed(acknowledged: &Acknowledged, bytes: &[u8]) -> Result<Replayed, String> {
    let batch = &acknowledged.batch;
    Ok(match Reply::parse(bytes, batch.checked.len()) {
        Some(Reply::Judged {
            plain: Verdict::Accepted(()),
            checked,
        }) => Replayed::Recorded(Remains::after(batch.clone(), &checked)),
        Some(Reply::Gap { last }) => Replayed::Gap(last),
        // It is there after all: another server had said that it was not.
        Some(Reply::Behind { .. }) => Replayed::Recorded(Remains::all(acknowledged)),
        Some(Reply::Original) => Replayed::Original,
        Some(Reply::Waits(state)) => return Err(format!("the fence is {state}")),
        Some(Reply::Judged {
            plain: plain @ Verdict::Refused(Refusal::Sealed | Refusal::Void),
            ..
        }) => Replayed::Refused(format!("its replay was answered {plain:?}")),
        // Stored replies to the batch as it was sent first: on a server that has it after all, or by an
        // attempt that came late and has taken its sequence.
        None if bytes.first() == Some(&b'A') => Replayed::Recorded(Remains::all(acknowledged)),
        Some(_) => Replayed::Recorded(Remains::nothing(batch)),
        None if matches!(bytes.first(), Some(b'L' | b'R')) => {
            Replayed::Recorded(Remains::nothing(batch))
        }
        None => return Err(not_a_reply(bytes)),
    })
}
