//! Prefixes from which nobody votes for himself: of data centres, of exits that anybody can rent, of a wave that is under way.
//!
//! They are named in a file, one a line; what is behind a `#` is for people. It is read again while the process runs.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use crate::carriers::{number, parse_prefix};
use crate::text_file::text_of;

/// The largest file, in bytes: some two hundred thousand prefixes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A list of prefixes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DenyList {
    /// First and last addresses, in order, none within another.
    ranges: Vec<(u128, u128)>,
    prefixes: usize,
}

/// Why a file gives no list.
#[derive(Debug, thiserror::Error)]
pub enum DenyListError {
    /// It can't be read.
    #[error("can't be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is larger than any list of prefixes.
    #[error("the file has more than {MAX_BYTES} bytes: it is no list of prefixes")]
    TooLong,
    /// A line is no prefix.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl DenyList {
    /// Reads it from a file.
    ///
    /// # Errors
    /// The file can't be read, is too long, or is wrong.
    pub fn read(path: &Path) -> Result<Self, DenyListError> {
        let text = text_of(path, MAX_BYTES)?.ok_or(DenyListError::TooLong)?;
        Self::parse(&text)
    }

    /// Reads it from the text of such a file.
    ///
    /// # Errors
    /// A line is wrong.
    pub fn parse(text: &str) -> Result<Self, DenyListError> {
        let mut ranges = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let prefix = text.split('#').next().unwrap_or_default().trim();
            if prefix.is_empty() {
                continue;
            }
            let net = parse_prefix(prefix);
            let net = net.map_err(|reason| DenyListError::Line { line, reason })?;
            ranges.push((number(net.network()), number(net.broadcast())));
        }
        let prefixes = ranges.len();
        ranges.sort_unstable();
        let mut apart: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match apart.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => apart.push((first, last)),
            }
        }
        Ok(Self {
            ranges: apart,
            prefixes,
        })
    }

    /// How many prefixes it names.
    #[must_use]
    pub fn prefixes(&self) -> usize {
        self.prefixes
    }

    /// Whether an address is in one of them.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let address = number(address.to_canonical());
        let after = self.ranges.partition_point(|(first, _)| *first <= address);
        let before = after
            .checked_sub(1)
            .and_then(|place| self.ranges.get(place));
        before.is_some_and(|(_, last)| address <= *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_is_on_the_list_with_its_prefix() {
        let text = "# data centres\n203.0.113.0/24 # one\n\n2001:db8:5::/48\n203.0.113.128/25\n192.0.2.7\n";
        let list = DenyList::parse(text).expect("a list");
        assert_eq!((list.prefixes(), list.ranges.len()), (4, 3));
        for (text, is_on) in [
            ("203.0.113.0", true),
            ("203.0.113.255", true),
            ("::ffff:203.0.113.9", true),
            ("203.0.114.0", false),
            ("203.0.112.255", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:5:ffff::1", true),
            ("2001:db8:6::", false),
        ] {
            assert_eq!(list.has(address(text)), is_on, "{text}");
        }
        assert!(!DenyList::default().has(address("203.0.113.9")));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, says) in [
            ("10.0.0.0/8\nhotel\n", "line 2: is no prefix"),
            ("10.0.0.1/8", "line 1: has bits behind"),
            ("::ffff:10.0.0.0/104", "line 1: IPv4 within IPv6"),
        ] {
            let error = DenyList::parse(text).expect_err("wrong").to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-f:./# \\n]{0,60}") {
            let _list = DenyList::parse(&text);
        }

        #[test]
        fn it_has_what_one_of_its_prefixes_has(
            nets in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..12),
            asked in any::<u32>(),
        ) {
            let nets: Vec<ipnet::Ipv4Net> = nets
                .into_iter()
                .map(|(bits, length)| ipnet::Ipv4Net::new(bits.into(), length).expect("a net").trunc())
                .collect();
            let text: Vec<String> = nets.iter().map(ToString::to_string).collect();
            let list = DenyList::parse(&text.join("\n")).expect("a list");
            let asked = std::net::Ipv4Addr::from(asked);
            prop_assert_eq!(list.has(asked.into()), nets.iter().any(|net| net.contains(&asked)));
        }
    }
}
