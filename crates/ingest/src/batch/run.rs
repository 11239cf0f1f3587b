//! One batch: takes its lines as they come, and answers them in their order.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::web::{Bytes, Payload};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vote_http::Problem;
use vote_store::Outcome;

use super::answer::{write_outcome, write_problem};
use super::end::End;
use super::held::HeldLines;
use super::lines::{Line, Lines};
use super::taker::{State, Taken, Taker};
use crate::gateways::{BatchEnd, LineOutcome};

/// So many lines are on their way at the most: lanes batch by hundreds, and who reads no answers holds no more than these.
const WINDOW: usize = 1_000;
/// So many lines are taken before others on the thread have their turn.
const IN_TURN: usize = 100;
/// Answers are sent on once they have so many bytes, or once the next one has to be waited for.
const PIECE: usize = 16 * 1024;

/// One batch.
pub(crate) struct Batch {
    taker: Taker,
    lines: Lines,
    window: VecDeque<Taken>,
    held: HeldLines,
    answers: Vec<u8>,
    end: Option<End>,
    /// Whether all of the body is taken, or was answered that it is not.
    is_taken: bool,
    has_said_cause: bool,
    /// Held as long as the batch lasts.
    _slot: OwnedSemaphorePermit,
}

/// Where a batch comes from, and where its answers go.
pub(crate) struct Ways {
    pub(crate) body: Payload,
    pub(crate) answers: mpsc::Sender<Bytes>,
    /// Told once the body has ended.
    pub(crate) has_ended: oneshot::Sender<()>,
    /// Longest time for the body.
    pub(crate) timeout: Duration,
    pub(crate) draining: CancellationToken,
}

impl Batch {
    pub(crate) fn new(taker: Taker, slot: OwnedSemaphorePermit) -> Self {
        Self {
            taker,
            lines: Lines::default(),
            window: VecDeque::new(),
            held: HeldLines::default(),
            answers: Vec::new(),
            end: None,
            is_taken: false,
            has_said_cause: false,
            _slot: slot,
        }
    }

    /// Until all is answered, or nobody waits for answers any more. Votes that are on their way then are recorded all the same; those
    /// that are looked up are not.
    pub(crate) async fn run(mut self, ways: Ways) {
        let Ways {
            mut body,
            answers,
            has_ended,
            timeout,
            draining,
        } = ways;
        let mut has_ended = Some(has_ended);
        let late = tokio::time::sleep(timeout);
        tokio::pin!(late);
        loop {
            let is_behind = self.take_lines();
            self.answer_ready();
            if self.is_over() {
                break;
            }
            let is_open = self.end.is_none();
            tokio::select! {
                biased;
                () = answers.closed() => {
                    self.taker.gateway.note_batch(BatchEnd::Abandoned);
                    return;
                }
                outcome = front(&mut self.window), if self.answers.len() < PIECE => self.answer(outcome),
                () = self.held.send_next(), if !self.held.is_empty() => {}
                permit = answers.reserve(), if !self.answers.is_empty() => {
                    // Closed is seen above.
                    if let Ok(permit) = permit {
                        permit.send(std::mem::take(&mut self.answers).into());
                    }
                }
                piece = body.next(), if is_open => self.end = match piece {
                    Some(Ok(piece)) => self.lines.add(&piece, Instant::now()).err().map(End::TooLarge),
                    Some(Err(_)) => Some(End::CutOff),
                    None => Some(End::Whole),
                },
                () = &mut late, if is_open => self.end = Some(End::Late(timeout)),
                () = draining.cancelled(), if is_open => self.end = Some(End::Draining),
                () = tokio::task::yield_now(), if is_behind => {}
            }
            if self.end.is_some()
                && let Some(has_ended) = has_ended.take()
            {
                // Who has gone is not told.
                let _gone = has_ended.send(());
            }
        }
        if let Some(end) = self.end {
            self.taker.gateway.note_batch(end.noted());
        }
    }

    fn is_over(&self) -> bool {
        self.is_taken && self.window.is_empty() && self.answers.is_empty()
    }

    /// Takes lines that have come whole, as many as there is room for. Whether there may be more.
    fn take_lines(&mut self) -> bool {
        if self.is_taken {
            return false;
        }
        let room = WINDOW.saturating_sub(self.window.len()).min(IN_TURN);
        for _ in 0..room {
            match self.lines.next() {
                Ok(Some(line)) => self.take(&line),
                Ok(None) => {
                    self.take_rest();
                    return false;
                }
                Err(too_large) => {
                    self.finish(End::TooLarge(too_large));
                    return false;
                }
            }
        }
        self.window.len() < WINDOW
    }

    /// Takes what is left of a body that has ended.
    fn take_rest(&mut self) {
        let Some(end) = self.end.filter(|_| !self.is_taken) else {
            return;
        };
        if end == End::Whole {
            match self.lines.rest() {
                Ok(Some(line)) => self.take(&line),
                Ok(None) => {}
                Err(too_large) => return self.finish(End::TooLarge(too_large)),
            }
        }
        self.finish(end);
    }

    fn take(&mut self, line: &Line) {
        let taken = self.taker.take(line, &mut self.held);
        self.window.push_back(taken);
    }

    /// Takes no more.
    fn finish(&mut self, end: End) {
        if !std::mem::replace(&mut self.is_taken, true)
            && let Some(problem) = end.problem()
        {
            self.window.push_back(Taken {
                number: self.lines.next_number(),
                key: None,
                state: State::Refused(problem),
            });
        }
        self.end = Some(end);
    }

    /// Answers all lines at the front whose outcome is known.
    fn answer_ready(&mut self) {
        while self.answers.len() < PIECE {
            let Some(outcome) = front(&mut self.window).now_or_never() else {
                return;
            };
            self.answer(outcome);
        }
    }

    /// Answers the line at the front.
    fn answer(&mut self, outcome: Option<Outcome>) {
        let Some(Taken { number, key, state }) = self.window.pop_front() else {
            return;
        };
        let line = (number, key.as_deref());
        let written = match (state, outcome) {
            (State::Refused(problem), _) => Err(problem),
            (State::Sent(sent), Some(outcome)) => write_outcome(
                &mut self.answers,
                line,
                (&sent, &outcome),
                &self.taker.receipt_key,
            ),
            (State::Sent(_), None) => Err(Problem::internal("a vote without an outcome")),
        };
        let outcome = written.unwrap_or_else(|problem| {
            self.say_cause(&problem);
            write_problem(&mut self.answers, line, &problem)
        });
        self.note(outcome);
    }

    fn note(&self, outcome: LineOutcome) {
        self.taker.gateway.note_line(outcome);
    }

    /// Logs why lines are not taken, once for the batch.
    fn say_cause(&mut self, problem: &Problem) {
        if let Some(cause) = problem.cause()
            && !std::mem::replace(&mut self.has_said_cause, true)
        {
            let (gateway, code) = (self.taker.gateway.name(), problem.code().as_str());
            tracing::error!(
                gateway,
                code,
                cause,
                "a line of a batch was not taken; further ones of it are only counted"
            );
        }
    }
}

/// The outcome of the line at the front; `None` of one that is no vote. Waits for ever where there is none.
async fn front(window: &mut VecDeque<Taken>) -> Option<Outcome> {
    match window.front_mut().map(|taken| &mut taken.state) {
        None => std::future::pending().await,
        Some(State::Refused(_)) => None,
        Some(State::Sent(sent)) => Some(sent.outcome().await),
    }
}
