//! The limits of a client's address and of its prefix, and of a voter.

use std::fmt::Write as _;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use crate::carriers::{Carriers, Level, Levels, Rate, Rates, number};
use crate::quota::Quota;
use crate::table::{Place, Table};

/// What a limit is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An address of IPv4, or a /64 of IPv6: one connection to the internet.
    Address,
    /// A /24 of IPv4, or a /48 of IPv6: one network.
    Prefix,
    /// Whom a voter token names, from wherever they come.
    Voter,
}

/// Over how long a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// At once.
    Burst,
    /// In the long run.
    Sustained,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Address, Self::Prefix, Self::Voter];

    /// Its name in metrics and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Prefix => "prefix",
            Self::Voter => "voter",
        }
    }
}

/// What is remembered by, of [`connection`] and [`network`]: of IPv6 nothing lies in the lower half, of IPv4 all does. Who has the
/// upper half of an address of IPv4 would be in `::/8`, which is given to nobody (RFC 4291).
const fn folded(prefix: u128) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "each half is meant")]
    let halves = [(prefix >> 64) as u64, prefix as u64];
    halves[0] | halves[1]
}

/// What all addresses of one connection to the internet have in common.
fn connection(address: IpAddr) -> u128 {
    first_bits(address, if address.is_ipv4() { 128 } else { 64 })
}

/// What all addresses of one network have in common: a /24 of IPv4, or a /48 of IPv6.
#[must_use]
pub fn network(address: IpAddr) -> u128 {
    first_bits(address, if address.is_ipv4() { 96 + 24 } else { 48 })
}

fn first_bits(address: IpAddr, bits: u32) -> u128 {
    number(address) & (u128::MAX << (128 - bits))
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Burst, Self::Sustained];

    /// Its name in metrics and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Sustained => "sustained",
        }
    }
}

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// What it is of.
    pub kind: Kind,
    /// Over how long it counts.
    pub class: Class,
    /// How many it allows.
    pub quota: Quota,
    /// When the next one is allowed, in seconds from now; at least one.
    pub retry_after_s: u32,
}

impl Limited {
    /// The field `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).
    #[must_use]
    pub fn policy(&self) -> String {
        let mut policy = self.name();
        let _infallible = write!(
            policy,
            ";q={};w={}",
            self.quota.votes(),
            self.quota.seconds()
        );
        policy
    }

    /// The field `RateLimit` of that draft.
    #[must_use]
    pub fn rate(&self) -> String {
        let mut rate = self.name();
        let _infallible = write!(rate, ";r=0;t={}", self.retry_after_s);
        rate
    }

    fn name(&self) -> String {
        format!("\"{}-{}\"", self.kind.as_str(), self.class.as_str())
    }
}

/// What the limits say of one that comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The limit that it has reached. Then it counts for none.
    pub limited: Option<Limited>,
    /// Whether there was no room to remember its address: only its prefix's limit was asked.
    pub address_untracked: bool,
    /// The same of its prefix.
    pub prefix_untracked: bool,
    /// The same of a voter, who is not limited then.
    pub voter_untracked: bool,
}

/// Limits of a voter, in both classes. None where there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VoterRates {
    /// At once.
    pub burst: Option<Quota>,
    /// In the long run.
    pub sustained: Option<Quota>,
}

/// What limits are made of.
#[derive(Debug, Clone, Copy)]
pub struct LimitsConfig {
    /// The limits of all that are no carrier's.
    pub rates: Rates,
    /// What may be taken to remember who has come, in bytes: half for addresses, half for prefixes, at 16 each.
    pub memory_bytes: usize,
    /// The limits of a voter.
    pub voter_rates: VoterRates,
    /// What may be taken to remember which voters have come, in bytes, at 16 each.
    pub voter_memory_bytes: usize,
}

/// All limits, and what is remembered of who has come.
pub struct Limits {
    started: Instant,
    levels: Levels,
    carriers: ArcSwap<Carriers>,
    addresses: Table,
    prefixes: Table,
    /// `None` where voters are not limited.
    voters: Option<(Level, Table)>,
}

impl Limits {
    /// Limits that nobody has come to yet.
    #[must_use]
    pub fn new(config: LimitsConfig, carriers: Carriers, now: Instant) -> Self {
        Self {
            started: now,
            levels: Levels::from(&config.rates),
            carriers: ArcSwap::from_pointee(carriers),
            addresses: Table::new(config.memory_bytes / 2),
            prefixes: Table::new(config.memory_bytes / 2),
            voters: (config.voter_rates != VoterRates::default()).then(|| {
                let rates = [config.voter_rates.burst, config.voter_rates.sustained];
                let level = rates.map(|quota| quota.map(Rate::from));
                (level, Table::new(config.voter_memory_bytes))
            }),
        }
    }

    /// Whether these are the carriers that it has.
    #[must_use]
    pub fn has_carriers(&self, carriers: &Carriers) -> bool {
        **self.carriers.load() == *carriers
    }

    /// Takes other carriers. What is remembered stays.
    pub fn set_carriers(&self, carriers: Carriers) {
        self.carriers.store(Arc::new(carriers));
    }

    /// Whether an address is a carrier's: of very many people.
    #[must_use]
    pub fn is_carriers(&self, address: IpAddr) -> bool {
        let carriers = self.carriers.load();
        carriers.find(number(address.to_canonical())).is_some()
    }

    /// Asks all limits of an address, and counts it where none is reached.
    pub fn admit(&self, address: IpAddr, now: Instant) -> Verdict {
        let address = address.to_canonical();
        let now = self.micros(now);
        let carriers = self.carriers.load();
        let levels = carriers.find(number(address)).unwrap_or(&self.levels);
        let mut verdict = Verdict::default();
        // Held together, in this order everywhere, so that it counts for both or for none.
        let own = Asked::new(
            Kind::Address,
            &self.addresses,
            &levels.address,
            folded(connection(address)),
            now,
        );
        let shared = match &own {
            Err(_) => Ok(Asked::Nothing),
            Ok(_) => {
                let network = folded(network(address));
                Asked::new(Kind::Prefix, &self.prefixes, &levels.prefix, network, now)
            }
        };
        match (own, shared) {
            (Err(limited), _) => verdict.limited = Some(limited),
            (Ok(own), Err(limited)) => {
                verdict.address_untracked = own.is_untracked();
                verdict.limited = Some(limited);
            }
            (Ok(own), Ok(shared)) => {
                verdict.address_untracked = own.count();
                verdict.prefix_untracked = shared.count();
            }
        }
        verdict
    }

    /// Asks the limits of a voter, and counts what is cast where none is reached. `voter` is what names one: all that is kept of
    /// it are 32 bits of a hash whose key this process has made, and tells nobody.
    pub fn admit_voter(&self, voter: &[u8], now: Instant) -> Verdict {
        let Some((level, table)) = &self.voters else {
            return Verdict::default();
        };
        match Asked::new(Kind::Voter, table, level, voter, self.micros(now)) {
            Ok(asked) => Verdict {
                voter_untracked: asked.count(),
                ..Verdict::default()
            },
            Err(limited) => Verdict {
                limited: Some(limited),
                ..Verdict::default()
            },
        }
    }

    /// How many of that kind can be remembered.
    #[must_use]
    pub fn slots(&self, kind: Kind) -> usize {
        self.table(kind).map_or(0, Table::slots)
    }

    /// About how many of that kind are remembered now.
    #[must_use]
    pub fn slots_in_use(&self, kind: Kind, now: Instant) -> usize {
        let now = self.micros(now);
        self.table(kind).map_or(0, |table| table.in_use(now))
    }

    /// What all that is remembered takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let bytes = Kind::ALL.map(|kind| self.table(kind).map_or(0, Table::bytes));
        bytes.iter().sum()
    }

    fn table(&self, kind: Kind) -> Option<&Table> {
        match kind {
            Kind::Address => Some(&self.addresses),
            Kind::Prefix => Some(&self.prefixes),
            Kind::Voter => self.voters.as_ref().map(|(_, table)| table),
        }
    }

    fn micros(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.started);
        since.as_secs() * 1_000_000 + u64::from(since.subsec_micros())
    }
}

/// The limits of one kind that let somebody come, and have not counted it yet.
enum Asked<'t> {
    /// There is no limit.
    Nothing,
    /// There is no room.
    Untracked,
    Allowed(Place<'t>, [u64; 2]),
}

impl<'t> Asked<'t> {
    fn new(
        kind: Kind,
        table: &'t Table,
        level: &Level,
        key: impl Hash,
        now: u64,
    ) -> Result<Self, Limited> {
        if level.iter().all(Option::is_none) {
            return Ok(Self::Nothing);
        }
        let Some(place) = table.place(key, now) else {
            return Ok(Self::Untracked);
        };
        let mut times = place.times;
        let mut longest: Option<(u64, Class, Quota)> = None;
        for ((rate, time), class) in level.iter().zip(&mut times).zip(Class::ALL) {
            let Some(rate) = rate else { continue };
            match rate.gcra.next(*time, now) {
                Ok(next) => *time = next,
                Err(wait) if longest.is_none_or(|(longest, ..)| wait > longest) => {
                    longest = Some((wait, class, rate.quota));
                }
                Err(_) => {}
            }
        }
        match longest {
            None => Ok(Self::Allowed(place, times)),
            Some((wait, class, quota)) => Err(Limited {
                kind,
                class,
                quota,
                retry_after_s: u32::try_from(wait.div_ceil(1_000_000)).unwrap_or(u32::MAX),
            }),
        }
    }

    fn is_untracked(&self) -> bool {
        matches!(self, Self::Untracked)
    }

    /// Counts it; whether there was no room.
    fn count(self) -> bool {
        let is_untracked = self.is_untracked();
        if let Self::Allowed(place, times) = self {
            place.keep(times);
        }
        is_untracked
    }
}

#[cfg(test)]
mod tests;
