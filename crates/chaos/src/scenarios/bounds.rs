//! Times that several scenarios promise, and when their fault begins.

use std::time::Duration;

/// How soon votes go on once a single Redis is back.
pub(crate) const STANDALONE: Duration = Duration::from_secs(1);

/// How soon once Sentinel or the cluster has a master again.
pub(crate) const FAILOVER: Duration = Duration::from_secs(5);

/// How long nothing may be accepted where Redis never was away.
pub(crate) const NO_STALL: Duration = Duration::from_secs(1);

/// The share of the votes before the fault, in hundredths.
pub(crate) const BEFORE: u64 = 40;
