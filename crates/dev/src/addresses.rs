//! Where the parts of this start listen.

use crate::error::DevError;
use crate::host::Host;
use crate::names::{INGEST, RESULTS};
use crate::options::Options;
use crate::ports::{Choice, Ports};

/// The ports of this start.
pub(crate) struct Addresses {
    pub(crate) redis: Choice,
    pub(crate) ingest: Choice,
    pub(crate) results: Choice,
    pub(crate) ingest_admin: Choice,
    pub(crate) results_admin: Choice,
}

/// Chooses them, and says which are not the preferred ones.
pub(crate) fn choose_ports(options: &Options, host: &mut impl Host) -> Result<Addresses, DevError> {
    let mut ports = Ports::default();
    let addresses = Addresses {
        redis: ports.choose(options.redis_port)?,
        ingest: ports.choose(options.ingest_port)?,
        results: ports.choose(options.results_port)?,
        ingest_admin: ports.choose(options.ingest_admin_port)?,
        results_admin: ports.choose(options.results_admin_port)?,
    };
    for (choice, what) in [
        (&addresses.redis, "Redis"),
        (&addresses.ingest, INGEST),
        (&addresses.results, RESULTS),
        (&addresses.ingest_admin, "the admin port of vote-ingest"),
        (&addresses.results_admin, "the admin port of vote-results"),
    ] {
        if let Some(remark) = choice.remark(what) {
            host.note(&remark);
        }
    }
    Ok(addresses)
}
