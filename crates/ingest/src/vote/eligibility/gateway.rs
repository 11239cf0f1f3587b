//! Channels that take votes by gateways alone, and the voters whom gateways name.

use jiff::Timestamp;
use vote_domain::Channel;
use vote_http::{Problem, ProblemCode};
use vote_store::{OpenPoll, VoteToCast};

use super::unknown_voter::without_key;
use crate::gateways::Names;

/// The longest name of a voter, as long as a token's `sub` may be.
const MAX_VOTER_BYTES: usize = 255;

/// The problem of a vote by such a channel that no gateway has sent.
pub(super) fn required(channel: &Channel) -> Problem {
    Problem::new(ProblemCode::GatewayRequired)
        .detail(format!(
            "channel: {} takes votes by gateways alone (POST …/votes/batch, with a gateway's token); the vote was not recorded.",
            channel.id
        ))
        .member("eligibility", channel.eligibility.as_str())
}

/// Notes who casts a vote, as its gateway says, where the channel asks for that.
///
/// # Errors
/// Where it does not say, or the voter can't be noted.
pub(crate) fn find_gateway_voter(
    vote: &mut VoteToCast,
    named: Option<&str>,
    names: Names<'_>,
    open: &OpenPoll,
    received_at: Timestamp,
) -> Result<(), Problem> {
    let channel = &open.poll().definition.channels()[usize::from(vote.channel)];
    let is_asked = channel.votes_per_voter.is_some() || channel.eligibility.asks_for_voter();
    let voter = match named {
        None if is_asked => return Err(ProblemCode::VoterRequired.into()),
        None => return Ok(()),
        Some(voter) if (1..=MAX_VOTER_BYTES).contains(&voter.len()) => voter,
        Some(_) => {
            return Err(Problem::new(ProblemCode::MalformedBody)
                .detail(format!("voter: must have 1 to {MAX_VOTER_BYTES} bytes.")));
        }
    };
    let digest = match names {
        Names::OfGroup(group) => open.voter_of_gateways(vote.channel, (group, voter), received_at),
        Names::Subject => open.voter(vote.channel, voter, received_at),
    };
    match digest {
        Ok(digest) => vote.voter = digest,
        Err(error) => without_key(open, error)?,
    }
    Ok(())
}
