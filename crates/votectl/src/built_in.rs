//! Poll files that are built in, as they are in `deploy/polls`.

/// The demo poll.
pub const DEMO_FILE: &str = include_str!("../../../deploy/polls/demo.yaml");

/// The poll that `votectl smoke` votes in.
pub const SMOKE_FILE: &str = include_str!("../../../deploy/polls/smoke.yaml");
