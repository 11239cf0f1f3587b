//! The way through a proxy: a tunnel (CONNECT) to a service with TLS, and requests that name the service to one without.

use crate::head::Head;
use crate::proxy::Proxy;
use crate::target::Target;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The answer to a CONNECT is a head of a few lines.
const MOST: usize = 16 * 1024;

/// How a service is reached through a proxy.
#[derive(Debug, Clone)]
pub struct Route {
    proxy: Proxy,
    /// The service's host and port.
    service: String,
    tunnel: bool,
}

/// Why a proxy gave no way to the service: nothing was sent there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Nobody takes connections at its address.
    #[error("the proxy can't be reached: {0}")]
    Unreachable(io::ErrorKind),
    /// It wants to know who asks, or knows them not.
    #[error("the proxy answers 407: it asks for a user and a password, or doesn't take these")]
    Unauthorized,
    /// It makes no tunnel.
    #[error("the proxy answers {0}")]
    Refused(u16),
    /// It ended the connection before its answer.
    #[error("the proxy ended the connection")]
    Cut,
    /// Its answer is no HTTP.
    #[error("the proxy's answer is no HTTP")]
    Garbled,
}

impl From<RouteError> for io::Error {
    fn from(error: RouteError) -> Self {
        Self::other(error)
    }
}

impl Route {
    /// To a target through this proxy: a tunnel where TLS is spoken there.
    #[must_use]
    pub fn new(proxy: Proxy, target: &Target) -> Self {
        Self {
            proxy,
            service: target.authority(),
            tunnel: target.is_https(),
        }
    }

    /// The proxy.
    #[must_use]
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// What stands before the path in a request, and a header with its line's end, where the proxy itself reads
    /// requests; empty in a tunnel.
    pub(crate) fn in_requests(&self) -> (String, String) {
        if self.tunnel {
            return (String::new(), String::new());
        }
        (
            format!("http://{}", self.service),
            self.proxy.authorization(),
        )
    }

    /// A connection to the proxy, or through it to the service.
    pub(crate) async fn connect(&self, address: SocketAddr) -> Result<TcpStream, RouteError> {
        let unreachable = |error: io::Error| RouteError::Unreachable(error.kind());
        let mut stream = TcpStream::connect(address).await.map_err(unreachable)?;
        if self.tunnel {
            self.dig(&mut stream).await?;
        }
        Ok(stream)
    }

    /// RFC 9110, section 9.3.6.
    async fn dig(&self, stream: &mut TcpStream) -> Result<(), RouteError> {
        let request = format!(
            "CONNECT {service} HTTP/1.1\r\nhost: {service}\r\nuser-agent: votectl-load\r\n{}\r\n",
            self.proxy.authorization(),
            service = self.service
        );
        let sent = stream.write_all(request.as_bytes()).await;
        sent.map_err(|_| RouteError::Cut)?;
        let mut received = Vec::new();
        let end = loop {
            let mut windows = received.windows(4);
            if let Some(end) = windows.position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if received.len() > MOST {
                return Err(RouteError::Garbled);
            }
            match stream.read_buf(&mut received).await {
                Ok(read) if read > 0 => {}
                _ => return Err(RouteError::Cut),
            }
        };
        match Head::parse(&received[..end])
            .ok_or(RouteError::Garbled)?
            .status
        {
            // The service speaks only when it is greeted: nothing follows the head.
            200..=299 if end + 4 == received.len() => Ok(()),
            200..=299 => Err(RouteError::Garbled),
            407 => Err(RouteError::Unauthorized),
            status => Err(RouteError::Refused(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Route;
    use crate::answer::no_connection;
    use crate::connection::Connection;
    use crate::endpoint::Endpoint;
    use crate::target::Target;
    use crate::tls::Authorities;
    use crate::tls::tests::server;
    use vote_testkit::{Certificates, HttpProxy, free_port};

    /// The way to a service with TLS through a proxy.
    fn endpoint(proxy: &str, service: u16, trusted: &Certificates) -> Endpoint {
        let target: Target = format!("https://localhost:{service}")
            .parse()
            .expect("a base URL");
        let authorities = Authorities::read(&trusted.authority()).expect("an authority");
        let (_, port) = proxy.rsplit_once(':').expect("a port");
        Endpoint {
            address: ([127, 0, 0, 1], port.parse().expect("a port")).into(),
            tls: target.tls(&authorities).expect("a host's name"),
            route: Some(Route::new(proxy.parse().expect("a proxy"), &target)),
        }
    }

    async fn refused(proxy: &str, trusted: &Certificates) -> String {
        let opened = Connection::open(&endpoint(proxy, 1, trusted)).await;
        no_connection(&opened.expect_err("it is refused"))
    }

    #[tokio::test]
    async fn a_tunnel_carries_tls_to_the_end_with_the_user_told_to_the_proxy_alone() {
        let certificates = Certificates::generate();
        let service = server(&certificates).await.port();
        let proxy = HttpProxy::asking_for("Basic YW5hOnMzY3JldA==").await;
        let url = format!("http://ana:s3cret@127.0.0.1:{}", proxy.port());
        let endpoint = endpoint(&url, service, &certificates);
        assert!(!format!("{endpoint:?}").contains("s3cret"));
        let mut connection = Connection::open(&endpoint).await.expect("a tunnel");
        let answer = connection.exchange(b"hello").await.expect("an answer");
        assert_eq!((answer.status, answer.body), (201, b"ok".as_slice()));
        assert_eq!(
            proxy.seen(),
            [format!("CONNECT localhost:{service} HTTP/1.1")]
        );
    }

    #[tokio::test]
    async fn a_proxy_that_gives_no_way_is_told_from_a_service_that_does_not() {
        let certificates = Certificates::generate();
        let asking = HttpProxy::asking_for("Basic YW5hOnMzY3JldA==").await;
        let other = HttpProxy::start().await;
        for (proxy, says) in [
            (
                format!("http://127.0.0.1:{}", asking.port()),
                "the proxy answers 407: it asks for a user",
            ),
            (
                format!("http://ana:wr0ng@127.0.0.1:{}", asking.port()),
                "the proxy answers 407: it asks for a user",
            ),
            // Nobody listens at port 1.
            (
                format!("http://127.0.0.1:{}", other.port()),
                "the proxy answers 502",
            ),
            (
                format!("http://ana:wr0ng@127.0.0.1:{}", free_port()),
                "the proxy can't be reached: connection refused",
            ),
        ] {
            let error = refused(&proxy, &certificates).await;
            assert!(
                error.starts_with(&format!("no connection: {says}")) && !error.contains("wr0ng"),
                "{error}"
            );
        }
    }
}
