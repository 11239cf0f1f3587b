//! Who may vote by a channel.

mod voter;

use vote_domain::{Channel, Eligibility};
use vote_http::{Problem, ProblemCode};

pub(crate) use self::voter::find_voter;

/// Refuses a vote by a channel that asks for what can't be checked here.
pub(super) fn check(channel: &Channel) -> Result<(), Problem> {
    match channel.eligibility {
        Eligibility::Open | Eligibility::Voter => Ok(()),
        Eligibility::ProofOfWork => {
            Err(not_available(channel, "which this service can't check yet"))
        }
    }
}

/// Refuses a form by a channel that asks for what no form can carry.
pub(super) fn check_form(channel: &Channel) -> Result<(), Problem> {
    match channel.eligibility {
        Eligibility::Voter => Err(not_available(channel, "whose token a form can't carry")),
        Eligibility::Open | Eligibility::ProofOfWork => check(channel),
    }
}

fn not_available(channel: &Channel, why: &str) -> Problem {
    let eligibility = channel.eligibility;
    Problem::new(ProblemCode::EligibilityNotAvailable)
        .detail(format!(
            "channel: {} asks for {eligibility}, {why}; the vote was not recorded.",
            channel.id
        ))
        .member("eligibility", eligibility.as_str())
}
