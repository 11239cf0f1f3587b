//! Makes bodies for those who ask for what is not made ahead: each once.
//!
//! The work is bounded: so many are made at once, so many wait; and so are the bytes that were made and that somebody still
//! has. Beyond that the answer is 429.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{OnceCell, Semaphore};
use vote_http::{Problem, ProblemCode};

use crate::pages::body::Body;
use crate::pages::room::Room;

/// Requests that may wait for a body to be made.
const WAITING: usize = 64;

/// Makes bodies of one sort.
#[derive(Debug)]
pub(crate) struct OnDemand {
    making: Arc<Semaphore>,
    waiting: Semaphore,
    /// The bytes that were made.
    pub(crate) room: Room,
    /// What is said to who finds too many waiting, or too many bytes.
    too_many: &'static str,
}

impl OnDemand {
    pub(crate) fn new(too_many: &'static str) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            making: Arc::new(Semaphore::new(cores.div_ceil(2))),
            waiting: Semaphore::new(WAITING),
            room: Room::default(),
            too_many,
        }
    }

    /// The body in that place, from there or newly made.
    ///
    /// # Errors
    /// `too-many-requests`, where too many wait already.
    pub(crate) async fn get(
        &self,
        cell: &OnceCell<Arc<Body>>,
        make: impl FnOnce() -> io::Result<Body> + Send + 'static,
    ) -> Result<Arc<Body>, Problem> {
        if let Some(body) = cell.get() {
            return Ok(Arc::clone(body));
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return Err(self.too_many());
        };
        let body = cell.get_or_try_init(async || self.make(make).await);
        body.await.map(Arc::clone)
    }

    async fn make(
        &self,
        make: impl FnOnce() -> io::Result<Body> + Send + 'static,
    ) -> Result<Arc<Body>, Problem> {
        let making = Arc::clone(&self.making);
        let permit = making.acquire_owned().await.map_err(Problem::internal)?;
        if self.room.is_full() {
            return Err(self.too_many());
        }
        let room = self.room.clone();
        let made = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also when the client has gone.
            let _permit = permit;
            make().map(|body| body.in_room(&room))
        });
        let body = made.await.map_err(Problem::internal)?;
        body.map(Arc::new).map_err(Problem::internal)
    }

    fn too_many(&self) -> Problem {
        Problem::new(ProblemCode::TooManyRequests).detail(self.too_many)
    }
}
