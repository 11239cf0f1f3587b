//! Prefixes with limits of their own: mobile carriers put a city behind a few addresses (CGNAT).
//!
//! They are named in a file, which is read again while the process runs:
//!
//! ```toml
//! [[carrier]]
//! name = "vivo"
//! prefixes = ["177.24.0.0/14", "2804:18::/32"]
//! address_burst = "2000/10s"
//! address_sustained = "none"
//! ```

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

use crate::gcra::Gcra;
use crate::quota::Quota;
use crate::text_file::text_of;

/// The largest file, in bytes: some ten thousand prefixes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Limits of an address and of a prefix, in both classes. None where there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of an address, or of an IPv6 /64, at once.
    pub address_burst: Option<Quota>,
    /// Of an address, or of an IPv6 /64, in the long run.
    pub address_sustained: Option<Quota>,
    /// Of a /24, or of an IPv6 /48, at once.
    pub prefix_burst: Option<Quota>,
    /// Of a /24, or of an IPv6 /48, in the long run.
    pub prefix_sustained: Option<Quota>,
}

/// One limit, ready to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) quota: Quota,
    pub(crate) gcra: Gcra,
}

impl From<Quota> for Rate {
    fn from(quota: Quota) -> Self {
        Self {
            quota,
            gcra: Gcra::new(quota),
        }
    }
}

/// Both classes of one kind.
pub(crate) type Level = [Option<Rate>; 2];

/// All limits that an address meets, ready to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Levels {
    pub(crate) address: Level,
    pub(crate) prefix: Level,
}

impl From<&Rates> for Levels {
    fn from(rates: &Rates) -> Self {
        let rate = |quota: Option<Quota>| quota.map(Rate::from);
        Self {
            address: [rates.address_burst, rates.address_sustained].map(rate),
            prefix: [rates.prefix_burst, rates.prefix_sustained].map(rate),
        }
    }
}

/// The prefixes that have limits of their own.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Carriers {
    /// From which address on whose limits count, in order.
    segments: Vec<Segment>,
    levels: Vec<Levels>,
    prefixes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    from: u128,
    carrier: Option<usize>,
}

/// Why a file gives no carriers.
#[derive(Debug, thiserror::Error)]
pub enum CarriersError {
    /// It can't be read.
    #[error("can't be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is larger than any list of prefixes.
    #[error("the file has more than {MAX_BYTES} bytes: it is no list of prefixes")]
    TooLong,
    /// It is no TOML, or has something else than carriers.
    #[error("{0}")]
    Malformed(#[from] toml::de::Error),
    /// A carrier is wrong.
    #[error("carrier {carrier:?}: {reason}")]
    Carrier {
        /// Its name.
        carrier: String,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    carrier: Vec<Carrier>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Carrier {
    name: String,
    prefixes: Vec<String>,
    address_burst: Option<Own>,
    address_sustained: Option<Own>,
    prefix_burst: Option<Own>,
    prefix_sustained: Option<Own>,
}

/// A limit in the place of the settings': `none` for none.
#[derive(Clone, Copy)]
struct Own(Option<Quota>);

impl<'de> Deserialize<'de> for Own {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "none" {
            return Ok(Self(None));
        }
        text.parse()
            .map(|quota| Self(Some(quota)))
            .map_err(|error| de::Error::custom(format!("{text:?} {error}, or none")))
    }
}

impl Carrier {
    /// Its limits, where it has them; those of the settings elsewhere.
    fn rates(&self, settings: &Rates) -> Rates {
        let or = |own: Option<Own>, setting| own.map_or(setting, |Own(quota)| quota);
        Rates {
            address_burst: or(self.address_burst, settings.address_burst),
            address_sustained: or(self.address_sustained, settings.address_sustained),
            prefix_burst: or(self.prefix_burst, settings.prefix_burst),
            prefix_sustained: or(self.prefix_sustained, settings.prefix_sustained),
        }
    }
}

impl Carriers {
    /// Reads them from a file. What a carrier does not say is as the settings say.
    ///
    /// # Errors
    /// The file can't be read, is too long, or is wrong.
    pub fn read(path: &Path, settings: &Rates) -> Result<Self, CarriersError> {
        let text = text_of(path, MAX_BYTES)?.ok_or(CarriersError::TooLong)?;
        Self::parse(&text, settings)
    }

    /// Reads them from the text of such a file.
    ///
    /// # Errors
    /// It is wrong.
    pub fn parse(text: &str, settings: &Rates) -> Result<Self, CarriersError> {
        let document: Document = toml::from_str(text)?;
        let mut nets = Vec::new();
        let mut seen = BTreeSet::new();
        let mut levels = Vec::new();
        for carrier in document.carrier {
            for prefix in &carrier.prefixes {
                let net = parse_prefix(prefix).and_then(|net| {
                    let is_new = seen.insert(net);
                    is_new
                        .then_some(net)
                        .ok_or_else(|| "it is there twice".to_owned())
                });
                let net = net.map_err(|reason| CarriersError::Carrier {
                    carrier: carrier.name.clone(),
                    reason: format!("the prefix {prefix:?}: {reason}"),
                })?;
                nets.push((net, levels.len()));
            }
            levels.push(Levels::from(&carrier.rates(settings)));
        }
        Ok(Self {
            prefixes: nets.len(),
            segments: segments(nets),
            levels,
        })
    }

    /// How many prefixes there are.
    #[must_use]
    pub fn prefixes(&self) -> usize {
        self.prefixes
    }

    /// The limits of that address, if it is of a carrier: those of the longest prefix that it is in.
    pub(crate) fn find(&self, address: u128) -> Option<&Levels> {
        let after = self
            .segments
            .partition_point(|segment| segment.from <= address);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        self.levels.get(segment.carrier?)
    }
}

/// A prefix, such as `192.0.2.0/24`, or a single address.
/// # Errors
/// What is wrong with it.
pub fn parse_prefix(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text
            .parse()
            .map_err(|_error| "is no prefix such as 192.0.2.0/24 or 2001:db8::/32".to_owned())?,
    };
    if net != net.trunc() {
        return Err(format!(
            "has bits behind its length: {} was meant?",
            net.trunc()
        ));
    }
    // All addresses of IPv4, as IPv6 has them.
    let mapped = IpNet::new(IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0, 0_u16]), 96);
    if mapped.is_ok_and(|mapped| net.contains(&mapped) || mapped.contains(&net)) {
        return Err("IPv4 within IPv6 is written as IPv4".to_owned());
    }
    Ok(net)
}

/// An address as a number; those of IPv4 are where IPv6 has them.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Prefixes that may lie within each other, as parts that don't.
fn segments(mut nets: Vec<(IpNet, usize)>) -> Vec<Segment> {
    fn close(open: &mut Vec<(u128, usize)>, segments: &mut Vec<Segment>, until: Option<u128>) {
        while let Some((end, _)) = open.last().copied()
            && until.is_none_or(|until| end < until)
        {
            open.pop();
            let Some(from) = end.checked_add(1) else {
                continue;
            };
            let carrier = open.last().map(|(_, carrier)| *carrier);
            segments.push(Segment { from, carrier });
        }
    }

    nets.sort_by_key(|(net, _)| (number(net.network()), net.prefix_len()));
    let (mut open, mut segments) = (Vec::new(), Vec::new());
    for (net, carrier) in nets {
        let from = number(net.network());
        close(&mut open, &mut segments, Some(from));
        let carrier_here = Some(carrier);
        segments.push(Segment {
            from,
            carrier: carrier_here,
        });
        open.push((number(net.broadcast()), carrier));
    }
    close(&mut open, &mut segments, None);
    segments
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quota(text: &str) -> Option<Quota> {
        Some(text.parse().expect("a quota"))
    }

    fn settings() -> Rates {
        Rates {
            address_burst: quota("20/10s"),
            address_sustained: quota("100/1h"),
            ..Rates::default()
        }
    }

    fn burst(carriers: &Carriers, address: &str) -> Option<String> {
        let address = number(address.parse().expect("an address"));
        let levels = carriers.find(address)?;
        Some(levels.address[0].map_or("none".to_owned(), |rate| rate.quota.to_string()))
    }

    const TEXT: &str = r#"
        [[carrier]]
        name = "vivo"
        prefixes = ["177.24.0.0/14", "2804:18::/32"]
        address_burst = "2000/10s"
        address_sustained = "none"
        [[carrier]]
        name = "vivo, tests"
        prefixes = ["177.25.1.0/24", "177.25.1.255"]
        prefix_burst = "5/1s"
    "#;

    #[test]
    fn the_longest_prefix_counts_and_the_settings_for_what_it_does_not_say() {
        let carriers = Carriers::parse(TEXT, &settings()).expect("right");
        assert_eq!(carriers.prefixes(), 4);
        let at = |address| burst(&carriers, address);
        assert_eq!(at("177.23.255.255"), None);
        assert_eq!(at("177.24.0.0"), quota("2000/10s").map(|it| it.to_string()));
        assert_eq!(at("177.25.0.255"), at("177.24.0.0"));
        assert_eq!(at("177.25.1.0"), quota("20/10s").map(|it| it.to_string()));
        assert_eq!(at("177.25.1.255"), at("177.25.1.0"));
        assert_eq!(at("177.25.2.0"), at("177.24.0.0"));
        assert_eq!(at("177.27.255.255"), at("177.24.0.0"));
        assert_eq!(at("177.28.0.0"), None);
        assert_eq!(at("2804:18:ffff::1"), at("177.24.0.0"));
        assert_eq!(at("2804:19::"), None);
        let levels = carriers.find(number("177.24.0.1".parse().expect("an address")));
        assert!(
            levels.is_some_and(|levels| levels.address[1].is_none() && levels.prefix[0].is_none())
        );
    }

    #[test]
    fn no_carriers_are_none() {
        for text in ["", "# nobody\n"] {
            let carriers = Carriers::parse(text, &settings()).expect("right");
            assert_eq!(
                (carriers.prefixes(), burst(&carriers, "192.0.2.1")),
                (0, None)
            );
        }
    }

    #[test]
    fn wrong_files_say_what_is_wrong() {
        let carrier = |prefix: &str| format!("[[carrier]]\nname = \"x\"\nprefixes = [{prefix}]\n");
        for (text, says) in [
            ("[[carrier]]\nname = \"x\"\n".to_owned(), "prefixes"),
            ("carriers = 1".to_owned(), "carriers"),
            ("[[carrier".to_owned(), "line 1"),
            (carrier("\"177.24.0.0/33\""), "is no prefix"),
            (carrier("\"177.24.0.1/14\""), "177.24.0.0/14 was meant"),
            (carrier("\"::ffff:177.24.0.0/110\""), "within IPv6"),
            (carrier("\"::/0\""), "within IPv6"),
            (
                carrier("\"vivo.com.br\""),
                "carrier \"x\": the prefix \"vivo.com.br\": is no prefix",
            ),
            (carrier("\"10.0.0.0/8\", \"10.0.0.0/8\""), "twice"),
            (
                carrier("\"10.0.0.0/8\"") + "address_burst = \"20\"\n",
                "\"20\" is no limit",
            ),
            (
                carrier("\"10.0.0.0/8\"") + "adress_burst = \"20/1s\"\n",
                "adress_burst",
            ),
        ] {
            let error = Carriers::parse(&text, &settings())
                .expect_err(&text)
                .to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn files_are_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("carriers.toml");
        let read = || Carriers::read(&path, &Rates::default()).map_err(|error| error.to_string());
        assert!(read().expect_err("none").contains("can't be read"));
        std::fs::write(&path, TEXT).expect("written");
        assert_eq!(read().expect("right").prefixes(), 4);
        std::fs::write(&path, "#".repeat(1024 * 1024 + 1)).expect("written");
        assert!(read().expect_err("long").contains("more than"));
        std::fs::write(&path, b"\xff\xfe").expect("written");
        assert!(read().is_err());
    }

    proptest! {
        /// Beside a search of all prefixes.
        #[test]
        fn any_prefixes_are_found_as_by_a_search(
            nets in prop::collection::vec((any::<u8>(), 0_u8..=8), 1..20), probes in prop::collection::vec(any::<u8>(), 1..40),
        ) {
            let nets: BTreeSet<IpNet> = nets.iter().map(|(last, length)| {
                IpNet::new(IpAddr::from([10, 0, 0, *last]), 24 + length).expect("a net").trunc()
            }).collect();
            let nets: Vec<(IpNet, usize)> = nets.into_iter().enumerate().map(|(index, net)| (net, index)).collect();
            let levels = vec![Levels::from(&Rates::default()); nets.len()];
            let carriers = Carriers { prefixes: nets.len(), segments: segments(nets.clone()), levels };
            for probe in probes {
                let address = IpAddr::from([10, 0, 0, probe]);
                let longest = nets.iter().filter(|(net, _)| net.contains(&address)).max_by_key(|(net, _)| net.prefix_len());
                let found = carriers.find(number(address)).map(std::ptr::from_ref);
                let expected = longest.map(|(_, index)| std::ptr::from_ref(&carriers.levels[*index]));
                prop_assert_eq!(found, expected);
            }
            prop_assert!(carriers.find(number(IpAddr::from([10, 0, 1, 0]))).is_none());
        }

        #[test]
        fn any_text_is_a_list_or_refused(text in prop_oneof!["\\PC{0,300}", "(\\[\\[carrier\\]\\]|name|=|\"|\n|prefixes|10\\.0|::/|1/1s|\\[|\\]){0,60}"]) {
            if let Ok(carriers) = Carriers::parse(&text, &settings()) {
                prop_assert!(carriers.prefixes() <= text.len());
            }
        }

        /// A slip in a right file leaves as many prefixes, or is refused.
        #[test]
        fn a_file_that_was_changed_is_read_or_refused(place in any::<prop::sample::Index>(), byte in 0_u8..128) {
            let mut bytes = TEXT.as_bytes().to_vec();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let text = String::from_utf8(bytes).expect("ASCII");
            if let Ok(carriers) = Carriers::parse(&text, &settings()) {
                prop_assert!(carriers.prefixes() <= 4);
            }
        }

        #[test]
        fn any_net_survives_its_writing(address in any::<IpAddr>(), length in 0_u8..=128) {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let net = IpNet::new(address, length.min(most)).expect("a net").trunc();
            let is_mapped = |net: &IpNet| matches!(net, IpNet::V6(six) if six.network().to_ipv4_mapped().is_some() || six.contains(&"::ffff:0:0".parse::<std::net::Ipv6Addr>().expect("an address")));
            prop_assert_eq!(parse_prefix(&net.to_string()).ok(), (!is_mapped(&net)).then_some(net));
        }
    }
}
