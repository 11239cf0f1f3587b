//! Readers of the stream, and when each event came to each of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Connections that are opened at a time: more would fill the server's queue.
const AT_A_TIME: usize = 500;
/// What a member may be cut in two by.
const LONGEST_CUT: usize = 64;

/// When events came.
#[derive(Default)]
pub(crate) struct Arrivals {
    /// By the poll's votes in an event: when it first came, and how much later to every other reader.
    first: RefCell<BTreeMap<u64, Instant>>,
    behind: RefCell<Vec<Duration>>,
    readers: RefCell<JoinSet<std::io::Result<()>>>,
}

impl Arrivals {
    fn came(&self, votes: u64) {
        let now = Instant::now();
        let first = *self.first.borrow_mut().entry(votes).or_insert(now);
        self.behind.borrow_mut().push(now - first);
    }

    pub(crate) fn len(&self) -> usize {
        self.behind.borrow().len()
    }

    /// Begins to measure.
    pub(crate) fn forget(&self) {
        self.behind.borrow_mut().clear();
    }

    pub(crate) fn behind(&self) -> Spread {
        Spread::of(self.behind.borrow().clone())
    }

    /// From each vote's answer to the first event that shows as many votes as were accepted by then. Votes are counted,
    /// not recognised: one whose answer is still on its way is taken for another, so a few milliseconds can be missing.
    pub(crate) fn shown(&self, accepted: &[Instant]) -> Spread {
        let first = self.first.borrow();
        let base = first.keys().next().copied().unwrap_or_default();
        let mut late = Vec::new();
        for (before, answered) in accepted.iter().enumerate() {
            let count = base + u64::try_from(before).unwrap_or(u64::MAX) + 1;
            let Some((_, came)) = first.range(count..).next() else {
                continue;
            };
            late.push(came.saturating_duration_since(*answered));
        }
        Spread::of(late)
    }

    /// Sends the readers away, at once: whether there is news for them or not.
    pub(crate) fn close(&self) {
        self.readers.borrow_mut().abort_all();
    }
}

/// Opens readers, and waits until each has its first event.
pub(crate) async fn open(
    address: &str,
    readers: usize,
    arrivals: &Rc<Arrivals>,
) -> anyhow::Result<()> {
    let mut opened = 0;
    while opened < readers {
        let some = AT_A_TIME.min(readers - opened);
        for _ in 0..some {
            let connection = TcpStream::connect(address)
                .await
                .context("no connection: are there enough descriptors (`ulimit -n`)?")?;
            let reading = read(connection, Rc::clone(arrivals));
            arrivals.readers.borrow_mut().spawn_local(reading);
        }
        opened += some;
        while arrivals.len() < opened {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

async fn read(mut connection: TcpStream, arrivals: Rc<Arrivals>) -> std::io::Result<()> {
    connection
        .write_all(b"GET /v1/polls/bench/results/stream HTTP/1.1\r\nHost: bench\r\n\r\n")
        .await?;
    let mut read = Vec::with_capacity(8192);
    loop {
        if connection.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
        if let Some(votes) = newest(&read) {
            arrivals.came(votes);
            read.clear();
        } else if read.len() > 2 * 8192 {
            read.drain(..read.len() - LONGEST_CUT);
        }
    }
}

/// The number of votes in the last event that is there whole.
fn newest(read: &[u8]) -> Option<u64> {
    const MEMBER: &[u8] = b"\"total_votes\":";
    let mut at = read.windows(MEMBER.len()).enumerate();
    // The first of them is the poll's; each channel has its own behind it.
    let (start, _) = at.find(|(_, window)| *window == MEMBER)?;
    let digits = &read[start + MEMBER.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// Some times, in order.
pub(crate) struct Spread(Vec<Duration>);

impl Spread {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    fn at(&self, share: usize) -> Duration {
        let index = self.0.len() * share / 1000;
        let last = self.0.len().saturating_sub(1);
        self.0.get(index.min(last)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |share| self.at(share).as_secs_f64() * 1000.0;
        write!(
            f,
            "p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms (of {})",
            ms(500),
            ms(990),
            ms(1000),
            self.0.len()
        )
    }
}
