//! The system under test: real lanes, real tickets, real scripts on a real Redis, taken from step
//! to step.
//!
//! The clock of the runtime stands still but where a step moves it, and each request of a lane waits at
//! a gate until a step decides on its fate: there is one order of events for a schedule.

use std::collections::BTreeSet;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use vote_domain::WriterId;

use super::deciding::Deciding;
use super::gate::Request;
use super::harness::{BOUNDARY_MS, Harness, Snapshot};
use super::life::Left;
use super::process::{Process, closed_at_ms};
use super::steps::{Ballot, Cast, Fate, HALF_OPEN_MS, Phase, Reference, Step, WRITERS};
use crate::commit::outcome::Outcome;
use crate::commit::ticket::{Ticket, Waiting};

/// The idempotency window of all writers, as keys are spelled.
pub(super) const WINDOW_MS: i64 = 60_000;
/// More requests than any schedule can need: a writer that has not come to rest then never will.
const ENOUGH_REQUESTS: usize = 400;
/// Real time after which a lane that neither asks nor rests is taken for dead.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A vote that was cast, and what is known of it.
pub(super) struct Vote {
    pub(super) ballot: Ballot,
    pub(super) at: i64,
    /// As in its [`Cast`].
    pub(super) is_withdrawn: bool,
    /// As in its [`Cast`].
    pub(super) is_suspect: bool,
    /// The process that took it: an index of [`System::processes`].
    pub(super) process: usize,
    /// Channel and candidate: its own, but for repeats of a key.
    pub(super) pair: (u8, u8),
    pub(super) outcome: Option<Outcome>,
    /// How often Redis had crashed when the outcome was known.
    pub(super) crashes: usize,
    pub(super) ticket: Arc<Ticket>,
}

pub(super) struct System<'a> {
    pub(super) harness: &'a Harness,
    pub(super) processes: Vec<Process>,
    pub(super) current: [usize; WRITERS],
    pub(super) votes: Vec<Vote>,
    pub(super) crashes: usize,
    pub(super) ever_paused: bool,
    pub(super) closed_at: i64,
    /// What the operator has done last: a seal may have had to wait.
    pub(super) phase: Phase,
    unexpected_before: u64,
    /// Attempts that were given up, each with the process whose votes it carries.
    pub(super) attempts: Vec<(usize, Request)>,
    /// Connections whose requests were answered by an error.
    pub(super) given_up: BTreeSet<usize>,
    pub(super) deciding: Deciding,
    /// What processes have left behind.
    pub(super) left: Vec<Left>,
    snapshots: Vec<Snapshot>,
    /// The candidates that have had their vote, by channel.
    pub(super) candidates: [u8; 2],
    revision: u64,
}

impl<'a> System<'a> {
    pub(super) async fn start(harness: &'a Harness, reference: &Reference) -> Self {
        harness.flush();
        let mut system = Self {
            harness,
            processes: Vec::new(),
            current: [0; WRITERS],
            votes: Vec::new(),
            crashes: 0,
            ever_paused: false,
            closed_at: HALF_OPEN_MS,
            phase: Phase::Open,
            unexpected_before: all_unexpected(harness),
            attempts: Vec::new(),
            given_up: BTreeSet::new(),
            deciding: Deciding::default(),
            left: Vec::new(),
            snapshots: Vec::new(),
            candidates: [0; 2],
            revision: 0,
        };
        system.fence(Phase::Open, HALF_OPEN_MS);
        system.snapshots.push(harness.snapshot());
        for writer in 0..WRITERS {
            system.spawn(writer, reference).await;
        }
        system
    }

    pub(super) async fn step(&mut self, reference: &Reference, step: &Step) {
        match step {
            Step::Cast { writer, votes } => {
                for cast in votes {
                    self.cast(*writer, *cast);
                }
                self.settle(*writer).await;
            }
            Step::Request { writer, fate } => self.request(*writer, *fate).await,
            Step::Late { which } => self.any_late(usize::from(*which)),
            Step::Recall { writer } => {
                let process = self.current[*writer];
                for vote in &self.votes {
                    if vote.process == process {
                        vote.ticket.recall();
                    }
                }
            }
            Step::Heartbeat { writer } => self.heartbeat(*writer).await,
            Step::KillWriter { writer, fate } => self.kill(*writer, *fate, reference).await,
            Step::StopWriter { writer } => self.stop_in_order(*writer, reference).await,
            Step::LeaveBehind { writer, fate } => {
                self.leave_behind(*writer, *fate, reference).await;
            }
            Step::Replay { which, answered } => {
                if !self.left.is_empty() {
                    let which = usize::from(*which) % self.left.len();
                    self.replay(which, *answered).await;
                }
            }
            Step::Persist => self.snapshots.push(self.harness.snapshot()),
            // Left out: a crash that forgets a seal.
            Step::Crash { .. } if self.phase.is_over() => {}
            Step::Crash { back } => {
                let last = self.snapshots.len().saturating_sub(1 + usize::from(*back));
                self.snapshots.truncate(last + 1);
                self.harness.restore(&self.snapshots[last]);
                self.crashes += 1;
                // Left out: attempts that outlive the server, see `steps.rs`.
                self.attempts.clear();
                self.deciding.late.clear();
            }
            Step::Heal => self.heal().await,
            Step::Publish { writer } => self.publish(*writer, reference),
            Step::Seal => {
                if !self.phase.is_over() && self.is_waited_for().is_empty() {
                    self.release_all();
                    self.fence(Phase::Sealed, reference.closes_at);
                }
            }
            Step::Decide {
                operator,
                decision,
                suspects,
                at_once,
            } => self.decide(*operator, *decision, *suspects, *at_once),
            Step::Call { operator, fate } => self.call(*operator, *fate),
            Step::Pause | Step::Resume | Step::Close { .. } | Step::Void => {
                self.fence(reference.phase, reference.closes_at);
            }
        }
        self.note_outcomes();
    }

    /// Lets everything come to rest, old attempts included.
    pub(super) async fn finish(&mut self) {
        self.heal().await;
        self.replay_all().await;
        // A lane whose replay window is empty asks for no gaps: the next vote finds them.
        for writer in 0..WRITERS {
            self.cast(
                writer,
                Cast {
                    ballot: Ballot::Plain,
                    at: HALF_OPEN_MS,
                    is_withdrawn: false,
                    is_suspect: false,
                },
            );
        }
        self.answer_all().await;
        for writer in 0..WRITERS {
            self.cast(
                writer,
                Cast {
                    ballot: Ballot::Plain,
                    at: 0,
                    is_withdrawn: false,
                    is_suspect: false,
                },
            );
        }
        while self.late_ones() > 0 {
            self.any_late(0);
        }
        self.heal().await;
        self.release_all();
        let before = self.harness.figures();
        self.replay_all().await;
        let after = self.harness.figures();
        assert_eq!(
            (before.tally, before.held.quarantine),
            (after.tally, after.held.quarantine),
            "a second replay has counted something"
        );
        self.note_outcomes();
    }

    pub(super) async fn stop(mut self) {
        for process in &mut self.processes {
            process.stop().await;
        }
    }

    /// Votes that the writers have found beyond what they had had acknowledged.
    pub(super) fn unexpected(&self) -> u64 {
        all_unexpected(self.harness) - self.unexpected_before
    }

    /// Votes that a process has said to be lost.
    pub(super) fn lost(&self, process: &Process) -> u64 {
        if let Some((lost, _)) = process.ended {
            return lost;
        }
        self.harness.metrics[process.slot]
            .poll
            .unrecoverable_votes
            .get()
            - process.lost_before
    }

    /// A writer reads the poll.
    fn publish(&self, writer: usize, reference: &Reference) {
        let shared = &self.processes[self.current[writer]].shared;
        shared
            .closes_at_ms
            .store(BOUNDARY_MS + reference.closes_at, Ordering::Relaxed);
        shared
            .closed_at_ms
            .store(closed_at_ms(reference), Ordering::Relaxed);
    }

    fn fence(&mut self, phase: Phase, closes_at: i64) {
        self.phase = phase;
        self.revision += 1;
        self.ever_paused |= phase == Phase::Paused;
        self.closed_at = self.closed_at.min(closes_at);
        self.harness.fence(phase, closes_at, self.revision);
    }

    /// Waits until the writer has a request out, or has nothing to do.
    pub(super) async fn settle(&mut self, writer: usize) {
        let process = self.current[writer];
        let started = Instant::now();
        for turn in 1_u64.. {
            self.note_outcomes();
            let state = &mut self.processes[process];
            if state.asking && !state.shared.blocked.load(Ordering::Relaxed) {
                state.asking = false;
            }
            if state.is_waiting() {
                return;
            }
            let waits = |vote: &Vote| vote.process == process && vote.outcome.is_none();
            if !state.asking && !self.votes.iter().any(waits) {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "writer {writer} neither asks nor rests"
            );
            if turn.is_multiple_of(32) {
                // It may be between two attempts.
                tokio::time::advance(Duration::from_millis(250)).await;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn heartbeat(&mut self, writer: usize) {
        self.settle(writer).await;
        let process = self.current[writer];
        if self.processes[process].is_waiting() {
            return;
        }
        // Until it sleeps.
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        // A lane with an empty window does not ask.
        for _ in 0..48 {
            if self.processes[process].is_waiting() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The writers for which the operator waits: those that are not drained, and whose process is there. Of
    /// one that Redis has forgotten whole the ledger says nothing: it has the grace to be found again.
    fn is_waited_for(&self) -> Vec<String> {
        let figures = self.harness.figures();
        let alive = self.processes.iter().filter(|process| process.alive);
        let mut waiting = Vec::new();
        for process in alive {
            for writer in process.writers.lock().iter() {
                let name = writer.to_string();
                let mark = figures.held.drained.get(&name).map(String::as_str);
                let closes_at = (BOUNDARY_MS + self.closed_at).to_string();
                let drained = mark == Some("ended") || mark == Some(closes_at.as_str());
                let known = figures
                    .held
                    .ledger
                    .contains_key(&format!("{name}/sequence"));
                if !drained && (known || self.has_accepted(*writer)) {
                    waiting.push(name);
                }
            }
        }
        waiting
    }

    fn has_accepted(&self, writer: WriterId) -> bool {
        self.votes.iter().any(|vote| {
            matches!(&vote.outcome, Some(Outcome::Accepted(vote)) if vote.place.writer == writer)
        })
    }

    async fn heal(&mut self) {
        self.answer_all().await;
        for writer in 0..WRITERS {
            self.heartbeat(writer).await;
            self.answer_all().await;
        }
    }

    async fn answer_all(&mut self) {
        for writer in 0..WRITERS {
            let process = self.current[writer];
            let mut requests = 0;
            self.settle(writer).await;
            while self.processes[process].is_waiting() {
                self.request(writer, Fate::Answered).await;
                requests += 1;
                assert!(
                    requests < ENOUGH_REQUESTS,
                    "writer {writer} asks for ever: {:?}",
                    self.processes[process].way.gate.waiting()
                );
            }
        }
    }

    pub(super) fn note_outcomes(&mut self) {
        for vote in &mut self.votes {
            if vote.outcome.is_some() {
                continue;
            }
            let mut context = Context::from_waker(Waker::noop());
            let mut waiting = Waiting(Arc::clone(&vote.ticket));
            if let Poll::Ready(outcome) = Pin::new(&mut waiting).poll(&mut context) {
                vote.outcome = Some(outcome);
                vote.crashes = self.crashes;
            }
        }
    }
}

fn all_unexpected(harness: &Harness) -> u64 {
    let metrics = harness.metrics.iter();
    metrics
        .map(|metrics| metrics.poll.unexpected_votes.get())
        .sum()
}
