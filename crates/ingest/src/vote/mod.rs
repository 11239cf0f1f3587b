//! One vote: from what its client sends to what its client is told. Knows of no route.

mod answer;
mod body;
mod cast;
mod choice;
mod eligibility;
mod key;
mod now;
mod open_poll;
mod problems;
mod read;

#[cfg(test)]
mod tests;

pub use self::answer::{Received, answer};
pub(crate) use self::answer::{VoteAccepted, VoteStatus, vote_accepted};
pub(crate) use self::body::{BatchLine, CastVote, read_batch_line};
pub(crate) use self::cast::{cast, may_be_taken, refuse};
pub(crate) use self::choice::channel_named;
pub use self::eligibility::Checks;
pub(crate) use self::eligibility::{
    ProofCheck, VoterCheck, find_gateway_voter, find_voter, voter_of,
};
pub(crate) use self::key::idempotency_key;
pub(crate) use self::now::{Arrival, now};
pub(crate) use self::open_poll::find_poll;
pub(crate) use self::problems::{BatchProblems, ChallengeProblems, VoteProblems};
pub use self::read::{ReadVote, read_vote};
pub(crate) use self::read::{read_form, read_gateway_vote};
