//! The header by which a proxy says who has connected to it (PROXY protocol, versions 1 and 2).

use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, Protocol};

/// A longer header is none: that of version 1 has at most 107 bytes, and what proxies add to one of version 2 some hundreds.
pub const MAX_HEADER: usize = 4096;

/// The longest header of version 1.
const MAX_TEXT: usize = 107;

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// More are needed.
    Incomplete,
    /// A header of so many bytes.
    Whole {
        /// Who has connected to the proxy; `None` where the proxy itself asks, or does not say.
        from: Option<SocketAddr>,
        /// Its bytes.
        length: usize,
    },
}

/// The bytes are no such header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no header of the PROXY protocol")]
pub struct NoHeader;

/// Reads the header at the begin of a connection.
///
/// # Errors
/// There is none, and never will be.
pub fn proxy_header(bytes: &[u8]) -> Result<ProxyHeader, NoHeader> {
    let config = ParseConfig {
        include_tlvs: false,
        allow_v1: true,
        allow_v2: true,
    };
    let (header, length) = match proxy_header::ProxyHeader::parse(bytes, config) {
        Ok(read) => read,
        Err(Error::BufferTooShort) if bytes.len() < MAX_HEADER && may_begin(bytes) => {
            return Ok(ProxyHeader::Incomplete);
        }
        Err(_) => return Err(NoHeader),
    };
    let is_text = bytes.first() == Some(&b'P');
    if length > MAX_HEADER || (is_text && length > MAX_TEXT) {
        return Err(NoHeader);
    }
    let from = match header.proxied_address() {
        None => None,
        Some(address) if address.protocol == Protocol::Stream => {
            let ip = address.source.ip().to_canonical();
            Some(SocketAddr::new(ip, address.source.port()))
        }
        Some(_datagrams) => return Err(NoHeader),
    };
    Ok(ProxyHeader::Whole { from, length })
}

/// Whether a header can begin so, as far as there are bytes: nothing is waited for that can't come.
fn may_begin(bytes: &[u8]) -> bool {
    let begins = |whole: &[u8]| bytes.iter().zip(whole).all(|(one, other)| one == other);
    if begins(b"PROXY ") {
        // With its line it is whole.
        return !bytes.contains(&b'\n');
    }
    if !begins(b"\r\n\r\n\0\r\nQUIT\n") {
        return false;
    }
    // The length of version 2 is said: that it is all there, and was still too short, will not change.
    match (bytes.get(14), bytes.get(15)) {
        (Some(high), Some(low)) => {
            let whole = 16 + usize::from(u16::from_be_bytes([*high, *low]));
            whole <= MAX_HEADER && bytes.len() < whole
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BEGIN: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

    /// A header of version 2 with that command, family and rest.
    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [BEGIN, &[command, family], &length, rest].concat()
    }

    const V4: [u8; 12] = [198, 51, 100, 1, 10, 0, 0, 1, 0x12, 0x34, 0, 80];

    fn whole(bytes: &[u8]) -> (Option<String>, usize) {
        match proxy_header(bytes) {
            Ok(ProxyHeader::Whole { from, length }) => (from.map(|from| from.to_string()), length),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn headers_say_who_has_connected() {
        let text = b"PROXY TCP4 198.51.100.1 10.0.0.1 4660 80\r\nPOST /";
        assert_eq!(whole(text), (Some("198.51.100.1:4660".to_owned()), 42));
        let text = b"PROXY TCP6 2001:db8::1 ::1 4660 80\r\n";
        assert_eq!(
            whole(text),
            (Some("[2001:db8::1]:4660".to_owned()), text.len())
        );
        let mapped = b"PROXY TCP6 ::ffff:198.51.100.1 ::1 4660 80\r\n";
        assert_eq!(whole(mapped).0, Some("198.51.100.1:4660".to_owned()));
        let v2 = binary(0x21, 0x11, &V4);
        assert_eq!(
            whole(&[&v2[..], b"POST /"].concat()),
            (Some("198.51.100.1:4660".to_owned()), 28)
        );
        let with_more = binary(0x21, 0x11, &[&V4[..], &[0x04, 0, 3, 1, 2, 3]].concat());
        assert_eq!(
            whole(&with_more),
            (Some("198.51.100.1:4660".to_owned()), 34)
        );
    }

    #[test]
    fn a_proxy_that_asks_itself_names_nobody() {
        assert_eq!(whole(b"PROXY UNKNOWN\r\n"), (None, 15));
        assert_eq!(
            whole(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\nGET"),
            (None, 35)
        );
        assert_eq!(whole(&binary(0x20, 0x00, &[])), (None, 16));
        assert_eq!(whole(&binary(0x20, 0x11, &V4)), (None, 28));
    }

    #[test]
    fn each_beginning_of_a_header_is_waited_for_and_nothing_else() {
        for header in [
            b"PROXY TCP4 198.51.100.1 10.0.0.1 4660 80\r\n".to_vec(),
            binary(0x21, 0x11, &V4),
        ] {
            for end in 0..header.len() {
                let read = proxy_header(&header[..end]);
                assert_eq!(read, Ok(ProxyHeader::Incomplete), "{end}");
            }
        }
    }

    #[test]
    fn all_else_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "a".repeat(100));
        for text in [
            "POST /v1/polls/a/votes HTTP/1.1\r\n",
            "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n\r\n",
            "PROXY TCP4 999.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 70000 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx",
            &long,
            "PR0",
            "\r\n\r\nx",
        ] {
            assert_eq!(proxy_header(text.as_bytes()), Err(NoHeader), "{text}");
        }
        for bytes in [
            binary(0x11, 0x11, &V4),
            binary(0x22, 0x11, &V4),
            binary(0x21, 0x12, &V4),
            binary(0x21, 0x41, &V4),
            binary(0x21, 0x11, &V4[..11]),
            binary(0x21, 0x21, &V4),
            binary(0x21, 0x11, &[]),
            binary(0x21, 0x00, &[0; 5000]),
            binary(0x21, 0x00, &[0; 5000])[..16].to_vec(),
        ] {
            assert_eq!(proxy_header(&bytes), Err(NoHeader), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(ProxyHeader::Whole { length, .. }) = proxy_header(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }

        #[test]
        fn any_rest_of_a_binary_header_too(
            command in any::<u8>(), family in any::<u8>(), length in any::<u16>(), rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = [BEGIN, &[command, family], &length.to_be_bytes(), &rest].concat();
            match proxy_header(&bytes) {
                Ok(ProxyHeader::Whole { length, .. }) => prop_assert!(length <= bytes.len()),
                Ok(ProxyHeader::Incomplete) => prop_assert!(bytes.len() < 16 + usize::from(length)),
                Err(NoHeader) => {}
            }
        }

        #[test]
        fn any_text_after_its_name_too(text in "[ A-Z0-9.:\r\n]{0,130}") {
            let bytes = format!("PROXY {text}");
            match proxy_header(bytes.as_bytes()) {
                Ok(ProxyHeader::Whole { length, .. }) => prop_assert!(length <= MAX_TEXT),
                Ok(ProxyHeader::Incomplete) => prop_assert!(bytes.len() < MAX_TEXT),
                Err(NoHeader) => {}
            }
        }
    }
}
