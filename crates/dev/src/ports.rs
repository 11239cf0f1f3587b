//! Ports on this machine: the preferred one, or another one when it is taken.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

/// Where the alternatives of a taken port lie: so far above it, and again. Not beside it, where the next service is.
const STEP: u16 = 10;

/// How many alternatives are tried before any free port is taken.
const TRIES: u16 = 20;

/// Chooses ports that are free and different.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    chosen: BTreeSet<u16>,
}

/// A port and whether it is the preferred one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) port: u16,
    pub(crate) preferred: u16,
}

impl Choice {
    /// What to tell people when it isn't the port that they expect.
    pub(crate) fn remark(&self, what: &str) -> Option<String> {
        let Self { port, preferred } = self;
        (port != preferred)
            .then(|| format!("port {preferred} is taken: {what} uses {port} instead"))
    }
}

impl Ports {
    /// The preferred port, or the first free one of those after it.
    pub(crate) fn choose(&mut self, preferred: u16) -> anyhow::Result<Choice> {
        let candidates = (0..=TRIES).filter_map(|step| preferred.checked_add(step * STEP));
        for port in candidates.chain([0]) {
            if let Some(port) = free(port)
                && self.chosen.insert(port)
            {
                return Ok(Choice { port, preferred });
            }
        }
        anyhow::bail!("no free port was found in place of {preferred}")
    }
}

/// The port if nobody listens there; for 0 one that the system gives.
fn free(port: u16) -> Option<u16> {
    // A service that listens on all addresses is in the way as well as one on the loopback address alone.
    let everywhere = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).ok()?;
    let port = everywhere.local_addr().ok()?.port();
    drop(everywhere);
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    Some(port)
}

#[cfg(test)]
mod tests {
    use super::Ports;
    use std::net::TcpListener;

    #[test]
    fn a_taken_port_is_replaced_and_said_so() {
        let mut ports = Ports::default();
        let preferred = vote_testkit::free_port();
        let free = ports.choose(preferred).expect("there is a free port");
        assert_eq!((free.port, free.remark("Redis")), (preferred, None));
        let holder = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let taken = holder
            .local_addr()
            .expect("a listener has an address")
            .port();
        let other = ports.choose(taken).expect("there is a free port");
        assert_ne!(other.port, taken);
        let remark = other.remark("vote-ingest").expect("there is a free port");
        assert_eq!(
            remark,
            format!(
                "port {taken} is taken: vote-ingest uses {} instead",
                other.port
            )
        );
    }

    #[test]
    fn two_services_never_get_the_same_port() {
        let mut ports = Ports::default();
        let preferred = vote_testkit::free_port();
        let (first, second) = (
            ports.choose(preferred).expect("there is a free port"),
            ports.choose(preferred).expect("there is a free port"),
        );
        assert_ne!(first.port, second.port);
    }
}
