//! What proxies have written of those before them, read from the right: what stands right was written last.
//!
//! Only the proxies that are trusted wrote what is right; everything left of it may be what a client has made up. So a line is
//! never read from the left: a quote that a client leaves open there would swallow what the proxies have appended.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The hops of a line of `X-Forwarded-For`, the nearest first. `None` for each that is no address.
pub(crate) fn x_forwarded_for(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    line.rsplit(|byte| *byte == b',').map(node)
}

/// The hops of a line of `Forwarded` (RFC 7239), the nearest first. `None` for each that names no address, or not one.
pub(crate) fn forwarded(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    FromRight::new(line, b',').map(|element| for_of(element?))
}

/// The address of one element of `Forwarded`.
fn for_of(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in FromRight::new(element, b';') {
        let pair = pair?.trim_ascii();
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair.get(..equals)?, pair.get(equals + 1..)?);
        if name.eq_ignore_ascii_case(b"for") && found.replace(unquoted(value)).is_some() {
            return None;
        }
    }
    node(found?)
}

/// What is between quotes. No address has a character that is escaped, so that whatever is escaped is none.
fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value.strip_prefix(b"\"");
    inner
        .and_then(|inner| inner.strip_suffix(b"\""))
        .unwrap_or(value)
}

/// An address as proxies write it: with a port or without, IPv6 in brackets or not. Names that hide it (`_x`), `unknown`
/// and whatever else are none.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let address: IpAddr = if let Some(inner) = text.strip_prefix('[') {
        let (inner, port) = inner.split_once(']')?;
        let is_right = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        is_right.then(|| inner.parse::<Ipv6Addr>().ok())??.into()
    } else if let Ok(address) = text.parse() {
        address
    } else {
        let (host, port) = text.rsplit_once(':')?;
        is_port(port)
            .then(|| host.parse::<Ipv4Addr>().ok())??
            .into()
    };
    Some(address.to_canonical())
}

/// Whether it is a port, or a name that hides one.
fn is_port(text: &str) -> bool {
    let is_hidden = |name: &str| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        !name.is_empty() && name.bytes().all(is_name)
    };
    match text.strip_prefix('_') {
        Some(name) => is_hidden(name),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// The parts of a text between separators that are not in quotes, from the right. `None`, and then no more, where a quote is
/// not closed.
struct FromRight<'t> {
    rest: Option<&'t [u8]>,
    separator: u8,
}

impl<'t> FromRight<'t> {
    fn new(text: &'t [u8], separator: u8) -> Self {
        Self {
            rest: Some(text),
            separator,
        }
    }
}

impl<'t> Iterator for FromRight<'t> {
    type Item = Option<&'t [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let mut is_quoted = false;
        for (place, byte) in rest.iter().enumerate().rev() {
            let before = rest.get(..place).unwrap_or_default();
            if *byte == b'"' {
                // Within quotes a quote has a backslash before it, and a backslash another one.
                let backslashes = before.iter().rev().take_while(|it| **it == b'\\').count();
                is_quoted = !is_quoted || backslashes % 2 == 1;
            } else if *byte == self.separator && !is_quoted {
                self.rest = Some(before);
                return Some(rest.get(place + 1..));
            }
        }
        Some((!is_quoted).then_some(rest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(text: &str) -> Vec<Option<String>> {
        shown(x_forwarded_for(text.as_bytes()))
    }

    fn elements(text: &str) -> Vec<Option<String>> {
        shown(forwarded(text.as_bytes()))
    }

    fn shown(hops: impl Iterator<Item = Option<IpAddr>>) -> Vec<Option<String>> {
        hops.map(|hop| hop.map(|address| address.to_string()))
            .collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn hops_of_a_list_come_from_the_right() {
        assert_eq!(
            listed(" 192.0.2.1,2001:db8::1 , 198.51.100.7:4711"),
            [some("198.51.100.7"), some("2001:db8::1"), some("192.0.2.1")]
        );
        assert_eq!(
            listed("[2001:db8::2]:80, [2001:db8::3], ::ffff:192.0.2.9"),
            [some("192.0.2.9"), some("2001:db8::3"), some("2001:db8::2")]
        );
    }

    #[test]
    fn what_is_no_address_is_none_and_stands_in_its_place() {
        for text in [
            "",
            " ",
            "unknown",
            "_hidden",
            "_",
            "a",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "01.2.3.4",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:123456",
            "[1.2.3.4]",
            "[::1",
            "::1]",
            "[::1]80",
            "[::1]:",
            "[]",
            ":80",
            "fe80::1%eth0",
            "1.2.3.4/24",
            "\"1.2.3.4\"",
            "1.2.3.4 5.6.7.8",
            "http://1.2.3.4",
            "0x1.2.3.4",
            "１.2.3.4",
            "2001:db8::1::2",
            "16909060",
        ] {
            assert_eq!(listed(text), [None], "{text}");
            let both = format!("192.0.2.1, {text}, 192.0.2.2");
            assert_eq!(listed(&both), [some("192.0.2.2"), None, some("192.0.2.1")]);
        }
        assert_eq!(
            shown(x_forwarded_for(b"192.0.2.1,\xff\xfe")),
            [None, some("192.0.2.1")]
        );
    }

    #[test]
    fn elements_of_forwarded_come_from_the_right() {
        assert_eq!(
            elements(
                r#"for=192.0.2.43, For="[2001:db8:cafe::17]:4711";proto=https , proto=http;by=203.0.113.43;FOR="192.0.2.60:_x1""#
            ),
            [
                some("192.0.2.60"),
                some("2001:db8:cafe::17"),
                some("192.0.2.43")
            ]
        );
        // As some write it, though it has to be in quotes.
        assert_eq!(elements("for=[2001:db8::1]"), [some("2001:db8::1")]);
        assert_eq!(elements("for=2001:db8::1"), [some("2001:db8::1")]);
        assert_eq!(
            elements(r#"for=192.0.2.1;host="a,b;c\"d,e""#),
            [some("192.0.2.1")]
        );
        assert_eq!(
            elements(r#"for=192.0.2.1;host="\\", for=192.0.2.2"#),
            [some("192.0.2.2"), some("192.0.2.1")]
        );
    }

    #[test]
    fn elements_that_name_no_address_are_none() {
        for text in [
            "",
            "for",
            "for=",
            "=192.0.2.1",
            "for=unknown",
            "for=_gazonk",
            "for=\"_SEVKISEK\"",
            "proto=https",
            "by=192.0.2.1",
            "for=192.0.2.1;for=192.0.2.2",
            "for=192.0.2.1;for=192.0.2.1",
            "for=\"192.0.2.1",
            "for=192.0.2.1\"",
            "for=\"192.0.2.\\1\"",
            "for=192.0.2.1;",
            ";for=192.0.2.1",
            "192.0.2.1",
            "for =192.0.2.1",
            "for=\"\"",
            "for=\"for=192.0.2.1\"",
            "for='192.0.2.1'",
            "x-for=192.0.2.1",
        ] {
            assert_eq!(elements(text), [None], "{text}");
        }
    }

    #[test]
    fn a_quote_that_is_left_open_swallows_nothing_that_was_appended() {
        for text in [
            "for=9.9.9.9;x=\", for=192.0.2.1",
            "\", for=192.0.2.1",
            "for=\"9.9.9.9, for=192.0.2.1",
            "for=\"9.9.9.9\\\", for=192.0.2.1",
        ] {
            assert_eq!(elements(text).first(), Some(&some("192.0.2.1")), "{text}");
        }
    }

    proptest! {
        /// Whatever a client sends, what a proxy appends is what is read first, and it is read as it was.
        #[test]
        fn what_was_appended_is_read_first(
            sent in prop::collection::vec(any::<u8>(), 0..200), address in any::<IpAddr>(), port in prop::option::of(any::<u16>()),
        ) {
            let node = match (address, port) {
                (address, None) => address.to_string(),
                (address, Some(port)) => std::net::SocketAddr::new(address, port).to_string(),
            };
            let expected = Some(Some(address.to_canonical()));
            let list = [sent.as_slice(), format!(", {node}").as_bytes()].concat();
            prop_assert_eq!(x_forwarded_for(&list).next(), expected);
            let bracketed = if address.is_ipv6() && port.is_none() { format!("[{node}]") } else { node };
            let element = format!(",for=\"{bracketed}\";proto=https;host=\"a\\\"b, c\"");
            let line = [sent.as_slice(), element.as_bytes()].concat();
            prop_assert_eq!(forwarded(&line).next(), expected);
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            prop_assert!(x_forwarded_for(&bytes).count() <= bytes.len() + 1);
            prop_assert!(forwarded(&bytes).count() <= bytes.len() + 1);
        }

        #[test]
        fn texts_of_its_own_letters_too(text in "[for=\"\\\\,;:\\[\\]0-9a-f. ]{0,80}") {
            prop_assert!(forwarded(text.as_bytes()).count() <= text.len() + 1);
        }
    }
}
