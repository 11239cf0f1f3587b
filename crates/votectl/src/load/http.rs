//! The HTTP/1.1 client of the load generator: one keep-alive connection per worker, reused buffers, no pool.
//!
//! A general client spends more on a request than the service that it measures, on the same cores. This one speaks
//! plain `http://` only, sends requests that are rendered beforehand, and understands every framing of an answer that
//! HTTP/1.1 has (RFC 9112, section 6.3).

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer's head may have this many bytes, and its body as well: more is no answer of ours.
const MOST: usize = 256 * 1024;

/// Where the service is: `http://host[:port][/prefix]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host name or address, IPv6 in brackets.
    host: String,
    port: u16,
    /// Path in front of `/v1`, without a slash at its end.
    prefix: String,
}

/// Why a text is no [`Target`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no base URL: {rule} (for example http://127.0.0.1:8080)")]
pub struct TargetError {
    given: String,
    rule: &'static str,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let error = |rule| TargetError {
            given: text.to_owned(),
            rule,
        };
        if text.starts_with("https://") {
            return Err(error(
                "votectl speaks plain http only; point it at the service itself, behind the TLS proxy",
            ));
        }
        let rest = text
            .strip_prefix("http://")
            .ok_or_else(|| error("it must start with http://"))?;
        if let Some(bad) = rest
            .chars()
            .find(|c| !c.is_ascii_graphic() || "?#@\\\"".contains(*c))
        {
            let _which = bad;
            return Err(error("it must be host, port and path only"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let after_address = authority.rfind(']').map_or(0, |end| end + 1);
        let (host, port) = match authority[after_address..].rfind(':') {
            Some(colon) => {
                let (host, port) = authority.split_at(after_address + colon);
                (
                    host,
                    port[1..]
                        .parse()
                        .map_err(|_| error("the port must be a number from 1 to 65535"))?,
                )
            }
            None => (authority, 80),
        };
        if host.is_empty() {
            return Err(error("the host is missing"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            prefix: path.trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.prefix)
    }
}

impl Target {
    /// The value of the `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The path of `suffix` below this base.
    #[must_use]
    pub fn path(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.prefix)
    }

    /// The address to connect to: the first that the name resolves to.
    ///
    /// # Errors
    /// When the name doesn't resolve.
    pub async fn resolve(&self) -> std::io::Result<SocketAddr> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut addresses = tokio::net::lookup_host((host, self.port)).await?;
        addresses
            .next()
            .ok_or_else(|| std::io::Error::other(format!("{host} has no address")))
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// No connection was made: the request was certainly not sent.
    NoConnection,
    /// The connection ended after (part of) the request was written: it may have been processed.
    Cut,
    /// The answer is no HTTP/1.1.
    Garbled,
}

/// An answer; its body stays in the connection's buffer until the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
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
    stream: TcpStream,
    received: Vec<u8>,
    body: Vec<u8>,
    reusable: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`Broken::NoConnection`].
    pub async fn open(address: SocketAddr) -> Result<Self, Broken> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|_| Broken::NoConnection)?;
        // Requests are small and whole: waiting for more would only add to the latency.
        stream.set_nodelay(true).map_err(|_| Broken::NoConnection)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(4096),
            body: Vec::new(),
            reusable: true,
        })
    }

    /// Whether another request may be sent: the peer has neither announced nor done a close.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        // Costs no system call while the socket isn't readable. Unasked bytes are as bad as an end.
        self.reusable
            && matches!(self.stream.try_read(&mut [0]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Sends a rendered request and receives its answer. A dropped future leaves the connection unusable.
    ///
    /// # Errors
    /// [`Broken`]; the connection must then be dropped.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, Broken> {
        self.reusable = false;
        self.received.clear();
        self.body.clear();
        self.stream
            .write_all(request)
            .await
            .map_err(|_| Broken::Cut)?;
        let mut from = 0;
        let (head, start) = loop {
            let end = loop {
                if let Some(end) = find(&self.received[from..], b"\r\n\r\n") {
                    break from + end;
                }
                self.receive().await?;
            };
            let head = Head::parse(&self.received[from..end]).ok_or(Broken::Garbled)?;
            from = end + 4;
            // Interim answers (100, 103) come before the real one.
            if head.status >= 200 {
                break (head, from);
            }
        };
        let mut close = head.close;
        match head.framing {
            Framing::Length(length) => {
                let end = start
                    .checked_add(length)
                    .filter(|end| *end <= MOST)
                    .ok_or(Broken::Garbled)?;
                while self.received.len() < end {
                    self.receive().await?;
                }
                close |= self.received.len() > end;
                self.body.extend_from_slice(&self.received[start..end]);
            }
            Framing::Chunked => self.receive_chunks(start).await?,
            Framing::UntilClose => {
                close = true;
                loop {
                    match self.receive().await {
                        Ok(()) => {}
                        Err(Broken::Cut) => break,
                        Err(other) => return Err(other),
                    }
                }
                self.body.extend_from_slice(&self.received[start..]);
            }
        }
        self.reusable = !close;
        Ok(Answer {
            status: head.status,
            retry_after: head.retry_after,
            body: &self.body,
        })
    }

    async fn receive(&mut self) -> Result<(), Broken> {
        if self.received.len() > 2 * MOST {
            return Err(Broken::Garbled);
        }
        match self.stream.read_buf(&mut self.received).await {
            Ok(read) if read > 0 => Ok(()),
            _ => Err(Broken::Cut),
        }
    }

    async fn receive_chunks(&mut self, start: usize) -> Result<(), Broken> {
        let mut at = start;
        loop {
            let line = loop {
                match find(&self.received[at..], b"\r\n") {
                    Some(end) => break end,
                    None => self.receive().await?,
                }
            };
            let text =
                std::str::from_utf8(&self.received[at..at + line]).map_err(|_| Broken::Garbled)?;
            let size = text.split(';').next().unwrap_or_default().trim();
            at += line + 2;
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

enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

struct Head {
    status: u16,
    framing: Framing,
    close: bool,
    retry_after: Option<Duration>,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.split("\r\n");
        let line = lines.next()?;
        let rest = line.strip_prefix("HTTP/1.")?;
        let status: u16 = rest.get(2..5)?.parse().ok()?;
        let mut close = rest.starts_with('0');
        let mut framing = Framing::UntilClose;
        if status == 204 || status == 304 || status < 200 {
            framing = Framing::Length(0);
        }
        let mut retry_after = None;
        for header in lines {
            let (name, value) = header.split_once(':')?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") && !matches!(framing, Framing::Chunked) {
                framing = Framing::Length(value.parse().ok()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("connection") {
                close |= value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("retry-after") {
                retry_after = value.parse().ok().map(Duration::from_secs);
            }
        }
        Some(Self {
            status,
            framing,
            close,
            retry_after,
        })
    }
}

/// Where `needle` starts in `hay`.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len())
        .position(|window| window == needle)
}

/// The status and body of one `GET`, on a connection of its own, or `None` when there is no answer within `timeout`.
pub async fn get(address: SocketAddr, path: &str, timeout: Duration) -> Option<(u16, Vec<u8>)> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let exchange = async {
        let mut connection = Connection::open(address).await.ok()?;
        let answer = connection.exchange(request.as_bytes()).await.ok()?;
        Some((answer.status, answer.body.to_vec()))
    };
    tokio::time::timeout(timeout, exchange).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::{Broken, Connection, Target};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server that reads a little and answers each connection with these bytes, in pieces, then closes.
    async fn answering(pieces: &'static [&'static str]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut rest = [0; 1024];
            let _read = stream.read(&mut rest).await;
        });
        Connection::open(address).await.unwrap()
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
            let answer = connection.exchange(b"xy").await.unwrap();
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
        let answer = connection.exchange(b"xy").await.unwrap();
        assert_eq!(
            (answer.status, answer.retry_after),
            (503, Some(Duration::from_secs(2)))
        );
        let mut cut = answering(&["HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhe"]).await;
        assert_eq!(cut.exchange(b"xy").await.unwrap_err(), Broken::Cut);
        assert!(!cut.is_reusable());
        let mut garbled = answering(&["SSH-2.0 hello\r\n\r\n"]).await;
        assert_eq!(garbled.exchange(b"xy").await.unwrap_err(), Broken::Garbled);
    }

    #[test]
    fn targets_are_parsed_and_wrong_ones_say_why() {
        let target: Target = "http://localhost:8080/vote/".parse().unwrap();
        assert_eq!(
            (target.authority(), target.path("/v1")),
            ("localhost:8080".to_owned(), "/vote/v1".to_owned())
        );
        assert_eq!(
            "http://[::1]".parse::<Target>().unwrap().to_string(),
            "http://[::1]:80"
        );
        for (text, rule) in [
            ("https://vote.example", "plain http"),
            ("localhost:8080", "start with http://"),
            ("http://:80", "host is missing"),
            ("http://a:99999", "port must be"),
            ("http://a/?x=1", "host, port and path"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(rule) && error.contains(text), "{error}");
        }
    }
}
