//! Channels that ask who votes: by a voter token, of which only a digest goes further.

use jiff::Timestamp;
use vote_domain::{Eligibility, PollState};
use vote_http::{Problem, ProblemCode, SentHeader};
use vote_store::{OpenPoll, VoteToCast};
use vote_voters::{Refused, Voters};

use super::not_available;
use crate::limits::RateLimits;

/// What voters are found by, and how often they may come.
#[derive(Clone, Copy)]
pub(crate) struct VoterCheck<'a> {
    /// `None` where the settings say nowhere that keys of voter tokens are.
    pub(crate) voters: Option<&'a Voters>,
    pub(crate) limits: &'a RateLimits,
}

/// Notes who casts a vote, where its channel asks for that.
///
/// # Errors
/// Where the request does not show it, it can't be checked, or the voter comes too often.
pub(crate) async fn find_voter(
    vote: &mut VoteToCast,
    authorization: SentHeader<'_>,
    asked: VoterCheck<'_>,
    open: &OpenPoll,
    received_at: Timestamp,
) -> Result<(), Problem> {
    let channel = &open.poll().definition.channels()[usize::from(vote.channel)];
    if channel.eligibility != Eligibility::Voter {
        return Ok(());
    }
    let no_keys = "and this service has no keys to check tokens with (voters.jwks_url)";
    let voters = asked
        .voters
        .ok_or_else(|| not_available(channel, no_keys))?;
    let verified = voters.verify(token(authorization)?).await;
    let voter = verified.map_err(refused)?;
    // Before the poll's own limit, which Redis has to be asked for.
    asked.limits.admit_voter(voter.subject())?;
    match open.voter(vote.channel, voter.subject(), received_at) {
        Ok(digest) => vote.voter = digest,
        Err(error) => match open.poll().state {
            // Such a poll takes no vote, whoever casts it.
            PollState::Draft | PollState::Sealed | PollState::Void => {}
            PollState::Closed if open.poll().has_forgotten_voters() => {
                return Err(Problem::new(ProblemCode::PollClosed).detail(
                    "The poll has closed, and who has voted is forgotten: this request recorded nothing.",
                ));
            }
            PollState::Open | PollState::Paused | PollState::Closed => {
                return Err(Problem::new(ProblemCode::StoreUnavailable).because(error));
            }
        },
    }
    Ok(())
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
        SentHeader::Once(text) => match text.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
            _ => Err(ProblemCode::VoterTokenRequired.into()),
        },
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
    fn a_token_is_behind_the_word_bearer() {
        for text in ["Bearer a.b.c", "bearer  a.b.c ", "BEARER a.b.c"] {
            assert_eq!(token(SentHeader::Once(text)).ok(), Some("a.b.c"), "{text}");
        }
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
