//! Clients that mean harm, or are broken: what a server does about each is for the test to say.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Connects.
///
/// # Panics
/// When nobody listens.
async fn connected(address: SocketAddr) -> TcpStream {
    match TcpStream::connect(address).await {
        Ok(stream) => {
            // Each piece by itself.
            let _slower = stream.set_nodelay(true);
            stream
        }
        Err(error) => panic!("no connection to {address}: {error}"),
    }
}

/// Sends `begin` at once, and then `piece` each `pause`, until the other side lets go. What that had answered.
pub async fn drip(address: SocketAddr, begin: &str, piece: &str, pause: Duration) -> String {
    let mut stream = connected(address).await;
    let mut answered = Vec::new();
    let mut buffer = [0; 4096];
    let mut sent = stream.write_all(begin.as_bytes()).await;
    loop {
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(length @ 1..) => answered.extend_from_slice(buffer.get(..length).unwrap_or_default()),
                Ok(0) | Err(_) => break,
            },
            () = tokio::time::sleep(pause), if sent.is_ok() => {
                sent = stream.write_all(piece.as_bytes()).await;
            }
        }
    }
    String::from_utf8_lossy(&answered).into_owned()
}

/// Sends all of that as fast as it goes, and reads meanwhile until the other side lets go. What that had answered.
pub async fn pour(address: SocketAddr, bytes: &[u8]) -> String {
    let (mut reader, mut writer) = connected(address).await.into_split();
    let mut answered = Vec::new();
    let reading = async {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            answered.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
    };
    // Who is let go of while it sends is told so when it reads.
    let (_sent, ()) = tokio::join!(writer.write_all(bytes), reading);
    String::from_utf8_lossy(&answered).into_owned()
}

/// A client that sends and never reads.
#[derive(Debug)]
pub struct Deaf {
    stream: TcpStream,
    bytes: Vec<u8>,
    sent: usize,
}

impl Deaf {
    /// Connects with as small a buffer as there can be, to send those bytes.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn connect(address: SocketAddr, bytes: Vec<u8>) -> Self {
        let connected = async {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(4096)?;
            socket.connect(address).await
        };
        match connected.await {
            Ok(stream) => Self {
                stream,
                bytes,
                sent: 0,
            },
            Err(error) => panic!("no connection to {address}: {error}"),
        }
    }

    /// Sends what goes now; whether the other side has let go.
    pub fn is_let_go(&mut self) -> bool {
        loop {
            let rest = self.bytes.get(self.sent..).unwrap_or_default();
            // Where all is sent one byte more tells whether there still is somebody.
            let next = if rest.is_empty() { b"x" } else { rest };
            match self.stream.try_write(next) {
                Ok(length) if !rest.is_empty() => self.sent += length,
                Ok(_) => return false,
                Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
            }
        }
    }
}
