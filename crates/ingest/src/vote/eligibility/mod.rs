//! Who may vote by a channel.

use vote_domain::{Channel, Eligibility};
use vote_http::{Problem, ProblemCode};

/// Refuses a vote by a channel that asks for what can't be checked here.
pub(super) fn check(channel: &Channel) -> Result<(), Problem> {
    let eligibility = channel.eligibility;
    if eligibility == Eligibility::Open {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::EligibilityNotAvailable)
        .detail(format!(
            "channel: {} asks for {eligibility}, which this service can't check yet; the vote was not recorded.",
            channel.id
        ))
        .member("eligibility", eligibility.as_str()))
}
