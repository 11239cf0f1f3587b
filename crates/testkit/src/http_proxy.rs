//! A small HTTP proxy: tunnels (CONNECT), and requests by HTTP/1.1 that name their service. For tests alone: it goes to
//! 127.0.0.1 whatever host is named, takes bodies by `Content-Length` only, and checks nothing that comes back.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The proxy; closed when dropped.
#[derive(Debug)]
pub struct HttpProxy {
    port: u16,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// What `Proxy-Authorization` has to be.
    asks_for: Option<String>,
    seen: Mutex<Vec<String>>,
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl HttpProxy {
    /// Starts a proxy for everybody.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn start() -> Self {
        Self::starting(None).await
    }

    /// Starts a proxy for those who send this `Proxy-Authorization`; it answers 407 to others.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn asking_for(authorization: &str) -> Self {
        Self::starting(Some(authorization.to_owned())).await
    }

    async fn starting(asks_for: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.unwrap_or_else(|error| panic!("no port is free: {error}"));
        let address = listener.local_addr();
        let address = address.unwrap_or_else(|error| panic!("a listener has no address: {error}"));
        let shared = Arc::new(Shared {
            asks_for,
            seen: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move { serve(stream, &shared).await });
            }
        });
        Self {
            port: address.port(),
            shared,
            listening,
        }
    }

    /// The port of the proxy, at 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The first lines of the requests that were let in.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        let seen = self.shared.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    /// Whether a request is let in; notes its first line then.
    fn lets_in(&self, request: &Request) -> bool {
        let allowed = self.asks_for.is_none() || self.asks_for == request.authorization;
        if allowed {
            let seen = self.seen.lock();
            seen.unwrap_or_else(PoisonError::into_inner)
                .push(request.line.clone());
        }
        allowed
    }
}

/// Serves one connection, which is for one service. What ends it early the client sees by its end.
async fn serve(stream: TcpStream, shared: &Shared) -> Option<()> {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let first = Request::read(&mut from).await?;
    if !shared.lets_in(&first) {
        let asks = b"HTTP/1.1 407 No\r\nproxy-authenticate: Basic realm=\"test\"\r\ncontent-length: 2\r\n\r\nno";
        return to.write_all(asks).await.ok();
    }
    let Ok(service) = TcpStream::connect(("127.0.0.1", first.port()?)).await else {
        let refused = b"HTTP/1.1 502 No\r\ncontent-length: 2\r\n\r\nno";
        return to.write_all(refused).await.ok();
    };
    let (mut answers, mut service) = service.into_split();
    if first.line.starts_with("CONNECT ") {
        to.write_all(b"HTTP/1.1 200 Here\r\n\r\n").await.ok()?;
        tokio::select! {
            _ = tokio::io::copy(&mut from, &mut service) => {}
            _ = tokio::io::copy(&mut answers, &mut to) => {}
        }
        return None;
    }
    let requests = async {
        let mut request = first;
        loop {
            service
                .write_all(request.passed_on()?.as_bytes())
                .await
                .ok()?;
            let mut body = (&mut from).take(request.length);
            tokio::io::copy(&mut body, &mut service).await.ok()?;
            request = Request::read(&mut from).await?;
            if !shared.lets_in(&request) {
                return None::<()>;
            }
        }
    };
    tokio::select! {
        _ = requests => {}
        _ = tokio::io::copy(&mut answers, &mut to) => {}
    }
    None
}

/// The head of a request.
struct Request {
    /// Method, absolute address (or host and port) and version.
    line: String,
    /// The other lines that are passed on.
    headers: String,
    authorization: Option<String>,
    length: u64,
}

impl Request {
    async fn read(from: &mut BufReader<OwnedReadHalf>) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if from.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let mut lines = lines.into_iter();
        let mut request = Self {
            line: lines.next()?,
            headers: String::new(),
            authorization: None,
            length: 0,
        };
        for header in lines {
            let (name, value) = header.split_once(':')?;
            if name.eq_ignore_ascii_case("proxy-authorization") {
                request.authorization = Some(value.trim().to_owned());
                continue;
            }
            if name.eq_ignore_ascii_case("content-length") {
                request.length = value.trim().parse().ok()?;
            }
            request.headers.push_str(&format!("{header}\r\n"));
        }
        Some(request)
    }

    /// The service's host and port, and the path.
    fn address(&self) -> Option<(&str, &str)> {
        let url = self.line.split(' ').nth(1)?;
        let address = url.strip_prefix("http://").unwrap_or(url);
        Some(address.split_at(address.find('/').unwrap_or(address.len())))
    }

    fn port(&self) -> Option<u16> {
        self.address()?.0.rsplit_once(':')?.1.parse().ok()
    }

    /// As the service reads it: with its path alone.
    fn passed_on(&self) -> Option<String> {
        let method = self.line.split(' ').next()?;
        let (_, path) = self.address()?;
        Some(format!("{method} {path} HTTP/1.1\r\n{}\r\n", self.headers))
    }
}
