//! A connection of which some bytes were read already.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Gives the bytes that were read, and then what comes.
#[derive(Debug)]
pub(crate) struct Replayed {
    io: TcpStream,
    read: Vec<u8>,
    given: usize,
}

impl Replayed {
    pub(crate) const fn new(io: TcpStream, read: Vec<u8>) -> Self {
        Self { io, read, given: 0 }
    }

    /// Writes what is taken of these bytes at once.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.io.try_write(bytes)
    }
}

impl AsyncRead for Replayed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.read.get(self.given..).unwrap_or_default();
        if left.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, into);
        }
        let length = left.len().min(into.remaining());
        into.put_slice(left.get(..length).unwrap_or_default());
        self.given += length;
        if self.given == self.read.len() {
            (self.read, self.given) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replayed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
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
