//! How many bytes bodies take that were made for who asked: in caches, and on their way to readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web::Bytes;

/// What is kept for others who may ask for the same, of all polls together.
pub(crate) const KEPT: usize = 32 << 20;

/// From here on no more are made: this much is kept, or is being sent to readers who are slow to take it.
const IN_ALL: usize = 2 * KEPT;

/// The room of a process; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Room(Arc<AtomicUsize>);

impl Room {
    /// The bytes that are taken.
    pub(crate) fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether there is room for no more.
    pub(crate) fn is_full(&self) -> bool {
        self.used() >= IN_ALL
    }

    /// Takes room, until what is given is dropped.
    pub(super) fn take(&self, bytes: usize) -> Arc<Taken> {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Arc::new(Taken {
            room: self.clone(),
            bytes,
        })
    }
}

/// Room that is taken.
#[derive(Debug)]
pub(super) struct Taken {
    room: Room,
    bytes: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes that take room for as long as somebody has them.
struct Occupant {
    bytes: Bytes,
    _taken: Arc<Taken>,
}

impl AsRef<[u8]> for Occupant {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The same bytes, as a part of what took `taken`.
pub(super) fn occupying(bytes: Bytes, taken: &Arc<Taken>) -> Bytes {
    Bytes::from_owner(Occupant {
        bytes,
        _taken: Arc::clone(taken),
    })
}
