//! One question to a service, beside the votes.

use crate::connection::Connection;
use std::net::SocketAddr;
use std::time::Duration;

/// The status and body of one `GET`, on a connection of its own, or `None` when there is no answer within `timeout`.
pub async fn get(address: SocketAddr, path: &str, timeout: Duration) -> Option<(u16, Vec<u8>)> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let exchange = async {
        let mut connection = Connection::open(&address.into()).await.ok()?;
        let answer = connection.exchange(request.as_bytes()).await.ok()?;
        Some((answer.status, answer.body.to_vec()))
    };
    tokio::time::timeout(timeout, exchange).await.ok().flatten()
}
