//! The address of a client, behind as many proxies as are trusted.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use crate::forwarded::{forwarded, x_forwarded_for};

/// Longer ways through trusted proxies are not followed: they would be a header that somebody has made up within.
const MAX_HOPS: usize = 32;

/// Who says what a client's address is. One alone: a proxy that writes one header lets others pass as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAddress {
    /// The connection.
    Connection,
    /// The header `Forwarded` (RFC 7239).
    Forwarded,
    /// The header `X-Forwarded-For`.
    XForwardedFor,
}

/// The proxies that are believed, and the header that they write.
#[derive(Debug, Clone)]
pub struct Proxies {
    trusted: Vec<IpNet>,
    from: ClientAddress,
}

impl Proxies {
    /// Those of these addresses.
    #[must_use]
    pub fn new(trusted: Vec<IpNet>, from: ClientAddress) -> Self {
        Self { trusted, from }
    }

    /// Whether it is the address of one of them.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// The header in which they say who has asked them, in lower case; `None` where nobody is asked.
    #[must_use]
    pub fn header(&self) -> Option<&'static str> {
        match self.from {
            _ if self.trusted.is_empty() => None,
            ClientAddress::Connection => None,
            ClientAddress::Forwarded => Some("forwarded"),
            ClientAddress::XForwardedFor => Some("x-forwarded-for"),
        }
    }

    /// The client's address: of all that asked one after the other the first, from here, that is no trusted proxy.
    ///
    /// `lines` are the values of [`header`](Self::header), the last one first. Where a trusted proxy does not say who has asked
    /// it, or says it in a way that can't be read, it is that proxy: such clients share its limits.
    #[must_use]
    pub fn client<'h>(&self, peer: IpAddr, lines: impl Iterator<Item = &'h [u8]>) -> IpAddr {
        let mut known = peer.to_canonical();
        if !self.trusts(known) {
            return known;
        }
        let mut hops = 0;
        for line in lines {
            let ended = match self.from {
                ClientAddress::Connection => return known,
                ClientAddress::Forwarded => self.follow(&mut known, &mut hops, forwarded(line)),
                ClientAddress::XForwardedFor => {
                    self.follow(&mut known, &mut hops, x_forwarded_for(line))
                }
            };
            if ended {
                break;
            }
        }
        known
    }

    /// Goes on with what one line says; whether nothing before it counts.
    fn follow(
        &self,
        known: &mut IpAddr,
        hops: &mut usize,
        line: impl Iterator<Item = Option<IpAddr>>,
    ) -> bool {
        for hop in line {
            let Some(hop) = hop else { return true };
            *known = hop;
            *hops += 1;
            if *hops >= MAX_HOPS || !self.trusts(hop) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proxies(from: ClientAddress) -> Proxies {
        let nets = ["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7/32"];
        let nets = nets.iter().map(|net| net.parse().expect("a net"));
        Proxies::new(nets.collect(), from)
    }

    /// The client of a request with these lines, in their order.
    fn client(from: ClientAddress, peer: &str, lines: &[&str]) -> String {
        let lines = lines.iter().rev().map(|line| line.as_bytes());
        let peer = peer.parse().expect("an address");
        proxies(from).client(peer, lines).to_string()
    }

    fn listed(peer: &str, lines: &[&str]) -> String {
        client(ClientAddress::XForwardedFor, peer, lines)
    }

    #[test]
    fn who_is_no_trusted_proxy_is_the_client_whatever_it_says() {
        for from in [
            ClientAddress::Connection,
            ClientAddress::Forwarded,
            ClientAddress::XForwardedFor,
        ] {
            for line in ["9.9.9.9", "for=9.9.9.9", "10.0.0.1, 9.9.9.9", ""] {
                assert_eq!(client(from, "198.51.100.1", &[line]), "198.51.100.1");
                assert_eq!(client(from, "::ffff:198.51.100.1", &[line]), "198.51.100.1");
            }
        }
    }

    #[test]
    fn hops_are_followed_from_the_right_as_far_as_they_are_trusted() {
        assert_eq!(
            listed("10.0.0.1", &["9.9.9.9, 198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(
            listed("10.0.0.1", &["9.9.9.9, 198.51.100.1, 10.2.3.4"]),
            "198.51.100.1"
        );
        assert_eq!(
            listed(
                "10.0.0.1",
                &["9.9.9.9, 198.51.100.1", "2001:db8:1::5", "192.0.2.7"]
            ),
            "198.51.100.1"
        );
        assert_eq!(
            listed("::ffff:10.0.0.1", &["::ffff:198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(listed("2001:db8:1::9", &["2001:db8:2::9"]), "2001:db8:2::9");
        let both = [
            "for=9.9.9.9",
            "for=198.51.100.1;proto=https, for=\"10.0.0.9:80\"",
        ];
        assert_eq!(
            client(ClientAddress::Forwarded, "10.0.0.1", &both),
            "198.51.100.1"
        );
    }

    #[test]
    fn all_trusted_leave_the_first_and_no_header_the_connection() {
        assert_eq!(listed("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(listed("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(
            client(ClientAddress::Connection, "10.0.0.1", &["9.9.9.9"]),
            "10.0.0.1"
        );
    }

    #[test]
    fn what_a_trusted_proxy_does_not_say_is_not_made_up() {
        for hidden in [
            "",
            " ",
            ",",
            "unknown",
            "_x",
            "garbage",
            "1.2.3.4.5",
            "999.1.1.1",
        ] {
            assert_eq!(
                listed("10.0.0.1", &["9.9.9.9", hidden]),
                "10.0.0.1",
                "{hidden}"
            );
            let line = format!("9.9.9.9, {hidden}, 10.0.0.2");
            assert_eq!(listed("10.0.0.1", &[&line]), "10.0.0.2", "{hidden}");
            let line = format!("for=9.9.9.9, for={hidden}");
            let found = client(ClientAddress::Forwarded, "10.0.0.1", &[&line]);
            assert_eq!(found, "10.0.0.1", "{hidden}");
        }
    }

    #[test]
    fn only_the_header_that_is_named_is_asked_for() {
        assert_eq!(
            proxies(ClientAddress::XForwardedFor).header(),
            Some("x-forwarded-for")
        );
        assert_eq!(
            proxies(ClientAddress::Forwarded).header(),
            Some("forwarded")
        );
        assert_eq!(proxies(ClientAddress::Connection).header(), None);
        assert_eq!(
            Proxies::new(Vec::new(), ClientAddress::Forwarded).header(),
            None
        );
    }

    #[test]
    fn an_endless_way_ends() {
        let line = "10.0.0.9,".repeat(10_000) + "10.0.0.2";
        assert_eq!(listed("10.0.0.1", &[&line]), "10.0.0.9");
        let mut lines = vec!["9.9.9.9"];
        lines.extend(["10.0.0.2"; 100]);
        assert_eq!(listed("10.0.0.1", &lines), "10.0.0.2");
    }

    proptest! {
        /// A client behind a trusted proxy can say what it likes, in as many lines as it likes.
        #[test]
        fn a_client_can_not_choose_its_address(
            sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4), own in any::<u32>(), appends in any::<bool>(),
        ) {
            let own = IpAddr::from(own.to_be_bytes());
            for (from, appended) in [
                (ClientAddress::XForwardedFor, own.to_string()), (ClientAddress::Forwarded, format!("for={own}")),
            ] {
                let proxies = proxies(from);
                prop_assume!(!proxies.trusts(own));
                let mut lines = sent.clone();
                match lines.last_mut() {
                    Some(line) if appends => line.extend(format!(", {appended}").bytes()),
                    _ => lines.push(appended.into_bytes()),
                }
                let peer = "10.0.0.1".parse().expect("an address");
                let found = proxies.client(peer, lines.iter().rev().map(Vec::as_slice));
                prop_assert_eq!(found, own);
            }
        }
    }
}
