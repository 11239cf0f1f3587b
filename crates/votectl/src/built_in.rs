//! Poll files that are built in, as they are in `deploy/polls`.

/// The demo poll.
pub const DEMO_FILE: &str = include_str!("../../../deploy/polls/demo.yaml");

/// A rehearsal, for load: no vote in it counts.
pub const REHEARSAL_FILE: &str = include_str!("../../../deploy/polls/rehearsal.yaml");

/// The poll that `votectl smoke` votes in.
pub const SMOKE_FILE: &str = include_str!("../../../deploy/polls/smoke.yaml");
