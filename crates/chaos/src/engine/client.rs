//! One request of a well-behaved client: a connection that is used again, an address that is left when it says so.

use crate::engine::fleet::Fleet;
use data_encoding::BASE64URL_NOPAD;
use std::time::Duration;
use vote_client::answer::{self, NO_CONNECTION, Shown};
use vote_client::connection::Connection;

/// How long an answer may take: longer than the accept timeout, after which the service answers in any case.
const ANSWER: Duration = Duration::from_secs(6);

/// How long the answer is waited for where the connection is to be cut.
const CUT_AFTER: Duration = Duration::from_millis(1);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);

/// After how many requests a connection is given up for the next address, so that a process that has come back gets
/// its share again.
const REQUESTS_PER_CONNECTION: u32 = 300;

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) shown: Shown,
    /// The shard that an accepted vote's receipt names.
    pub(crate) shard: Option<u16>,
    /// The process that was asked.
    pub(crate) by: usize,
    /// `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// Status and problem code, or what happened to the connection; empty for an accepted vote.
    pub(crate) error: String,
}

/// A client with one connection.
#[derive(Debug)]
pub(crate) struct Client {
    slot: Option<(usize, Connection)>,
    next: usize,
    used: u32,
}

impl Client {
    /// The clients start at different addresses.
    pub(crate) fn new(number: usize) -> Self {
        Self {
            slot: None,
            next: number,
            used: 0,
        }
    }

    /// Sends one request, at `to` or wherever there is a process.
    pub(crate) async fn send(
        &mut self,
        fleet: &Fleet,
        to: Option<usize>,
        request: &[u8],
    ) -> Attempt {
        self.send_within(ANSWER, fleet, to, request).await
    }

    /// Sends one request and cuts the connection, unless the answer is there already.
    pub(crate) async fn send_and_leave(&mut self, fleet: &Fleet, request: &[u8]) -> Attempt {
        self.send_within(CUT_AFTER, fleet, None, request).await
    }

    async fn send_within(
        &mut self,
        patience: Duration,
        fleet: &Fleet,
        to: Option<usize>,
        request: &[u8],
    ) -> Attempt {
        let Some((by, mut connection)) = self.connection(fleet, to).await else {
            return Attempt {
                shown: Shown::NotRecorded,
                shard: None,
                by: 0,
                retry_after: None,
                error: NO_CONNECTION.to_owned(),
            };
        };
        let seen = answer::vote(&mut connection, request, patience).await;
        let answered = seen.body.is_some();
        let accepted = seen.body.filter(|_| seen.shown == Shown::Accepted);
        let attempt = Attempt {
            shown: seen.shown,
            shard: accepted.and_then(shard),
            by,
            retry_after: seen.retry_after,
            error: seen.error,
        };
        if !answered {
            return attempt;
        }
        if connection.is_reusable() {
            self.slot = Some((by, connection));
        } else {
            // `Connection: close` is how a process says that it goes.
            fleet.leave(by);
        }
        attempt
    }

    async fn connection(
        &mut self,
        fleet: &Fleet,
        to: Option<usize>,
    ) -> Option<(usize, Connection)> {
        self.used += 1;
        let (used, slot) = (self.used, self.slot.take());
        if let Some((by, mut connection)) = slot
            && used < REQUESTS_PER_CONNECTION
            && to.is_none_or(|to| to == by)
            && connection.is_reusable()
        {
            return Some((by, connection));
        }
        self.used = 0;
        self.next = self.next.wrapping_add(1) % fleet.len().max(1);
        for which in fleet.order(to.unwrap_or(self.next)) {
            let endpoint = fleet.address(which).into();
            let opening = Connection::open(&endpoint);
            if let Ok(Ok(connection)) = tokio::time::timeout(CONNECT, opening).await {
                return Some((which, connection));
            }
            fleet.leave(which);
        }
        None
    }
}

/// The shard that the answer's receipt names: bytes 8 and 9 of its payload.
fn shard(body: &[u8]) -> Option<u16> {
    const BEGINS: &[u8] = b"\"receipt\":\"v1.";
    let start = body
        .windows(BEGINS.len())
        .position(|window| window == BEGINS)?
        + BEGINS.len();
    let decoded = BASE64URL_NOPAD.decode(body.get(start..start + 16)?).ok()?;
    Some(u16::from_be_bytes([*decoded.get(8)?, *decoded.get(9)?]))
}

#[cfg(test)]
mod tests {
    use super::shard;
    use vote_domain::{PollId, Receipt, ReceiptKey, WriterId};

    #[test]
    fn the_shard_is_read_from_a_real_receipt() {
        let receipt = Receipt {
            poll: PollId::parse("chaos").expect("an id"),
            writer: WriterId::from_bytes([7; 8]),
            shard: 258,
            sequence: 9,
            place: 3,
            is_repeat: false,
            at: "2026-11-24T00:00:00Z".parse().expect("a time"),
        };
        let text = receipt.sign(&ReceiptKey::from_bytes([1; 32]));
        let body = format!("{{\"status\":\"accepted\",\"receipt\":\"{text}\"}}");
        assert_eq!(shard(body.as_bytes()), Some(258));
    }
}
