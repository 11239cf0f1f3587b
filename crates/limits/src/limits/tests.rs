//! Limits, asked.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

const MIB: usize = 1 << 20;

fn quota(text: &str) -> Option<Quota> {
    (!text.is_empty()).then(|| text.parse().expect("a quota"))
}

/// Limits of addresses and prefixes, each at once and in the long run; empty for none.
fn limits(rates: [&str; 4], memory_bytes: usize, start: Instant) -> Limits {
    let [
        address_burst,
        address_sustained,
        prefix_burst,
        prefix_sustained,
    ] = rates.map(quota);
    let config = LimitsConfig {
        rates: Rates {
            address_burst,
            address_sustained,
            prefix_burst,
            prefix_sustained,
        },
        memory_bytes,
        voter_rates: VoterRates::default(),
        voter_memory_bytes: 0,
    };
    Limits::new(config, Carriers::default(), start)
}

/// Limits of voters alone, at once and in the long run.
fn voter_limits([burst, sustained]: [&str; 2], memory_bytes: usize, start: Instant) -> Limits {
    let config = LimitsConfig {
        rates: Rates::default(),
        memory_bytes: 0,
        voter_rates: VoterRates {
            burst: quota(burst),
            sustained: quota(sustained),
        },
        voter_memory_bytes: memory_bytes,
    };
    Limits::new(config, Carriers::default(), start)
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// How many of them come through at that time.
fn through(limits: &Limits, from: &str, at: Instant, count: usize) -> usize {
    let comes = |_: &usize| limits.admit(address(from), at).limited.is_none();
    (0..count).filter(comes).count()
}

#[test]
fn an_address_has_its_quota_and_others_theirs() {
    let start = Instant::now();
    let limits = limits(["3/10s", "", "", ""], MIB, start);
    assert_eq!(through(&limits, "192.0.2.1", start, 5), 3);
    assert_eq!(through(&limits, "192.0.2.2", start, 5), 3);
    assert_eq!(through(&limits, "::ffff:192.0.2.2", start, 5), 0);
    assert_eq!(through(&limits, "2001:db8::1", start, 2), 2);
    // Of one /64.
    assert_eq!(through(&limits, "2001:db8::ffff:1", start, 5), 1);
    assert_eq!(through(&limits, "2001:db8:0:1::1", start, 5), 3);
    let later = start + Duration::from_secs(4);
    assert_eq!(through(&limits, "192.0.2.1", later, 5), 1);
}

#[test]
fn a_prefix_has_its_own_beside_them() {
    let start = Instant::now();
    let limits = limits(["3/10s", "", "5/10s", ""], MIB, start);
    assert_eq!(through(&limits, "192.0.2.1", start, 5), 3);
    let verdict = |from| limits.admit(address(from), start).limited;
    assert_eq!(verdict("192.0.2.1").map(|it| it.kind), Some(Kind::Address));
    assert_eq!(through(&limits, "192.0.2.2", start, 5), 2);
    assert_eq!(verdict("192.0.2.3").map(|it| it.kind), Some(Kind::Prefix));
    assert_eq!(through(&limits, "192.0.3.1", start, 5), 3);
    assert_eq!(through(&limits, "2001:db8::1", start, 5), 3);
    assert_eq!(through(&limits, "2001:db8:0:1::1", start, 5), 2);
    assert_eq!(through(&limits, "2001:db8:1::1", start, 5), 3);
}

#[test]
fn who_is_refused_by_one_limit_is_counted_by_none() {
    let start = Instant::now();
    let limits = limits(["1/10s", "", "2/10s", ""], MIB, start);
    assert_eq!(through(&limits, "192.0.2.1", start, 100), 1);
    assert_eq!(through(&limits, "192.0.2.2", start, 100), 1);
    // The prefix is full: this one does not use up its own.
    assert_eq!(through(&limits, "192.0.2.3", start, 100), 0);
    let later = start + Duration::from_secs(5);
    assert_eq!(through(&limits, "192.0.2.3", later, 100), 1);
    assert_eq!(limits.slots_in_use(Kind::Prefix, start) % 8, 0);
}

#[test]
fn both_classes_count_and_the_longer_wait_is_told() {
    let start = Instant::now();
    let limits = limits(["2/2s", "3/60s", "", ""], MIB, start);
    assert_eq!(through(&limits, "192.0.2.1", start, 9), 2);
    let limited = limits
        .admit(address("192.0.2.1"), start)
        .limited
        .expect("limited");
    assert_eq!((limited.class, limited.retry_after_s), (Class::Burst, 1));
    assert_eq!(limited.policy(), r#""address-burst";q=2;w=2"#);
    assert_eq!(limited.rate(), r#""address-burst";r=0;t=1"#);
    let later = start + Duration::from_millis(1500);
    assert_eq!(through(&limits, "192.0.2.1", later, 9), 1);
    let limited = limits
        .admit(address("192.0.2.1"), later)
        .limited
        .expect("limited");
    assert_eq!(
        (limited.class, limited.retry_after_s),
        (Class::Sustained, 19)
    );
    assert_eq!(limited.policy(), r#""address-sustained";q=3;w=60"#);
    assert_eq!(limited.rate(), r#""address-sustained";r=0;t=19"#);
}

#[test]
fn without_limits_all_come_and_nothing_is_remembered() {
    let start = Instant::now();
    let limits = limits([""; 4], MIB, start);
    assert_eq!(through(&limits, "192.0.2.1", start, 1000), 1000);
    assert_eq!(limits.slots_in_use(Kind::Address, start), 0);
}

#[test]
fn carriers_have_their_own_limits_and_keep_their_state_when_these_change() {
    let start = Instant::now();
    let limits = limits(["1/10s", "", "1/10s", ""], MIB, start);
    let carriers = |text: &str| {
        let text = format!("[[carrier]]\nname = \"a\"\nprefixes = [\"10.0.0.0/8\"]\n{text}");
        Carriers::parse(&text, &Rates::default()).expect("right")
    };
    limits.set_carriers(carriers("address_burst = \"5/10s\""));
    assert_eq!(through(&limits, "10.0.0.1", start, 9), 5);
    assert_eq!(through(&limits, "10.0.0.2", start, 9), 5);
    assert_eq!(through(&limits, "192.0.2.1", start, 9), 1);
    assert_eq!(through(&limits, "192.0.2.2", start, 9), 0);
    limits.set_carriers(carriers("address_burst = \"8/16s\""));
    assert_eq!(through(&limits, "10.0.0.1", start, 9), 3);
    limits.set_carriers(Carriers::default());
    assert_eq!(through(&limits, "10.0.0.1", start, 9), 0);
}

#[test]
fn a_voter_has_a_quota_and_others_theirs_in_both_classes() {
    let start = Instant::now();
    let limits = voter_limits(["2/2s", "3/60s"], MIB, start);
    let come = |voter: &[u8], at, count: usize| {
        let comes = |_: &usize| limits.admit_voter(voter, at).limited.is_none();
        (0..count).filter(comes).count()
    };
    assert_eq!(come(b"maria", start, 9), 2);
    assert_eq!(come(b"joao", start, 9), 2);
    assert_eq!(come(b"", start, 9), 2);
    let limited = limits
        .admit_voter(b"maria", start)
        .limited
        .expect("limited");
    assert_eq!((limited.kind, limited.class), (Kind::Voter, Class::Burst));
    assert_eq!(limited.policy(), r#""voter-burst";q=2;w=2"#);
    assert_eq!(limited.rate(), r#""voter-burst";r=0;t=1"#);
    let later = start + Duration::from_millis(1500);
    assert_eq!(come(b"maria", later, 9), 1);
    let limited = limits
        .admit_voter(b"maria", later)
        .limited
        .expect("limited");
    assert_eq!(limited.policy(), r#""voter-sustained";q=3;w=60"#);
    assert_eq!(limited.rate(), r#""voter-sustained";r=0;t=19"#);
    // Addresses are another matter.
    assert_eq!(through(&limits, "192.0.2.1", start, 1000), 1000);
    assert_eq!(limits.slots_in_use(Kind::Address, start), 0);
}

#[test]
fn voters_take_no_memory_where_they_are_not_limited() {
    let start = Instant::now();
    let limits = limits(["1/1h", "", "", ""], MIB, start);
    assert!((MIB * 7 / 8..=MIB).contains(&limits.memory_bytes()));
    assert_eq!(limits.slots(Kind::Voter), 0);
    for _ in 0..100 {
        assert_eq!(limits.admit_voter(b"maria", start), Verdict::default());
    }
}

/// Of a million, that many may be taken for another one whose hash is alike: one by a chance of two in a thousand for each table, two
/// by one of a few in a million.
const MOST_ALIKE: usize = 1;

/// In the memory that the settings begin with, each is held to its limit; and a flood of others pushes none of them out.
#[test]
fn a_million_voters_are_each_held_to_their_limit_in_24_mib() {
    let start = Instant::now();
    let limits = voter_limits(["1/1h", ""], 24 * MIB, start);
    let voters = || (0..1_000_000_u32).map(|index| format!("voter {index}"));
    let taken_for_another: Vec<_> = voters()
        .filter(|voter| limits.admit_voter(voter.as_bytes(), start) != Verdict::default())
        .collect();
    assert!(
        taken_for_another.len() <= MOST_ALIKE,
        "{taken_for_another:?}"
    );
    let mut untracked = 0;
    for index in 0..1_000_000_u32 {
        let other = format!("other {index}");
        untracked += u32::from(limits.admit_voter(other.as_bytes(), start).voter_untracked);
    }
    assert!(untracked > 0);
    for voter in voters() {
        let verdict = limits.admit_voter(voter.as_bytes(), start);
        assert!(verdict.limited.is_some(), "{voter}");
    }
}

/// The figure that is promised: a million, each in a prefix of its own, in 48 MiB, and each is held to its limit.
#[test]
fn a_million_addresses_are_each_held_to_their_limit_in_48_mib() {
    let start = Instant::now();
    let limits = limits(["1/1h", "2/24h", "1/1h", ""], 48 * MIB, start);
    assert!(limits.memory_bytes() <= 48 * MIB);
    let addresses = || {
        let v4 = (0..500_000_u32).map(|index| IpAddr::from(Ipv4Addr::from(index << 8)));
        let v6 = (0..500_000_u128).map(|index| Ipv6Addr::from((0x2804 << 112) | (index << 80)));
        v4.chain(v6.map(IpAddr::from))
    };
    let taken_for_another: Vec<_> = addresses()
        .filter(|address| limits.admit(*address, start) != Verdict::default())
        .collect();
    assert!(
        taken_for_another.len() <= MOST_ALIKE,
        "{taken_for_another:?}"
    );
    for address in addresses() {
        assert!(limits.admit(address, start).limited.is_some(), "{address}");
    }
    for kind in [Kind::Address, Kind::Prefix] {
        let in_use = limits.slots_in_use(kind, start);
        assert!((990_000..1_010_000).contains(&in_use), "{in_use}");
    }
}

/// A flood of addresses, far more than there is room for: who was there before keeps its state, limited or not.
#[test]
fn a_flood_pushes_nobody_out_and_is_held_by_its_prefixes() {
    let start = Instant::now();
    let limits = limits(["2/1h", "", "1000/1h", ""], 2 * MIB, start);
    let honest: Vec<String> = (0..1000)
        .map(|index| format!("10.0.{}.{}", index / 250, index % 250))
        .collect();
    for (index, from) in honest.iter().enumerate() {
        // Half of them have used up their limit.
        assert_eq!(through(&limits, from, start, 1 + index % 2), 1 + index % 2);
    }
    let (mut untracked, mut limited) = (0, 0);
    // One /32 of an owner of IPv6: 400,000 of /64 in 100 of /48.
    for index in 0..400_000_u128 {
        let network = (index % 100) << 80 | (index / 100) << 64;
        let from = IpAddr::from(Ipv6Addr::from((0x2a00 << 112) | network));
        let verdict = limits.admit(from, start);
        untracked += usize::from(verdict.address_untracked);
        limited += usize::from(verdict.limited.is_some_and(|it| it.kind == Kind::Prefix));
        assert!(!verdict.prefix_untracked);
    }
    assert_eq!(400_000 - limited, 100 * 1000);
    assert!(untracked > 0);
    for (index, from) in honest.iter().enumerate() {
        assert_eq!(through(&limits, from, start, 3), 1 - index % 2, "{from}");
    }
    // A day later all of it is as if it had never been.
    let later = start + Duration::from_secs(86_400);
    assert_eq!(limits.slots_in_use(Kind::Address, later), 0);
    assert_eq!(through(&limits, "2a00::1", later, 3), 2);
}

#[test]
fn without_room_for_the_prefix_either_votes_come_and_that_is_said() {
    let start = Instant::now();
    let limits = limits(["1/24h", "", "1/24h", ""], 0, start);
    let verdicts = (0..100_000_u32).map(|index| {
        let verdict = limits.admit(IpAddr::from(Ipv4Addr::from(index << 8)), start);
        assert_eq!(verdict.limited, None);
        usize::from(verdict.address_untracked && verdict.prefix_untracked)
    });
    assert!(verdicts.sum::<usize>() > 90_000);
}

#[test]
fn threads_share_a_quota_exactly() {
    let start = Instant::now();
    let limits = limits(["1000/1h", "", "1500/1h", ""], MIB, start);
    let through = [const { AtomicUsize::new(0) }; 2];
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (limits, through) = (&limits, &through);
            scope.spawn(move || {
                for round in 0..1000 {
                    let which = (thread + round) % 2;
                    let from = IpAddr::from([192, 0, 2, if which == 0 { 1 } else { 2 }]);
                    if limits.admit(from, start).limited.is_none() {
                        through[which].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let through = through.map(|count| count.load(Ordering::Relaxed));
    assert_eq!(through[0] + through[1], 1500);
    assert!(through.iter().all(|count| *count <= 1000), "{through:?}");
}
