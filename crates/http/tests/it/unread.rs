//! Readers of a large body who don't read: what each costs, and that it is let go.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use vote_testkit::eventually;

use crate::support::{LARGE, ask, start};

/// The same body before the routes, and by a route.
const WAYS: [&str; 2] = ["/v1/polls/large", "/v1/large"];
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// A connection that takes as little as there can be, and on which the answer has begun.
async fn unread(address: SocketAddr, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("set");
    let mut connection = socket.connect(address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let sent = connection.write_all(request.as_bytes()).await;
    sent.expect("sent");
    connection.readable().await.expect("an answer");
    connection
}

/// The memory of this process, with its service, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("statistics");
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.map(|pages: usize| pages * 4096).expect("a number")
}

#[tokio::test]
async fn a_large_body_has_its_length_and_all_its_bytes_both_ways() {
    let service = start(&[("VOTE__SHUTDOWN__GRACE_MS", "0")]).await;
    for path in WAYS {
        let answer = ask(service.address(), &format!("GET {path}")).await;
        assert_eq!(answer.status, 200);
        let length = LARGE.len().to_string();
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
        assert_eq!(answer.header("transfer-encoding"), None);
        assert!(answer.body.as_bytes() == &LARGE[..], "{path}");
    }
    let head = ask(service.address(), "HEAD /v1/large").await;
    let length = head.header("content-length");
    assert_eq!(length, Some(LARGE.len().to_string().as_str()));
    assert!(head.body.is_empty());
    let _stopped = service.shutdown(CancellationToken::new()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn readers_who_do_not_read_cost_a_slice_and_not_a_body() {
    const READERS: usize = 100;
    const EACH: usize = 128 * 1024;
    let service = start(&[("VOTE__SHUTDOWN__GRACE_MS", "0")]).await;
    for path in WAYS {
        // What the first answer takes, the others share.
        let mut readers = vec![unread(service.address(), path).await];
        let before = resident();
        for _ in 0..READERS {
            readers.push(unread(service.address(), path).await);
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < READERS * EACH, "{path}: {} each", grown / READERS);
    }
    let _stopped = service.shutdown(CancellationToken::new()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn readers_of_a_large_body_who_do_not_read_are_let_go() {
    let over = [
        ("VOTE__HTTP__WRITE_TIMEOUT_MS", "800"),
        ("VOTE__SHUTDOWN__GRACE_MS", "0"),
    ];
    let service = start(&over).await;
    for path in WAYS {
        let mut readers = Vec::new();
        for _ in 0..10 {
            readers.push(unread(service.address(), path).await);
        }
        // Whoever goes on sending to a connection that is no more is told so.
        eventually(PATIENCE, || async {
            readers
                .iter()
                .all(|reader| match reader.try_write(b"\r\n") {
                    Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
                    Ok(_) => false,
                })
        })
        .await;
    }
    let _stopped = service.shutdown(CancellationToken::new()).await;
}
