//! One keep-alive connection of an HTTP/1.1 client, with reused buffers.
//!
//! It understands every framing of an answer that HTTP/1.1 has (RFC 9112, section 6.3).

use crate::endpoint::Endpoint;
use crate::head::{Framing, Head};
use crate::stream::Stream;
use std::time::Duration;
use tokio::net::TcpStream;

/// An answer's head may have this many bytes, and its body as well: more is no answer of ours.
const MOST: usize = 256 * 1024;

/// Why a request that was sent has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The connection ended after (part of) the request was written: it may have been processed.
    Cut,
    /// The answer is no HTTP/1.1.
    Garbled,
}

/// An answer; its body stays in the connection's buffer until the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// `Retry-After` in seconds, when it was given so.
    pub retry_after: Option<Duration>,
    /// The body without its framing.
    pub body: &'a [u8],
}

/// One keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    received: Vec<u8>,
    body: Vec<u8>,
    reusable: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// No connection was made, the proxy made none, or TLS does not trust it: nothing was sent.
    pub async fn open(endpoint: &Endpoint) -> std::io::Result<Self> {
        let stream = match &endpoint.route {
            None => TcpStream::connect(endpoint.address).await?,
            Some(route) => route.connect(endpoint.address).await?,
        };
        // Requests are small and whole: waiting for more would only add to the latency.
        stream.set_nodelay(true)?;
        let stream = match &endpoint.tls {
            None => Stream::Plain(stream),
            Some(tls) => Stream::Tls(Box::new(tls.connect(stream).await?)),
        };
        Ok(Self {
            stream,
            received: Vec::with_capacity(4096),
            body: Vec::new(),
            reusable: true,
        })
    }

    /// Whether another request may be sent: the peer has neither announced nor done a close.
    #[must_use]
    pub fn is_reusable(&mut self) -> bool {
        self.reusable && self.stream.is_silent()
    }

    /// Sends a rendered request and receives its answer. A dropped future leaves the connection unusable.
    ///
    /// # Errors
    /// [`Broken`]; the connection must then be dropped.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Response<'_>, Broken> {
        self.reusable = false;
        self.received.clear();
        self.body.clear();
        self.stream.send(request).await.map_err(|_| Broken::Cut)?;
        let (head, start) = self.receive_head().await?;
        let more_may_follow = self.receive_body(&head.framing, start).await?;
        self.reusable = more_may_follow && !head.close;
        Ok(Response {
            status: head.status,
            retry_after: head.retry_after,
            body: &self.body,
        })
    }

    /// The head of the answer, and where its body starts.
    async fn receive_head(&mut self) -> Result<(Head, usize), Broken> {
        let mut from = 0;
        loop {
            let end = self.receive_until(from, b"\r\n\r\n").await?;
            let head = Head::parse(&self.received[from..end]).ok_or(Broken::Garbled)?;
            from = end + 4;
            // Interim answers (100, 103) come before the real one.
            if head.status >= 200 {
                return Ok((head, from));
            }
        }
    }

    /// Puts the body where it belongs. Whether the connection can be used for another answer after it.
    async fn receive_body(&mut self, framing: &Framing, start: usize) -> Result<bool, Broken> {
        let end = match *framing {
            Framing::Length(length) if length > MOST => return Err(Broken::Garbled),
            Framing::Length(length) => {
                let end = start + length;
                self.receive_up_to(end).await?;
                self.body.extend_from_slice(&self.received[start..end]);
                end
            }
            Framing::Chunked => self.receive_chunks(start).await?,
            Framing::UntilClose => {
                while self.receive().await? {
                    if self.received.len() - start > MOST {
                        return Err(Broken::Garbled);
                    }
                }
                self.body.extend_from_slice(&self.received[start..]);
                return Ok(false);
            }
        };
        // What has come unasked after it would be taken for the beginning of the next answer.
        Ok(self.received.len() == end)
    }

    /// Receives until `mark` is there, from `from` on; where it starts.
    async fn receive_until(&mut self, from: usize, mark: &[u8]) -> Result<usize, Broken> {
        let mut looked = from;
        loop {
            match find(&self.received[looked..], mark) {
                Some(at) if looked + at - from <= MOST => return Ok(looked + at),
                Some(_) => return Err(Broken::Garbled),
                None if self.received.len() - from > MOST + mark.len() => {
                    return Err(Broken::Garbled);
                }
                None => {
                    // Its first bytes may be there already.
                    looked = from.max(self.received.len().saturating_sub(mark.len() - 1));
                    self.receive_up_to(self.received.len() + 1).await?;
                }
            }
        }
    }

    /// Receives until so many bytes are there.
    async fn receive_up_to(&mut self, end: usize) -> Result<(), Broken> {
        while self.received.len() < end {
            if !self.receive().await? {
                return Err(Broken::Cut);
            }
        }
        Ok(())
    }

    /// Receives what comes next; false where the peer has ended the connection as one does.
    async fn receive(&mut self) -> Result<bool, Broken> {
        if self.received.len() > 2 * MOST {
            return Err(Broken::Garbled);
        }
        let read = self.stream.receive(&mut self.received).await;
        read.map(|read| read > 0).map_err(|_| Broken::Cut)
    }

    /// Puts the chunks together; where the last one ends, with the fields that may come after it.
    async fn receive_chunks(&mut self, start: usize) -> Result<usize, Broken> {
        let mut at = start;
        loop {
            let end = self.receive_until(at, b"\r\n").await?;
            let size = chunk_size(&self.received[at..end]).ok_or(Broken::Garbled)?;
            at = end + 2;
            if size == 0 {
                return self.receive_trailer(at).await;
            }
            if self.body.len() + size > MOST {
                return Err(Broken::Garbled);
            }
            self.receive_up_to(at + size + 2).await?;
            self.body.extend_from_slice(&self.received[at..at + size]);
            at += size;
            if self.received[at..at + 2] != *b"\r\n" {
                return Err(Broken::Garbled);
            }
            at += 2;
        }
    }

    /// Leaves out the fields after the last chunk; where they end.
    async fn receive_trailer(&mut self, start: usize) -> Result<usize, Broken> {
        let mut at = start;
        loop {
            let end = self.receive_until(at, b"\r\n").await?;
            let is_last = end == at;
            at = end + 2;
            if is_last {
                return Ok(at);
            }
        }
    }
}

/// The size that a chunk's line tells, before what may be said besides.
fn chunk_size(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.split(';').next()?.trim();
    // Standard parsing takes a sign as well.
    let is_hexadecimal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let size = usize::from_str_radix(digits, 16).ok()?;
    (is_hexadecimal && size <= MOST).then_some(size)
}

/// Where `needle` starts in `hay`.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests;
