//! Which servers take turns under which load.

/// Connections of the closed loops.
pub(crate) const CONNECTIONS: [u32; 3] = [64, 256, 1_024];
/// Connections of the comparison with and without the replay window.
pub(crate) const KEYED_CONNECTIONS: u32 = 256;
/// The servers, in the order of their turns.
pub(crate) const SERVERS: [&str; 3] = ["lane", "no-redis", "per-vote"];
/// The service with its replay window and without; their votes carry keys, which make the window large.
pub(crate) const KEYED: [&str; 2] = ["window", "no-window"];
/// Another build of this benchmark, which serves the lane as it was: without keys, and with them.
pub(crate) const BEFORE: &str = "before";
pub(crate) const BEFORE_KEYED: &str = "before, keys";
