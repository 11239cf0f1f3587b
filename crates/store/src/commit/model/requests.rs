//! What becomes of the requests of writers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::gate::{Held, Request};
use super::steps::Fate;
use super::system::{PATIENCE, System};

/// The fate of a request in its `place` of a connection that is cut, where the one before it has met `fate`: the same, or it has not come
/// any more. By its sequence, so that half of them meet each.
pub(super) fn behind(fate: Fate, place: usize, request: &Request) -> Fate {
    if place > 0 && request.is_batch() && request.sequence() % 2 == 1 {
        Fate::RequestLost
    } else {
        fate
    }
}

impl System<'_> {
    /// The next request of a writer's connection meets its fate. If that is the connection's end, so do all that are behind it.
    pub(super) async fn request(&mut self, writer: usize, fate: Fate) {
        let state = &self.processes[self.current[writer]];
        let is_cut = !matches!(fate, Fate::Answered | Fate::Error);
        let is_its = |request: &Request| state.has_sent(request);
        let held = state.way.gate.take_beside(is_its, is_cut);
        if held.is_empty() {
            return;
        }
        if self.harness.shares {
            let mut connections = state.way.gate.connections();
            connections.extend(held.iter().map(|held| held.connection));
            // A lane that was refused gives its connection up, and another one may still wait for answers there.
            connections.retain(|connection| !self.given_up.contains(connection));
            assert!(
                connections.len() <= 1,
                "lanes of one process have {connections:?}"
            );
            let together = usize::from(held.len() > 1);
            self.harness
                .cut_together
                .fetch_add(together, Ordering::Relaxed);
        }
        let mut fate = fate;
        let mut unanswered = Vec::new();
        for (place, held) in held.into_iter().enumerate() {
            fate = behind(fate, place, &held.request);
            unanswered.extend(self.meet(held, fate));
        }
        for process in unanswered {
            let shared = Arc::clone(&self.processes[process].shared);
            let started = Instant::now();
            while !shared.blocked.load(Ordering::Relaxed) {
                assert!(started.elapsed() < PATIENCE, "a failed heartbeat blocks");
                tokio::task::yield_now().await;
            }
        }
        self.settle_all_of(writer).await;
    }

    /// Waits for all that share a connection with a writer.
    pub(super) async fn settle_all_of(&mut self, writer: usize) {
        for writer in self.in_the_process_of(writer) {
            self.settle(writer).await;
        }
    }

    /// A request meets its fate; gives the process that has asked and gets no answer.
    pub(super) fn meet(&mut self, held: Held, fate: Fate) -> Option<usize> {
        let request = held.request.clone();
        let process = self.sender_of(&request);
        let asks = request.is_batch() && request.asks();
        if asks {
            // The lane clears this once it is through with the answer, and sets it if there is
            // none: nothing else would tell.
            let shared = &self.processes[process].shared;
            let is_answered = fate == Fate::Answered;
            shared.blocked.store(is_answered, Ordering::Relaxed);
            self.processes[process].asking = is_answered;
        }
        let reply = self.attempt(process, &request, fate);
        match (fate, reply) {
            (Fate::Answered, Some(reply)) => held.answer(reply),
            (Fate::Error, _) => {
                self.given_up.insert(held.connection);
                held.answer(request.refusal());
            }
            _ => held.cut(),
        }
        (asks && fate != Fate::Answered).then_some(process)
    }

    /// The process whose request it is.
    pub(super) fn sender_of(&self, request: &Request) -> usize {
        let mut processes = self.processes.iter();
        let sender = processes.position(|process| process.has_sent(request));
        sender.expect("a writer of a process")
    }

    /// What happens to a request at the server.
    pub(super) fn attempt(
        &mut self,
        process: usize,
        request: &Request,
        fate: Fate,
    ) -> Option<Vec<u8>> {
        match fate {
            Fate::Answered | Fate::ReplyLost => Some(self.execute(process, request)),
            Fate::Delayed => {
                if request.is_batch() && (request.mode() != "check" || request.notes()) {
                    self.attempts.push((process, request.clone()));
                }
                None
            }
            Fate::RequestLost | Fate::Error => None,
        }
    }

    /// The server executes a request: of votes that are made again those are displaced whose key or voter others have
    /// used since, and those found that others have recorded.
    pub(super) fn execute(&mut self, process: usize, request: &Request) -> Vec<u8> {
        let reply = self.harness.execute(request);
        if request.is_batch() && request.mode() == "replay" {
            let state = &mut self.processes[process];
            // Of the votes: a state that is named has such letters too.
            let outcomes = reply.split(|byte| *byte == b'A').nth(1).unwrap_or_default();
            let letters =
                |of: &[u8]| outcomes.iter().filter(|byte| of.contains(byte)).count() as u64;
            state.displaced += letters(b"ml");
            state.found_elsewhere += letters(b"d");
        }
        reply
    }
}
