//! Where people and bots vote from: addresses as a trusted proxy in front would name them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vote_client::plan::mix;

/// How many voters have one address of IPv4 at home, and in an office or a school.
const OF_A_HOME: u64 = 2;
const OF_AN_OFFICE: u64 = 20;
/// Offices are numbered from here on, homes below.
const OFFICES: u64 = 1 << 40;

/// Addresses of a carrier behind which its customers are.
const OF_A_CARRIER: u64 = 64;

/// The carriers' prefixes, each with one address in it.
const CARRIERS: [(&str, u32); 3] = [
    ("177.24.0.0/14", 0xB118_0000),
    ("187.68.0.0/14", 0xBB44_0000),
    ("191.56.0.0/14", 0xBF38_0000),
];
/// Their customers' addresses of IPv6.
const CARRIERS_V6: (&str, u128) = ("2804:18::/32", 0x2804_0018 << 96);

/// Where a provider's homes and offices are: a /9 and a /32.
const HOMES: u32 = 0xBD00_0000;
const HOMES_V6: u128 = 0x2804_014D << 96;

/// The one server room: a /24.
pub(super) const SERVER_ROOM: &str = "45.155.37.0/24";
const SERVER_ROOM_V4: u32 = 0x2D9B_2500;

/// Homes whose owners don't know that their devices pass on what others send.
const PROXIES: u64 = 2_000;

/// The carriers' file: an address of theirs is a whole quarter of a town.
pub(super) fn carriers_file() -> String {
    let prefixes: Vec<&str> = CARRIERS.iter().map(|(prefix, _)| *prefix).collect();
    format!(
        "[[carrier]]\nname = \"mobile\"\nprefixes = [\"{}\", \"{}\"]\naddress_burst = \"6000/10s\"\n\
         address_sustained = \"none\"\nprefix_burst = \"none\"\n",
        prefixes.join("\", \""),
        CARRIERS_V6.0
    )
}

/// Where a voter is: of a hundred, 35 behind a carrier's few addresses and 10 in its IPv6, 35 at home in IPv4 and 15 in IPv6,
/// and 5 in an office, a school or a bar.
pub(super) fn of_voter(voter: u64) -> IpAddr {
    let drawn = mix(voter ^ 0xADD7);
    match drawn % 100 {
        0..35 => {
            let carrier = CARRIERS[usize::try_from(drawn >> 32).unwrap_or(0) % CARRIERS.len()].1;
            v4(carrier, mix(drawn) % OF_A_CARRIER, 18)
        }
        35..45 => v6(CARRIERS_V6.1, drawn),
        45..80 => home(voter / OF_A_HOME),
        80..95 => v6(HOMES_V6, drawn),
        // A twentieth of all, so that so many share an office's.
        _ => home(OFFICES + voter / (20 * OF_AN_OFFICE)),
    }
}

/// A device in somebody's home that sends for others.
pub(super) fn of_proxy(index: u64) -> IpAddr {
    home(mix(index) % PROXIES)
}

/// One of the server room's, in turn.
pub(super) fn of_server_room(index: u64) -> IpAddr {
    let host = u32::try_from(index % 254).unwrap_or(0) + 1;
    Ipv4Addr::from_bits(SERVER_ROOM_V4 | host).into()
}

fn home(number: u64) -> IpAddr {
    v4(HOMES, mix(number), 23)
}

/// One of the addresses below, of so many bits.
fn v4(below: u32, number: u64, bits: u32) -> IpAddr {
    let own = u32::try_from(number & ((1 << bits) - 1)).unwrap_or(0);
    Ipv4Addr::from_bits(below | own).into()
}

/// A device in a /64 of its own.
fn v6(below: u128, drawn: u64) -> IpAddr {
    let (network, device) = (mix(drawn) & 0xFFFF_FFFF, mix(drawn ^ 1));
    Ipv6Addr::from_bits(below | u128::from(network) << 64 | u128::from(device)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn honest_addresses_are_spread_as_people_are() {
        let mut addresses: HashMap<IpAddr, u64> = HashMap::new();
        for voter in 0..40_000 {
            *addresses.entry(of_voter(voter)).or_default() += 1;
        }
        let shared = |least: u64| addresses.values().filter(|of| **of >= least).count();
        // Three carriers of 64 addresses, each with some 70 of these voters.
        assert!((150..=192).contains(&shared(45)), "{}", shared(45));
        assert!(addresses.len() > 15_000, "{}", addresses.len());
        let prefixes: HashSet<u32> = addresses
            .keys()
            .filter_map(|address| match address {
                IpAddr::V4(address) => Some(address.to_bits() >> 8),
                IpAddr::V6(_) => None,
            })
            .collect();
        assert!(prefixes.len() > 5_000, "{}", prefixes.len());
        assert!(!prefixes.contains(&(SERVER_ROOM_V4 >> 8)));
    }
}
