//! The bytes of a connection, plain or by TLS.

use futures_util::FutureExt as _;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Adds what comes next; how much that is, 0 at the end.
    pub(crate) async fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
        }
    }

    /// Whether nothing has come unasked: neither an end nor bytes, which are as bad. What is there is used up.
    pub(crate) fn is_silent(&mut self) -> bool {
        match self {
            // Costs no system call while the socket isn't readable.
            Self::Plain(stream) => {
                matches!(stream.try_read(&mut [0]), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
            }
            // The session's tickets come unasked, and are no bytes of an answer.
            Self::Tls(stream) => tokio::task::unconstrained(stream.read(&mut [0]))
                .now_or_never()
                .is_none(),
        }
    }
}
