//! One connection through the proxy: two loops that share the queue of requests whose replies are to come.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use crate::proxy::script::Fault;
use crate::proxy::shared::Shared;
use crate::resp::{arguments, frame_len, is_push};

/// How long a cut waits for the replies of the requests before it.
const EARLIER_REPLIES: Duration = Duration::from_secs(10);

/// The fault of each request that was forwarded and has no reply yet, oldest first.
#[derive(Default)]
struct Pending {
    faults: Mutex<VecDeque<Fault>>,
    answered: Notify,
}

impl Pending {
    fn faults(&self) -> MutexGuard<'_, VecDeque<Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn all_answered(&self) {
        loop {
            let answered = self.answered.notified();
            if self.faults().is_empty() {
                return;
            }
            answered.await;
        }
    }
}

/// Carries bytes both ways until either side closes or a fault cuts the connection.
pub(super) async fn run(client: TcpStream, server: TcpStream, shared: &Shared) {
    // Frames go out as they come in: Nagle's algorithm would add 40 ms to each half frame.
    let _faster = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let pending = Pending::default();
    // The first of the two to end takes the other with it, and both sockets are closed.
    tokio::select! {
        () = requests(from_client, to_server, shared, &pending) => {}
        () = replies(from_server, to_client, shared, &pending) => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    pending: &Pending,
) {
    let mut frames = Frames::default();
    while let Some(frame) = frames.next(&mut from).await {
        let words = arguments(&frame);
        let command = words.first().copied().unwrap_or_default();
        let is_held = shared.script().is_held(&words);
        if is_held {
            // What came before it has been done by then.
            pending.all_answered().await;
            shared.script().counts.held += 1;
            shared.go_on.notified().await;
        }
        let fault = shared.script().fault_for(command);
        match fault {
            Fault::CutBeforeRequest | Fault::CutMidRequest => {
                if fault == Fault::CutMidRequest
                    && to.write_all(&frame[..frame.len() / 2]).await.is_err()
                {
                    return;
                }
                let _or_late = tokio::time::timeout(EARLIER_REPLIES, pending.all_answered()).await;
                let counts = &mut shared.script().counts;
                if fault == Fault::CutMidRequest {
                    counts.cut_mid_request += 1;
                } else {
                    counts.cut_before_request += 1;
                }
                return;
            }
            _ => {
                // Into the queue first: the reply may be back before the request is written.
                pending.faults().push_back(fault);
                if to.write_all(&frame).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    pending: &Pending,
) {
    let mut frames = Frames::default();
    while let Some(frame) = frames.next(&mut from).await {
        if is_push(&frame) {
            if to.write_all(&frame).await.is_err() {
                return;
            }
            continue;
        }
        let fault = pending.faults().front().copied().unwrap_or(Fault::Pass);
        match fault {
            Fault::CutBeforeReply => {
                shared.script().counts.cut_before_reply += 1;
                return;
            }
            Fault::CutMidReply => {
                let _sent = to.write_all(&frame[..frame.len() / 2]).await;
                shared.script().counts.cut_mid_reply += 1;
                return;
            }
            Fault::DelayReply(delay) => {
                shared.script().counts.delayed += 1;
                tokio::time::sleep(delay).await;
            }
            Fault::Pass | Fault::CutBeforeRequest | Fault::CutMidRequest => {}
        }
        if to.write_all(&frame).await.is_err() {
            return;
        }
        let counts = &mut shared.script().counts;
        counts.replies += 1;
        counts.reply_bytes += frame.len() as u64;
        pending.faults().pop_front();
        pending.answered.notify_waiters();
    }
}

/// Whole frames from a stream of bytes.
#[derive(Default)]
struct Frames {
    buffer: Vec<u8>,
}

impl Frames {
    /// The next whole frame; `None` at the end, on an error, and for bytes that aren't RESP.
    async fn next(&mut self, from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = frame_len(&self.buffer).ok()? {
                let rest = self.buffer.split_off(length);
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            self.buffer.reserve(64 * 1024);
            if from.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        }
    }
}
