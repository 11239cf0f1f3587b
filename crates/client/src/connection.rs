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
        match *framing {
            Framing::Length(length) => {
                let end = start
                    .checked_add(length)
                    .filter(|end| *end <= MOST)
                    .ok_or(Broken::Garbled)?;
                while self.received.len() < end {
                    self.receive().await?;
                }
                self.body.extend_from_slice(&self.received[start..end]);
                Ok(self.received.len() == end)
            }
            Framing::Chunked => {
                self.receive_chunks(start).await?;
                Ok(true)
            }
            Framing::UntilClose => {
                loop {
                    match self.receive().await {
                        Ok(()) => {}
                        Err(Broken::Cut) => break,
                        Err(other) => return Err(other),
                    }
                }
                self.body.extend_from_slice(&self.received[start..]);
                Ok(false)
            }
        }
    }

    /// Receives until `mark` is there, from `from` on; where it starts.
    async fn receive_until(&mut self, from: usize, mark: &[u8]) -> Result<usize, Broken> {
        loop {
            match find(&self.received[from..], mark) {
                Some(at) => return Ok(from + at),
                None => self.receive().await?,
            }
        }
    }

    async fn receive(&mut self) -> Result<(), Broken> {
        if self.received.len() > 2 * MOST {
            return Err(Broken::Garbled);
        }
        match self.stream.receive(&mut self.received).await {
            Ok(read) if read > 0 => Ok(()),
            _ => Err(Broken::Cut),
        }
    }

    async fn receive_chunks(&mut self, start: usize) -> Result<(), Broken> {
        let mut at = start;
        loop {
            let end = self.receive_until(at, b"\r\n").await?;
            let text = std::str::from_utf8(&self.received[at..end]).map_err(|_| Broken::Garbled)?;
            let size = text.split(';').next().unwrap_or_default().trim();
            at = end + 2;
            let size = usize::from_str_radix(size, 16)
                .ok()
                .filter(|size| *size <= MOST)
                .ok_or(Broken::Garbled)?;
            while self.received.len() < at + size + 2 {
                self.receive().await?;
            }
            self.body.extend_from_slice(&self.received[at..at + size]);
            at += size + 2;
            if size == 0 {
                return Ok(());
            }
        }
    }
}

/// Where `needle` starts in `hay`.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::{Broken, Connection};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server that reads a little and answers each connection with these bytes, in pieces, then closes.
    async fn answering(pieces: &'static [&'static str]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody connects");
            stream.read_u8().await.expect("the peer is there");
            for piece in pieces {
                stream
                    .write_all(piece.as_bytes())
                    .await
                    .expect("the peer is there");
                tokio::task::yield_now().await;
            }
            let mut rest = [0; 1024];
            let _read = stream.read(&mut rest).await;
        });
        Connection::open(&address.into())
            .await
            .expect("the server takes connections")
    }

    #[tokio::test]
    async fn answers_of_every_framing_are_read() {
        let cases: [(&[&str], u16, &str, bool); 5] = [
            (
                &[
                    "HTTP/1.1 201 Created\r\nContent-Le",
                    "ngth: 5\r\n\r\nhe",
                    "llo",
                ],
                201,
                "hello",
                true,
            ),
            (
                &[
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
                ],
                200,
                "abcde",
                true,
            ),
            (&["HTTP/1.1 204 No Content\r\n\r\n"], 204, "", true),
            (
                &[
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx",
                ],
                200,
                "x",
                false,
            ),
            (
                &["HTTP/1.0 200 OK\r\n\r\nuntil the end"],
                200,
                "until the end",
                false,
            ),
        ];
        for (pieces, status, body, reusable) in cases {
            let mut connection = answering(pieces).await;
            let answer = connection
                .exchange(b"xy")
                .await
                .expect("there is an answer");
            assert_eq!(
                (answer.status, answer.body),
                (status, body.as_bytes()),
                "{pieces:?}"
            );
            assert_eq!(connection.reusable, reusable, "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn retry_after_is_read_and_broken_answers_are_told_apart() {
        let mut connection =
            answering(&["HTTP/1.1 503 No\r\nRetry-After: 2\r\ncontent-length: 0\r\n\r\n"]).await;
        let answer = connection
            .exchange(b"xy")
            .await
            .expect("there is an answer");
        assert_eq!(
            (answer.status, answer.retry_after),
            (503, Some(Duration::from_secs(2)))
        );
        let mut cut = answering(&["HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhe"]).await;
        assert_eq!(
            cut.exchange(b"xy").await.expect_err("it is refused"),
            Broken::Cut
        );
        assert!(!cut.is_reusable());
        let mut garbled = answering(&["SSH-2.0 hello\r\n\r\n"]).await;
        assert_eq!(
            garbled.exchange(b"xy").await.expect_err("it is refused"),
            Broken::Garbled
        );
    }
}
