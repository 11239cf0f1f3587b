//! The bounded queue in front of a lane.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::ticket::Ticket;
use super::vote::VoteToCast;

/// A vote in the queue, and who waits for it.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) vote: VoteToCast,
    pub(crate) ticket: Arc<Ticket>,
    /// When it came, which is what `received_at_ms` says by the wall's clock. It may have waited for more than its lane since.
    pub(crate) since: Instant,
}

impl Pending {
    /// One that came then.
    pub(crate) const fn since(vote: VoteToCast, ticket: Arc<Ticket>, since: Instant) -> Self {
        Self {
            vote,
            ticket,
            since,
        }
    }

    /// Of now.
    #[cfg(test)]
    pub(crate) fn new(vote: VoteToCast, ticket: Arc<Ticket>) -> Self {
        Self::since(vote, ticket, Instant::now())
    }

    /// Whether its key may have been used, and forgotten, by a repeat elsewhere: then it can't be told any more
    /// whether it would count once more. Half of the window is its client's, a quarter is ours to wait from when it came, whatever
    /// for, and the rest is for requests on their way and for clocks that are apart (ARCHITECTURE.md, "Clocks").
    pub(crate) fn outlives_its_key(&self, now: Instant, idempotency_window: Duration) -> bool {
        self.vote.key.is_some() && now.duration_since(self.since) > idempotency_window / 4
    }

    /// Marks the vote as sent; `false` where its client has recalled it.
    pub(crate) fn send(&self) -> bool {
        self.ticket.send()
    }

    /// Nobody will learn more of the vote: tells its client what is known.
    pub(crate) fn give_up(&self) {
        self.ticket.resolve(self.ticket.recall());
    }
}

/// Votes that wait for their lane. Requests of all worker threads push, one lane takes.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    arrived: Notify,
    capacity: usize,
}

#[derive(Debug)]
struct Inner {
    votes: Vec<Pending>,
    /// The lane sleeps until so many votes are there. Only then is a push worth a wake-up.
    wake_at: usize,
    closed: bool,
}

/// The lane is awake.
const AWAKE: usize = usize::MAX;

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                votes: Vec::new(),
                wake_at: AWAKE,
                closed: false,
            }),
            arrived: Notify::new(),
            capacity,
        }
    }

    /// Adds a vote; gives it back where the queue is full or closed.
    pub(crate) fn push(&self, pending: Pending) -> Result<(), Pending> {
        let mut inner = self.inner.lock();
        if inner.closed || inner.votes.len() >= self.capacity {
            return Err(pending);
        }
        inner.votes.push(pending);
        let wake = inner.votes.len() >= inner.wake_at;
        if wake {
            inner.wake_at = AWAKE;
        }
        drop(inner);
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Votes that wait now.
    pub(crate) fn len(&self) -> usize {
        self.inner.lock().votes.len()
    }

    /// Whether one waits that was received before this time.
    pub(crate) fn has_any_before(&self, received_at_ms: i64) -> bool {
        let inner = self.inner.lock();
        let mut votes = inner.votes.iter();
        votes.any(|pending| pending.vote.received_at_ms < received_at_ms)
    }

    /// Takes all that wait, in the order of their arrival.
    pub(crate) fn take(&self, into: &mut Vec<Pending>) {
        into.clear();
        std::mem::swap(&mut self.inner.lock().votes, into);
    }

    /// Drops the votes that their clients have recalled: while Redis is away they would take the room of others.
    pub(crate) fn drop_recalled(&self) {
        let mut inner = self.inner.lock();
        inner.votes.retain(|pending| pending.ticket.is_waited_for());
    }

    /// Waits until at least `votes` votes wait. Returns whether it had to sleep for it.
    pub(crate) async fn wait_for(&self, votes: usize) -> bool {
        let mut slept = false;
        loop {
            {
                let mut inner = self.inner.lock();
                if inner.votes.len() >= votes.min(self.capacity) {
                    inner.wake_at = AWAKE;
                    return slept;
                }
                inner.wake_at = votes.min(self.capacity);
            }
            self.arrived.notified().await;
            slept = true;
        }
    }

    /// Takes no vote any more; what waits is still carried.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
    }
}

#[cfg(test)]
mod tests {
    use vote_domain::KeyDigest;

    use super::*;

    #[test]
    fn recalled_votes_make_room_and_the_others_keep_their_order() {
        let queue = Queue::new(3);
        let tickets = [Ticket::new(), Ticket::new(), Ticket::new()];
        for ticket in &tickets {
            let pending = Pending::new(VoteToCast::plain(0), Arc::clone(ticket));
            queue.push(pending).expect("there is room");
        }
        tickets[1].recall();
        let next = Ticket::new();
        let pending = Pending::new(VoteToCast::plain(0), Arc::clone(&next));
        let pending = queue.push(pending).expect_err("it is full");
        queue.drop_recalled();
        queue.push(pending).expect("there is room");
        let mut taken = Vec::new();
        queue.take(&mut taken);
        let taken: Vec<_> = taken.iter().map(|it| Arc::as_ptr(&it.ticket)).collect();
        let expected = [&tickets[0], &tickets[2], &next];
        assert_eq!(taken, expected.map(Arc::as_ptr));
    }

    #[tokio::test(start_paused = true)]
    async fn a_vote_with_a_key_outlives_it_a_quarter_of_the_window_after_it_came_however_late_it_is_queued()
     {
        let window = Duration::from_secs(120);
        let keyed = || VoteToCast {
            key: Some(KeyDigest::from_bytes([1; 16])),
            ..VoteToCast::plain(0)
        };
        let came = Instant::now();
        tokio::time::advance(Duration::from_secs(31)).await;
        let now = Instant::now();
        let outlives =
            |vote, since| Pending::since(vote, Ticket::new(), since).outlives_its_key(now, window);
        assert!(outlives(keyed(), came));
        assert!(!outlives(keyed(), came + Duration::from_secs(1)));
        assert!(
            !outlives(VoteToCast::plain(0), came),
            "nobody repeats it by a key"
        );
    }
}
