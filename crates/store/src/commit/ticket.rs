//! What a waiting client holds while its vote is on its way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::outcome::Outcome;
use super::wakes::{Mailbox, Wakes};

/// Where one vote is. Shared by the request that waits and the lane that carries the vote.
///
/// It decides the race that matters: a vote is either recalled before it was sent (and then the
/// lane drops it), or it was sent (and then nobody may say that it was not recorded).
#[derive(Debug)]
pub(crate) struct Ticket {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Queued(Option<Client>),
    Sent(Option<Client>),
    Recalled,
    Done(Outcome),
}

/// Who waits.
#[derive(Debug)]
struct Client {
    waker: Waker,
    /// Of the thread on which it waits.
    mailbox: Option<Arc<Mailbox>>,
}

impl Ticket {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::Queued(None)),
        })
    }

    /// Marks the vote as sent; `false` where its client has recalled it.
    pub(crate) fn send(&self) -> bool {
        let mut state = self.state.lock();
        match &mut *state {
            State::Queued(client) => {
                *state = State::Sent(client.take());
                true
            }
            State::Sent(_) => true,
            State::Recalled | State::Done(_) => false,
        }
    }

    /// Takes the mark back: every attempt to send it is known to have come to nothing.
    pub(crate) fn unsend(&self) {
        let mut state = self.state.lock();
        if let State::Sent(client) = &mut *state {
            *state = State::Queued(client.take());
        }
    }

    /// Whether its client still waits.
    pub(crate) fn is_waited_for(&self) -> bool {
        matches!(*self.state.lock(), State::Queued(_) | State::Sent(_))
    }

    /// Whether somebody has come to wait.
    #[cfg(test)]
    pub(crate) fn has_client(&self) -> bool {
        matches!(&*self.state.lock(), State::Queued(client) | State::Sent(client) if client.is_some())
    }

    /// Says how it ended, and wakes the client.
    pub(crate) fn resolve(&self, outcome: Outcome) {
        self.resolve_with(outcome, &mut Wakes::default());
    }

    /// The same; the client is woken with `wakes`.
    pub(crate) fn resolve_with(&self, outcome: Outcome, wakes: &mut Wakes) {
        let mut state = self.state.lock();
        let client = match &mut *state {
            State::Queued(client) | State::Sent(client) => client.take(),
            State::Recalled | State::Done(_) => return,
        };
        *state = State::Done(outcome);
        drop(state);
        if let Some(Client { waker, mailbox }) = client {
            wakes.add(mailbox, waker);
        }
    }

    /// The client's time is up: what can it be told?
    pub(crate) fn recall(&self) -> Outcome {
        let mut state = self.state.lock();
        match &*state {
            State::Queued(_) | State::Recalled => {
                *state = State::Recalled;
                Outcome::NotRecorded
            }
            State::Sent(_) => Outcome::Unknown,
            State::Done(outcome) => outcome.clone(),
        }
    }
}

/// Resolves to the vote's outcome.
#[derive(Debug)]
pub(crate) struct Waiting(pub(crate) Arc<Ticket>);

impl Future for Waiting {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.0.state.lock();
        match &mut *state {
            State::Done(outcome) => Poll::Ready(outcome.clone()),
            State::Recalled => Poll::Ready(Outcome::NotRecorded),
            State::Queued(client) | State::Sent(client) => {
                match client {
                    Some(known) => known.waker.clone_from(context.waker()),
                    None => {
                        *client = Some(Client {
                            waker: context.waker().clone(),
                            mailbox: Mailbox::of_this_thread(),
                        });
                    }
                }
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_recalled_before_it_was_sent_is_never_sent() {
        let ticket = Ticket::new();
        assert!(matches!(ticket.recall(), Outcome::NotRecorded));
        assert!(!ticket.send());
    }

    #[test]
    fn a_vote_that_was_sent_is_never_called_not_recorded() {
        let ticket = Ticket::new();
        assert!(ticket.send());
        assert!(matches!(ticket.recall(), Outcome::Unknown));
        ticket.resolve(Outcome::Duplicate(None));
        assert!(matches!(ticket.recall(), Outcome::Duplicate(_)));
    }

    #[test]
    fn a_vote_whose_every_attempt_failed_for_certain_can_be_recalled_again() {
        let ticket = Ticket::new();
        assert!(ticket.send());
        ticket.unsend();
        assert!(matches!(ticket.recall(), Outcome::NotRecorded));
        assert!(!ticket.send());
    }
}
