//! A connection that is let go of when its next head is late or too large.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::refusal::Refusal;
use super::replayed::Replayed;
use super::state::{HeadBounds, Heads, Room};

/// A connection, and what is known of its heads.
pub(crate) struct Watched {
    io: Replayed,
    heads: Rc<Heads>,
    /// Set anew when it has ended, and not at each request.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether all that was to be written has been taken.
    is_written: bool,
    is_refused: bool,
    refuses: Rc<dyn Fn(Refusal)>,
}

impl Watched {
    /// One that begins. `refuses` is told why it is let go of.
    pub(crate) fn new(io: Replayed, bounds: HeadBounds, refuses: Rc<dyn Fn(Refusal)>) -> Self {
        Self {
            io,
            heads: Heads::new(bounds),
            timer: None,
            is_written: true,
            is_refused: false,
            refuses,
        }
    }

    /// What its requests share with it.
    pub(crate) fn heads(&self) -> &Rc<Heads> {
        &self.heads
    }

    /// Ends when the head is late.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(until) = self.heads.until() else {
                return Poll::Pending;
            };
            // It never waits for longer than a head may take, so that it need not be set anew when one begins.
            let step = || until.min(Instant::now() + self.heads.time());
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(step())));
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if until <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(step());
        }
    }

    /// Says why, where that can be said, and reads no more: for actix-http the client has gone.
    fn refuse(&mut self, why: Refusal) {
        self.is_refused = true;
        (self.refuses)(why);
        if !self.is_written || !self.heads.can_be_told() {
            return;
        }
        if let Some(answer) = why.answer() {
            // Into buffers that are empty it goes whole, or the connection is no more.
            let _gone = self.io.try_write(&answer);
        }
    }

    /// Reads so many bytes at the most; how many it were.
    fn read(
        &mut self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(&mut self.io);
        if room >= into.remaining() {
            let before = into.filled().len();
            let read = io.poll_read(context, into);
            return read.map_ok(|()| into.filled().len() - before);
        }
        let mut part = ReadBuf::new(into.initialize_unfilled_to(room));
        let read = io.poll_read(context, &mut part);
        let length = part.filled().len();
        read.map_ok(|()| {
            into.advance(length);
            length
        })
    }

    /// Notes what was taken of so many bytes.
    fn writes(
        &mut self,
        bytes: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.is_written = matches!(written, Poll::Ready(Ok(length)) if length == bytes);
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_refused {
            return Poll::Ready(Ok(()));
        }
        let room = match self.heads.room() {
            Room::Bytes(room) => room,
            Room::Look => {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Room::Wait => {
                self.heads.wakes(context.waker());
                return Poll::Pending;
            }
            Room::Refused => {
                self.refuse(Refusal::TooLarge);
                return Poll::Ready(Ok(()));
            }
        };
        match self.read(context, into, room) {
            Poll::Ready(read) => {
                self.heads.reads(read?);
                Poll::Ready(Ok(()))
            }
            Poll::Pending => self.poll_late(context).map(|()| {
                let why = self.heads.late();
                self.refuse(why);
                Ok(())
            }),
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.writes(bytes.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.writes(bytes, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
