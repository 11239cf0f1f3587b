//! Who may vote by a channel: what each vote has to show. One file for each thing that may be asked for.

mod checks;
mod gateway;
mod proof;
mod unknown_voter;
mod voter;

use vote_domain::{Channel, Eligibility};
use vote_http::{Problem, ProblemCode};

pub use self::checks::Checks;
pub(crate) use self::checks::ProofCheck;
pub(super) use self::checks::{Known, Shown};
pub(crate) use self::gateway::find_gateway_voter;
pub(super) use self::proof::used;
pub(crate) use self::voter::{VoterCheck, find_voter, voter_of};

/// Refuses a vote that does not show what its channel asks for, but for who casts it ([`find_voter`]). Gives what a repeat of it is
/// known by: its key, or where it has none, its proof.
///
/// A proof is looked at before a token, which takes twenty times as long: who has none costs little.
pub(super) fn check(shown: &Shown<'_>, checks: Checks<'_>) -> Result<Known, Problem> {
    if shown.channel.eligibility == Eligibility::Gateway {
        return Err(gateway::required(shown.channel));
    }
    if !shown.channel.eligibility.asks_for_proof() {
        return Ok(Known {
            key: shown.key,
            proof: None,
        });
    }
    let proofs = checks
        .proofs
        .ok_or_else(|| not_available(shown.channel, "which can't be checked here"))?;
    let proof = proof::check(shown, proofs)?;
    Ok(Known {
        key: Some(proof.identity),
        proof: Some(proof).filter(|_| shown.channel.eligibility.asks_for_voter()),
    })
}

/// Refuses a form by a channel that asks for what no form can carry.
pub(super) fn check_form(channel: &Channel) -> Result<(), Problem> {
    if channel.eligibility.asks_for_voter() {
        return Err(not_available(channel, "whose token a form can't carry"));
    }
    Ok(())
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
