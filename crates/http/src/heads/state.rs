//! What is known of a connection between its requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::refusal::Refusal;

/// What may be read while a request without a body is answered: a pipelined request or some, and how a client that is gone is
/// noticed.
const AHEAD: usize = 4096;

/// Bounds of each head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadBounds {
    /// The largest head.
    pub(crate) bytes: usize,
    /// From its first byte to its last.
    pub(crate) time: Duration,
    /// How long a connection may wait for the first byte of another one. actix-http's own time for that is put off by each look at
    /// the connection, also by ours.
    pub(crate) idle: Duration,
}

/// What may be read of a connection now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// So many bytes.
    Bytes(usize),
    /// Nothing, until what was read has been looked at.
    Look,
    /// Nothing, until the request that is being answered is done.
    Wait,
    /// Nothing more.
    Refused,
}

/// What is known of a connection; its requests share it with what reads it.
pub(crate) struct Heads {
    bounds: HeadBounds,
    /// Requests that are being answered: one, or none.
    active: Cell<u32>,
    /// Whether there was any.
    has_begun: Cell<bool>,
    /// Bytes since the last one began or ended, whichever is later.
    read: Cell<usize>,
    /// Bytes that belong to its body, at the most.
    body: Cell<usize>,
    /// Whether all bytes of a whole head have been read, and are being looked at.
    is_looked_at: Cell<bool>,
    /// Since when a head is awaited, and since when one has begun to come.
    waits_since: Cell<Instant>,
    comes_since: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
}

impl Heads {
    /// Of a connection that begins.
    pub(crate) fn new(bounds: HeadBounds) -> Rc<Self> {
        Rc::new(Self {
            bounds,
            active: Cell::new(0),
            has_begun: Cell::new(false),
            read: Cell::new(0),
            body: Cell::new(0),
            is_looked_at: Cell::new(false),
            waits_since: Cell::new(Instant::now()),
            comes_since: Cell::new(None),
            waker: RefCell::new(None),
        })
    }

    /// Notes that a head has come, of a request with a body of so many bytes; `None` where that is not said. Until what is given
    /// is dropped the request is being answered.
    pub(crate) fn begin(self: &Rc<Self>, body: Option<usize>) -> Answering {
        self.active.set(self.active.get() + 1);
        self.has_begun.set(true);
        self.read.set(0);
        self.body.set(body.unwrap_or(usize::MAX / 2));
        self.is_looked_at.set(false);
        self.comes_since.set(None);
        Answering(Rc::clone(self))
    }

    fn end(&self) {
        self.active.set(self.active.get().saturating_sub(1));
        if self.active.get() > 0 {
            return;
        }
        // What of the body has not come yet is read, and thrown away, before the connection is closed.
        let missing = self.body.get().saturating_sub(self.read.get());
        self.body.set(missing);
        self.read.set(0);
        self.waits_since.set(Instant::now());
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// What may be read now.
    pub(super) fn room(&self) -> Room {
        let ahead = if self.active.get() > 0 {
            AHEAD
        } else {
            self.bounds.bytes
        };
        // A length is what a client says.
        let most = self.body.get().saturating_add(ahead);
        let left = most.saturating_sub(self.read.get());
        if left > 0 {
            return Room::Bytes(left);
        }
        if self.active.get() > 0 {
            return Room::Wait;
        }
        if self.is_looked_at.replace(true) {
            Room::Refused
        } else {
            Room::Look
        }
    }

    /// Notes that so many bytes were read.
    pub(super) fn reads(&self, bytes: usize) {
        self.read.set(self.read.get().saturating_add(bytes));
        if self.active.get() == 0 && self.comes_since.get().is_none() {
            self.comes_since.set(Some(Instant::now()));
        }
    }

    /// Wakes that task once the request is done.
    pub(super) fn wakes(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        match &mut *known {
            Some(known) => known.clone_from(waker),
            None => *known = Some(waker.clone()),
        }
    }

    /// Until when a head must have come; `None` while a request is answered.
    pub(super) fn until(&self) -> Option<Instant> {
        if self.active.get() > 0 {
            return None;
        }
        Some(match self.comes_since.get() {
            Some(since) => since + self.bounds.time,
            None if self.has_begun.get() => self.waits_since.get() + self.bounds.idle,
            None => self.waits_since.get() + self.bounds.time,
        })
    }

    /// How long a head may take.
    pub(super) fn time(&self) -> Duration {
        self.bounds.time
    }

    /// Why a connection is let go of whose head has not come in time.
    pub(super) fn late(&self) -> Refusal {
        if self.comes_since.get().is_some() || !self.has_begun.get() {
            Refusal::Late
        } else {
            Refusal::Idle
        }
    }

    /// Whether the client can be told: not within an answer, nor where what comes may be the rest of a body.
    pub(super) fn can_be_told(&self) -> bool {
        self.active.get() == 0 && self.body.get() == 0
    }
}

/// A request that is being answered, until this is dropped.
pub(crate) struct Answering(Rc<Heads>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: HeadBounds = HeadBounds {
        bytes: 100,
        time: Duration::from_secs(5),
        idle: Duration::from_secs(75),
    };

    #[test]
    fn a_head_is_looked_at_once_before_it_is_too_large() {
        let heads = Heads::new(BOUNDS);
        assert_eq!(heads.room(), Room::Bytes(100));
        heads.reads(60);
        assert_eq!(heads.room(), Room::Bytes(40));
        heads.reads(40);
        assert_eq!(heads.room(), Room::Look);
        assert_eq!(heads.room(), Room::Refused);
        assert!(heads.can_be_told());
        // Had it been one, there is room for the next.
        let answering = heads.begin(Some(0));
        drop(answering);
        assert_eq!(heads.room(), Room::Bytes(100));
    }

    #[test]
    fn while_a_request_is_answered_its_body_is_read_and_little_more() {
        let heads = Heads::new(BOUNDS);
        heads.reads(50);
        let answering = heads.begin(Some(1000));
        assert_eq!(heads.room(), Room::Bytes(1000 + AHEAD));
        heads.reads(1000 + AHEAD);
        assert_eq!(heads.room(), Room::Wait);
        assert_eq!(heads.until(), None);
        drop(answering);
        assert_eq!(heads.room(), Room::Bytes(100));
        assert!(heads.can_be_told());
    }

    #[test]
    fn the_rest_of_a_body_is_no_head() {
        let heads = Heads::new(BOUNDS);
        drop(heads.begin(Some(1000)));
        assert_eq!(heads.room(), Room::Bytes(1100));
        assert!(!heads.can_be_told());
        for endless in [None, Some(usize::MAX)] {
            drop(heads.begin(endless));
            assert!(matches!(heads.room(), Room::Bytes(1_000_000..)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_head_has_its_time_from_its_first_byte_and_a_connection_may_rest() {
        let heads = Heads::new(BOUNDS);
        let start = Instant::now();
        // The first is awaited from the beginning.
        assert_eq!(heads.until(), Some(start + BOUNDS.time));
        assert_eq!(heads.late(), Refusal::Late);
        drop(heads.begin(Some(0)));
        assert_eq!(heads.until(), Some(start + BOUNDS.idle));
        assert_eq!(heads.late(), Refusal::Idle);
        tokio::time::advance(Duration::from_secs(10)).await;
        heads.reads(1);
        tokio::time::advance(Duration::from_secs(1)).await;
        heads.reads(1);
        assert_eq!(heads.until(), Some(start + Duration::from_secs(15)));
        assert_eq!(heads.late(), Refusal::Late);
    }
}
