//! What can be the host of an address.

use std::net::Ipv6Addr;

/// Whether a text is a host name, an IPv4 address, or an IPv6 address in brackets. Anything else may be a password in
/// the wrong place (`http://[s3cret`), and hosts are shown.
pub(crate) fn is_host(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')),
    }
}
