//! Connections that begin with a header of the PROXY protocol.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use vote_limits::{MAX_HEADER, ProxyHeader, proxy_header};

/// What is behind such a header.
pub(super) struct Proxied {
    /// Who has connected to the proxy; `None` where the proxy asks for itself.
    pub(super) from: Option<SocketAddr>,
    /// What was read beyond the header.
    pub(super) rest: Vec<u8>,
}

/// How it ended.
pub(super) enum HeaderRead {
    Whole(Proxied),
    /// There was none, or not in time.
    Missing,
    /// Nothing was sent at all, as by who only looks whether the port is open; or the server stops.
    Ended,
}

/// Reads the header.
pub(super) async fn read_header(
    io: &mut TcpStream,
    patience: Duration,
    stopping: Pin<&mut impl Future<Output = ()>>,
) -> HeaderRead {
    let reading = tokio::time::timeout(patience, whole_header(io));
    tokio::select! {
        biased;
        read = reading => read.unwrap_or(HeaderRead::Missing),
        () = stopping => HeaderRead::Ended,
    }
}

async fn whole_header(io: &mut TcpStream) -> HeaderRead {
    // Room for any header, and for the request that may come with it.
    let mut bytes = Vec::with_capacity(MAX_HEADER);
    loop {
        match io.read_buf(&mut bytes).await {
            Ok(1..) => {}
            Ok(0) | Err(_) if bytes.is_empty() => return HeaderRead::Ended,
            Ok(0) | Err(_) => return HeaderRead::Missing,
        }
        match proxy_header(&bytes) {
            Ok(ProxyHeader::Incomplete) => {}
            Ok(ProxyHeader::Whole { from, length }) => {
                bytes.drain(..length);
                return HeaderRead::Whole(Proxied { from, rest: bytes });
            }
            Err(_) => return HeaderRead::Missing,
        }
    }
}
