//! `healthcheck`: asks the service that runs on this machine how it is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::exit::{self, fail};

/// Longest time to get the answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks the service whose operators' port is bound to `bind`; the exit code is its answer.
pub(crate) fn healthcheck(bind: SocketAddr, path: &str) -> u8 {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no runtime: {error}")),
    };
    let address = local(bind);
    let answer = async { tokio::time::timeout(TIMEOUT, ask(address, path)).await };
    match runtime.block_on(answer) {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200") => exit::SUCCESS,
        Ok(Ok(answer)) => fail(answer.split("\r\n\r\n").nth(1).unwrap_or("no answer")),
        Ok(Err(error)) => fail(&format!("no answer from {address}: {error}")),
        Err(_) => fail(&format!(
            "no answer from {address} within {} s",
            TIMEOUT.as_secs()
        )),
    }
}

/// Where a service bound to that address is reached from its own machine.
fn local(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

async fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    // The report is small; whatever else answers there is not read for ever.
    stream.take(64 * 1024).read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_health_check_asks_this_machine() {
        for (bind, asked) in [
            ("0.0.0.0:9080", "127.0.0.1:9080"),
            ("[::]:9080", "[::1]:9080"),
            ("10.1.2.3:9080", "10.1.2.3:9080"),
        ] {
            assert_eq!(local(bind.parse().expect("an address")).to_string(), asked);
        }
    }
}
