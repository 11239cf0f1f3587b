//! The head of an answer: status line and headers, as far as a client needs them.

use std::time::Duration;

/// How the end of a body is found.
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// What the head says.
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    /// The peer closes the connection after this answer.
    pub(crate) close: bool,
    pub(crate) retry_after: Option<Duration>,
}

impl Head {
    /// Reads it without its last empty line.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
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
