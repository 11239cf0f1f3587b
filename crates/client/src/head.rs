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
        let (status, mut close) = status_line(lines.next()?)?;
        let (mut length, mut is_chunked, mut retry_after) = (None, false, None);
        for header in lines {
            let (name, value) = header.split_once(':')?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let value = number(value)?;
                // Of two that differ, one is not where this answer ends.
                if length.is_some_and(|length| length != value) {
                    return None;
                }
                length = Some(value);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                // Nobody was asked for any other.
                is_chunked = value.eq_ignore_ascii_case("chunked");
                if !is_chunked {
                    return None;
                }
            } else if name.eq_ignore_ascii_case("connection") {
                close |= value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("retry-after") {
                retry_after = value.parse().ok().map(Duration::from_secs);
            }
        }
        let framing = match (status, is_chunked, length) {
            // They have no body, whatever is said of it.
            (..200 | 204 | 304, _, _) => Framing::Length(0),
            (_, true, _) => Framing::Chunked,
            (_, false, Some(length)) => Framing::Length(length),
            (_, false, None) => Framing::UntilClose,
        };
        Some(Self {
            status,
            framing,
            close,
            retry_after,
        })
    }
}

/// The status, and whether the peer closes the connection by itself.
fn status_line(line: &str) -> Option<(u16, bool)> {
    let rest = line.strip_prefix("HTTP/1.")?;
    let (minor, rest) = rest.split_once(' ')?;
    let status = rest.split(' ').next()?;
    let is_version = minor.len() == 1 && minor.bytes().all(|byte| byte.is_ascii_digit());
    let is_status = status.len() == 3;
    let status = u16::try_from(number(status)?).ok()?;
    (is_version && is_status && status >= 100).then_some((status, minor == "0"))
}

/// A number of digits alone.
fn number(text: &str) -> Option<usize> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}
