//! Channels that ask who votes: by a voter token, of which only a digest goes further.

use jiff::Timestamp;
use vote_domain::Channel;
use vote_http::{Problem, ProblemCode, SentHeader, bearer};
use vote_store::{OpenPoll, VoteToCast};
use vote_voters::{Refused, Voter, Voters};

use super::proof::{self, OfVoter};
use super::unknown_voter::without_key;
use super::{Checks, not_available};
use crate::limits::RateLimits;
use crate::vote::read::ReadVote;

/// What voters are found by, and how often they may come.
#[derive(Clone, Copy)]
pub(crate) struct VoterCheck<'a> {
    /// `None` where the settings say nowhere that keys of voter tokens are.
    pub(crate) voters: Option<&'a Voters>,
    pub(crate) limits: &'a RateLimits,
    /// What the vote was read with.
    pub(crate) checks: Checks<'a>,
}

/// The vote as the lanes take it: with who casts it, where its channel asks for that. Beside it when the token was made, if it says
/// so.
///
/// # Errors
/// Where the request does not show it, or it can't be checked, the voter comes too often, or the proof of work is for somebody
/// else's vote.
pub(crate) async fn find_voter(
    read: ReadVote<'_>,
    authorization: SentHeader<'_>,
    asked: VoterCheck<'_>,
    open: &OpenPoll,
    received_at: Timestamp,
) -> Result<(VoteToCast, Option<i64>), Problem> {
    let ReadVote {
        mut vote, proof, ..
    } = read;
    let definition = &open.poll().definition;
    let channel = &definition.channels()[usize::from(vote.channel)];
    if !channel.eligibility.asks_for_voter() {
        return Ok((vote, None));
    }
    let voter = voter_of(channel, authorization, asked.voters).await?;
    // Before the poll's own limit, which Redis has to be asked for.
    asked.limits.admit_voter(voter.subject())?;
    if let (Some(proof), Some(proofs)) = (&proof, asked.checks.proofs) {
        let of_voter = OfVoter {
            poll: definition.id(),
            channel,
            subject: voter.subject(),
            proof,
            received_at,
        };
        proof::check_voter(&of_voter, proofs)?;
    }
    match open.voter(vote.channel, voter.subject(), received_at) {
        Ok(digest) => vote.voter = digest,
        Err(error) => without_key(open, error)?,
    }
    Ok((vote, voter.issued_at()))
}

/// Whom the token of a request names, for a channel that asks who votes.
///
/// # Errors
/// Where there is none that holds, or it can't be checked.
pub(crate) async fn voter_of(
    channel: &Channel,
    authorization: SentHeader<'_>,
    voters: Option<&Voters>,
) -> Result<Voter, Problem> {
    let no_keys = "and this service has no keys to check tokens with (voters.jwks_url)";
    let voters = voters.ok_or_else(|| not_available(channel, no_keys))?;
    let verified = voters.verify(token(authorization)?).await;
    verified.map_err(refused)
}

/// The token that a request carries.
fn token(authorization: SentHeader<'_>) -> Result<&str, Problem> {
    let invalid =
        |detail: &'static str| Problem::new(ProblemCode::InvalidVoterToken).detail(detail);
    match authorization {
        SentHeader::Missing => Err(ProblemCode::VoterTokenRequired.into()),
        SentHeader::Repeated => Err(invalid("Authorization must be given once.")),
        SentHeader::NoText => Err(invalid(
            "Authorization must hold only visible ASCII characters.",
        )),
        SentHeader::Once(text) => {
            bearer(text).ok_or_else(|| ProblemCode::VoterTokenRequired.into())
        }
    }
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::KeysUnavailable => {
            Problem::new(ProblemCode::VoterKeysUnavailable).because(refused)
        }
        Refused::Invalid
        | Refused::TooLong
        | Refused::Expired
        | Refused::NotYetValid
        | Refused::WrongAudience => Problem::new(ProblemCode::InvalidVoterToken)
            .detail(format!("{refused}; the vote was not recorded.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_once_or_the_voter_is_told_what_to_send() {
        let found = token(SentHeader::Once("Bearer a.b.c"));
        assert_eq!(found.ok(), Some("a.b.c"));
        for (sent, code) in [
            (SentHeader::Missing, ProblemCode::VoterTokenRequired),
            (SentHeader::Once(""), ProblemCode::VoterTokenRequired),
            (SentHeader::Once("Bearer"), ProblemCode::VoterTokenRequired),
            (SentHeader::Once("a.b.c"), ProblemCode::VoterTokenRequired),
            (
                SentHeader::Once("Basic YTpi"),
                ProblemCode::VoterTokenRequired,
            ),
            (SentHeader::Repeated, ProblemCode::InvalidVoterToken),
            (SentHeader::NoText, ProblemCode::InvalidVoterToken),
        ] {
            let refused = token(sent).expect_err("no token");
            assert_eq!(refused.code(), code, "{sent:?}");
        }
    }
}
