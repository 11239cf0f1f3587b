//! Free TCP ports that nothing takes away while a server restarts.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// First port handed out, and how many: below every system's ephemeral range (Linux starts at 32,768).
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port of 127.0.0.1 that was free a moment ago, and that this process has not handed out before.
///
/// It lies outside the ephemeral range on purpose. A client that keeps on connecting to an ephemeral port of its own
/// machine while the server is down is sooner or later given that very port as its source, connects to *itself*, and
/// the server can't come back. Tests that kill and restart Redis under load meet this within minutes.
///
/// # Panics
/// When none of the 12,000 ports is free.
#[must_use]
pub fn free_port() -> u16 {
    // Processes that run at the same time start far apart; within one, no port is handed out twice.
    let start = std::process::id().wrapping_mul(2_654_435_761) % COUNT;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let Ok(port) = u16::try_from(FIRST + (start + step) % COUNT) else {
            continue;
        };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT - 1);
}

#[cfg(test)]
mod tests {
    use super::free_port;
    use std::collections::BTreeSet;

    #[test]
    fn ports_are_free_distinct_and_outside_the_ephemeral_range() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|port| (20_000..32_000).contains(port)));
    }
}
