//! Just enough of RESP (the Redis protocol, versions 2 and 3) to find where one frame ends and the next begins.

/// Bytes that are no RESP frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Length of the first complete frame at the start of `bytes`; `None` while it is incomplete.
///
/// # Errors
/// [`Malformed`] when the bytes can't be RESP.
pub fn frame_len(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut at = 0;
    // How many values are still to come before the frame is whole: aggregates add their elements.
    let mut missing: u64 = 1;
    while missing > 0 {
        let Some((line, after)) = line(bytes, at) else {
            return Ok(None);
        };
        let (kind, rest) = line.split_first().ok_or(Malformed)?;
        missing -= 1;
        at = after;
        match kind {
            b'$' | b'=' | b'!' => {
                if let Some(length) = count(rest)? {
                    at = at
                        .checked_add(usize::try_from(length).map_err(|_| Malformed)? + 2)
                        .ok_or(Malformed)?;
                    if at > bytes.len() {
                        return Ok(None);
                    }
                }
            }
            b'*' | b'~' | b'>' => {
                let elements = count(rest)?.unwrap_or(0);
                missing = missing.checked_add(elements).ok_or(Malformed)?;
            }
            b'%' => missing = missing.checked_add(doubled(rest)?).ok_or(Malformed)?,
            // An attribute comes in front of the value that it is about.
            b'|' => missing = missing.checked_add(doubled(rest)? + 1).ok_or(Malformed)?,
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {}
            _ => return Err(Malformed),
        }
    }
    Ok(Some(at))
}

/// The arguments of a complete request frame: an array of bulk strings. Empty when it is none.
#[must_use]
pub fn arguments(frame: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let Some((head, mut at)) = line(frame, 0) else {
        return found;
    };
    if head.first() != Some(&b'*') {
        return found;
    }
    while let Some((head, after)) = line(frame, at) {
        let Ok(Some(length)) = count(head.get(1..).unwrap_or_default()) else {
            break;
        };
        let Ok(length) = usize::try_from(length) else {
            break;
        };
        let Some(argument) = frame.get(after..after + length) else {
            break;
        };
        found.push(argument);
        at = after + length + 2;
    }
    found
}

/// Whether a reply frame comes unasked (a RESP3 push), so that no request waits for it.
#[must_use]
pub fn is_push(frame: &[u8]) -> bool {
    frame.first() == Some(&b'>')
}

/// The line that starts at `from` without its CRLF, and where the next one starts.
fn line(bytes: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(from..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&rest[..end], from + end + 2))
}

/// A count; `None` for the `-1` of a null.
fn count(digits: &[u8]) -> Result<Option<u64>, Malformed> {
    if digits == b"-1" {
        return Ok(None);
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or(Malformed)
}

fn doubled(digits: &[u8]) -> Result<u64, Malformed> {
    count(digits)?.unwrap_or(0).checked_mul(2).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::{Malformed, arguments, frame_len, is_push};

    #[test]
    fn frames_of_every_kind_are_measured_and_incomplete_ones_wait() {
        let frames: [&[u8]; 15] = [
            b"+OK\r\n",
            b"-ERR no\r\n",
            b":42\r\n",
            b"$-1\r\n",
            b"$0\r\n\r\n",
            b"$4\r\na\r\nb\r\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
            b"%1\r\n+a\r\n*1\r\n:1\r\n",
            b"~2\r\n:1\r\n#t\r\n",
            b">2\r\n+message\r\n_\r\n",
            b"|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n",
            b",1.5\r\n",
            b"=7\r\ntxt:abc\r\n",
        ];
        for frame in frames {
            assert_eq!(
                frame_len(frame),
                Ok(Some(frame.len())),
                "{}",
                frame.escape_ascii()
            );
            for cut in 0..frame.len() {
                assert_eq!(
                    frame_len(&frame[..cut]),
                    Ok(None),
                    "{} at {cut}",
                    frame.escape_ascii()
                );
            }
            let twice = [frame, frame].concat();
            assert_eq!(frame_len(&twice), Ok(Some(frame.len())));
        }
    }

    #[test]
    fn what_is_no_resp_is_refused() {
        assert_eq!(frame_len(b"GET / HTTP/1.1\r\n\r\n"), Err(Malformed));
        assert_eq!(frame_len(b"$x\r\n"), Err(Malformed));
        assert_eq!(frame_len(b"\r\n"), Err(Malformed));
    }

    #[test]
    fn arguments_are_binary_safe_and_pushes_are_told_apart() {
        let frame = b"*3\r\n$7\r\nEVALSHA\r\n$2\r\n\r\n\r\n$3\r\n\0\xff1\r\n";
        assert_eq!(arguments(frame), [&b"EVALSHA"[..], b"\r\n", b"\0\xff1"]);
        assert!(arguments(b"+OK\r\n").is_empty());
        assert!(is_push(b">1\r\n+x\r\n"));
        assert!(!is_push(b"+x\r\n"));
    }
}
