//! Channels that ask who votes: by a voter token, of which only a digest goes further.

use jiff::Timestamp;
use vote_domain::Eligibility;
use vote_http::{Problem, ProblemCode, SentHeader};
use vote_store::{OpenPoll, VoteToCast};
use vote_voters::{Refused, Voters};

use super::not_available;
use super::unknown_voter::without_key;

/// Notes who casts a vote, where its channel asks for that.
///
/// # Errors
/// Where the request does not show it, or it can't be checked.
pub(crate) async fn find_voter(
    vote: &mut VoteToCast,
    authorization: SentHeader<'_>,
    voters: Option<&Voters>,
    open: &OpenPoll,
    received_at: Timestamp,
) -> Result<(), Problem> {
    let channel = &open.poll().definition.channels()[usize::from(vote.channel)];
    if channel.eligibility != Eligibility::Voter {
        return Ok(());
    }
    let no_keys = "and this service has no keys to check tokens with (voters.jwks_url)";
    let voters = voters.ok_or_else(|| not_available(channel, no_keys))?;
    let verified = voters.verify(token(authorization)?).await;
    let voter = verified.map_err(refused)?;
    match open.voter(vote.channel, voter.subject(), received_at) {
        Ok(digest) => vote.voter = digest,
        Err(error) => without_key(open, error)?,
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
