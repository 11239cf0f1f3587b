//! The host and the port of an address, and where they lead.

use std::net::{Ipv6Addr, SocketAddr};

/// What is said of a port that is none.
pub(crate) const WRONG_PORT: &str = "the port must be a number from 1 to 65535";

/// A host, an IPv6 address in brackets, and its port, or else the default one.
///
/// # Errors
/// What is wrong, without the text: it may hold a password.
pub(crate) fn host_and_port(authority: &str, default: u16) -> Result<(&str, u16), &'static str> {
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[after_address..].rfind(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(after_address + colon);
            (host, port[1..].parse().map_err(|_| WRONG_PORT)?)
        }
        None => (authority, default),
    };
    if host.is_empty() {
        return Err("the host is missing");
    }
    if !is_host(host) {
        return Err("the host has a character that no host has");
    }
    Ok((host, port))
}

/// Whether a text is a host name, an IPv4 address, or an IPv6 address in brackets. Anything else may be a password in
/// the wrong place (`http://[s3cret`), and hosts are shown.
fn is_host(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')),
    }
}

/// An IPv6 address without its brackets.
pub(crate) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The first address that a bare host resolves to.
pub(crate) async fn resolve(host: &str, port: u16) -> std::io::Result<SocketAddr> {
    let mut addresses = tokio::net::lookup_host((host, port)).await?;
    addresses
        .next()
        .ok_or_else(|| std::io::Error::other(format!("{host} has no address")))
}
