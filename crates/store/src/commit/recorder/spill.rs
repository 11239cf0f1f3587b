//! What a lane leaves behind: the accepted votes that Redis may not have when it ends.

use super::exactly_once::Recorder;
use crate::commit::spill::{SpilledBatch, SpilledLane};

impl Recorder {
    /// Takes all that Redis may not have out of the books, and says how much it is. Batches without votes are taken
    /// along, so that no sequence is left out; a lane that has no votes to lose leaves nothing.
    pub(super) fn spill(&mut self) -> Vec<SpilledLane> {
        let (writer, last) = (self.books.writer(), self.books.last());
        let redis_last = self.books.forgotten_after();
        let predecessors = self.books.all_predecessors();
        let (retained, stranded) = self.books.take_all();
        let of = |writer, last, redis_last, batches: Vec<SpilledBatch>| SpilledLane {
            poll: self.sender.poll().clone(),
            shard: self.sender.shard(),
            fields: self.sender.fields().to_vec(),
            candidates: self.sender.candidates(),
            writer,
            last_sequence: last,
            redis_last,
            predecessors: Vec::new(),
            batches,
        };
        let mut lanes = vec![of(
            writer,
            last,
            redis_last,
            retained.into_iter().map(SpilledBatch::from).collect(),
        )];
        lanes.extend(stranded.into_iter().map(|old| {
            let batches: Vec<_> = old.batches.into_iter().map(SpilledBatch::from).collect();
            // Redis has said of each of them that it does not have it.
            let redis_last = batches.first().map(|first| first.sequence - 1);
            of(old.writer, old.last, redis_last, batches)
        }));
        lanes.retain(|lane| lane.last_sequence > 0);
        // Whoever sends these again ends the writers before them, whichever lane is left to name them.
        if let Some(first) = lanes.first_mut() {
            first.predecessors = predecessors;
        }
        let votes: u64 = lanes.iter().map(SpilledLane::votes).sum();
        if votes == 0 {
            return Vec::new();
        }
        let writers: Vec<_> = lanes.iter().map(|lane| lane.writer.to_string()).collect();
        let is_certain = lanes.iter().all(SpilledLane::is_certain);
        self.metrics.poll.spilled_votes.inc_by(votes);
        self.metrics.missing_votes.set(votes.cast_signed());
        tracing::error!(
            poll = %self.sender.poll(), shard = self.sender.shard(), writers = writers.join(","), votes,
            redis.has_forgotten_them = is_certain,
            "the lane ends with accepted votes that Redis may not have"
        );
        lanes
    }
}
