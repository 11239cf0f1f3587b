//! Connections that lanes share: a few to each server. The calls of many lanes travel over each of them, one behind the
//! other, so that a lane that has nothing to send needs none.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;

use super::link::Link;
use crate::address::Node;
use crate::error::StoreError;

/// A clone of a shared connection. What is sent over it is answered in its order.
#[derive(derive_more::Deref, derive_more::DerefMut)]
pub(crate) struct SharedLink {
    #[deref]
    #[deref_mut]
    connection: MultiplexedConnection,
    origin: Option<Origin>,
}

/// Where a shared connection is kept.
struct Origin {
    place: Arc<Place>,
    number: u64,
}

impl SharedLink {
    /// A connection that nobody else has.
    pub(super) fn own(link: Link) -> Self {
        Self {
            connection: link.take(),
            origin: None,
        }
    }

    /// Which of all shared connections it is; `None` where nobody else has it.
    pub(crate) fn number(&self) -> Option<u64> {
        self.origin.as_ref().map(|origin| origin.number)
    }

    /// Nobody gets the connection any more. Who has it may still wait for answers that are on their way.
    pub(crate) fn discard(self) {
        if let Some(Origin { place, number }) = self.origin {
            place.remove(|kept| kept.number == number);
        }
    }
}

/// The shared connections to all servers.
#[derive(Default)]
pub(super) struct SharedLinks {
    by_server: Mutex<HashMap<Node, HashMap<usize, Arc<Place>>>>,
    made: AtomicU64,
}

/// Keeps one connection.
#[derive(Default)]
pub(super) struct Place {
    kept: Mutex<Option<Kept>>,
    /// When a connection could not be made last, and why. Held while somebody makes one.
    failed: tokio::sync::Mutex<Option<(Instant, String)>>,
}

struct Kept {
    link: Link,
    number: u64,
    used_at: Instant,
}

impl Place {
    fn remove(&self, is_meant: impl FnOnce(&Kept) -> bool) {
        let mut kept = self.kept.lock();
        if kept.as_ref().is_some_and(is_meant)
            && let Some(Kept { link, .. }) = kept.take()
        {
            link.discard();
        }
    }

    fn get(self: &Arc<Self>) -> Option<SharedLink> {
        let mut kept = self.kept.lock();
        let Kept {
            link,
            number,
            used_at,
        } = kept.as_mut()?;
        *used_at = Instant::now();
        Some(SharedLink {
            connection: link.share(),
            origin: Some(Origin {
                place: Arc::clone(self),
                number: *number,
            }),
        })
    }
}

impl SharedLinks {
    /// The connection of `place`, if it is there.
    pub(super) fn get(&self, node: &Node, place: usize) -> Option<SharedLink> {
        self.by_server.lock().get(node)?.get(&place)?.get()
    }

    /// The connection of `place`, made by `make` where there is none. Who comes while somebody makes one waits for that
    /// one, and shares its failure.
    pub(super) async fn get_or_make(
        &self,
        node: &Node,
        place: usize,
        make: impl Future<Output = Result<Link, StoreError>>,
    ) -> Result<SharedLink, StoreError> {
        let called = Instant::now();
        let place = {
            let mut by_server = self.by_server.lock();
            let places = by_server.entry(node.clone()).or_default();
            Arc::clone(places.entry(place).or_default())
        };
        let mut failed = place.failed.lock().await;
        if let Some(link) = place.get() {
            return Ok(link);
        }
        if let Some((at, why)) = failed.as_ref()
            && *at >= called
        {
            return Err(StoreError::Connect(why.clone()));
        }
        match make.await {
            Ok(link) => {
                let number = self.made.fetch_add(1, Ordering::Relaxed);
                *failed = None;
                *place.kept.lock() = Some(Kept {
                    link,
                    number,
                    used_at: Instant::now(),
                });
                place
                    .get()
                    .ok_or_else(|| StoreError::Connect(format!("{node}: let go at once")))
            }
            Err(error) => {
                let why = match &error {
                    StoreError::Connect(why) => why.clone(),
                    other => other.to_string(),
                };
                *failed = Some((Instant::now(), why));
                Err(error)
            }
        }
    }

    /// Lets go of all connections to the servers that `is_kept` refuses.
    pub(super) fn retain(&self, is_kept: impl Fn(&Node) -> bool) {
        let mut by_server = self.by_server.lock();
        by_server.retain(|node, places| {
            let is_kept = is_kept(node);
            if !is_kept {
                places.values().for_each(|place| place.remove(|_| true));
            }
            is_kept
        });
    }

    /// Lets go of those that nobody has used since `before`.
    pub(super) fn let_go_of_unused(&self, before: Instant) {
        for place in self.by_server.lock().values().flat_map(HashMap::values) {
            place.remove(|kept| kept.used_at < before);
        }
    }
}
