//! Votes at a steady pace, and when each was answered.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Connections that votes are sent over.
const CONNECTIONS: u32 = 32;

const VOTE: &[u8] =
    b"POST /v1/polls/bench/votes HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
    Content-Length: 19\r\n\r\n{\"candidate\":\"ana\"}";

/// Votes that are being sent.
pub(crate) struct Votes {
    accepted: Rc<RefCell<Vec<Instant>>>,
    is_over: Rc<Cell<bool>>,
}

impl Votes {
    /// Sends one at each multiple of `interval`.
    pub(crate) fn every(address: &str, interval: Duration) -> Self {
        let votes = Self {
            accepted: Rc::default(),
            is_over: Rc::default(),
        };
        for first in 0..CONNECTIONS {
            let (accepted, is_over) = (Rc::clone(&votes.accepted), Rc::clone(&votes.is_over));
            let (address, delay) = (address.to_owned(), interval * first);
            tokio::task::spawn_local(async move {
                let sending = send(&address, delay, interval * CONNECTIONS, &accepted, &is_over);
                // An error ends the connection: its votes are missing from the count, which is printed.
                let _ended = sending.await;
            });
        }
        votes
    }

    /// No more; when each was answered.
    pub(crate) fn stop(self) -> Vec<Instant> {
        self.is_over.set(true);
        self.accepted.borrow().clone()
    }
}

async fn send(
    address: &str,
    delay: Duration,
    interval: Duration,
    accepted: &RefCell<Vec<Instant>>,
    is_over: &Cell<bool>,
) -> std::io::Result<()> {
    let mut connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    let start = tokio::time::Instant::now() + delay;
    let mut ticks = tokio::time::interval_at(start, interval);
    let mut answer = [0; 4096];
    loop {
        ticks.tick().await;
        if is_over.get() {
            return Ok(());
        }
        connection.write_all(VOTE).await?;
        // An answer is small, and comes in one piece.
        let read = connection.read(&mut answer).await?;
        if !answer[..read].starts_with(b"HTTP/1.1 201") {
            return Ok(());
        }
        accepted.borrow_mut().push(Instant::now());
    }
}
