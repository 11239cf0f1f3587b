//! Votes come to a writer.

use std::sync::Arc;

use vote_domain::{QuarantineReason, VoterDigest};

use super::harness::BOUNDARY_MS;
use super::steps::{Ballot, CROWD, Cast};
use super::system::{System, Vote};
use crate::commit::queue::Pending;
use crate::commit::ticket::Ticket;
use crate::commit::vote::VoteToCast;

impl System<'_> {
    pub(super) fn cast(&mut self, writer: usize, cast: Cast) {
        let voters = usize::from(matches!(
            cast.ballot,
            Ballot::Voter { .. } | Ballot::KeyedVoter { .. }
        ));
        let first_like = |is_like: &dyn Fn(Ballot) -> bool| {
            let mut votes = self.votes.iter();
            let first = votes.find(|vote| is_like(vote.ballot));
            first.map(|vote| (vote.pair, vote.ballot))
        };
        let repeated = match cast.ballot {
            Ballot::Keyed { key, repeats: true } => {
                first_like(&|one| matches!(one, Ballot::Keyed { key: other, .. } if other == key))
            }
            Ballot::KeyedVoter {
                key, repeats: true, ..
            } => first_like(
                &|one| matches!(one, Ballot::KeyedVoter { key: other, .. } if other == key),
            ),
            _ => None,
        };
        let ballot = repeated.map_or(cast.ballot, |(_, first)| first);
        let repeated = repeated.map(|(pair, _)| pair);
        let crowd = (cast.ballot == Ballot::Crowd).then_some(CROWD);
        let pair = repeated.or(crowd).unwrap_or_else(|| {
            let candidate = self.candidates[voters];
            self.candidates[voters] += 1;
            (u8::try_from(voters).expect("one of two"), candidate)
        });
        let poll = self.harness.poll.definition.id();
        let key = match cast.ballot {
            Ballot::Keyed { key, .. } | Ballot::KeyedVoter { key, .. } => {
                Some(self.harness.digest(key))
            }
            _ => None,
        };
        let voter = match ballot {
            Ballot::Voter { voter } | Ballot::KeyedVoter { voter, .. } => {
                Some(VoterDigest::new(&[7; 32], poll, &format!("voter-{voter}")))
            }
            _ => None,
        };
        // Of repeats that are suspect, too, all for one reason.
        let reason = match pair.1 % 2 {
            0 => QuarantineReason::DenyList,
            _ => QuarantineReason::FastProof,
        };
        let ticket = Ticket::new();
        let process = self.current[writer];
        let vote = VoteToCast {
            channel: pair.0,
            candidate: pair.1,
            received_at_ms: BOUNDARY_MS + cast.at,
            key,
            voter,
            is_withdrawn: cast.is_withdrawn,
            quarantine: cast.is_suspect.then_some(reason),
            span: None,
        };
        let pending = Pending::new(vote, Arc::clone(&ticket));
        self.processes[process]
            .shared
            .queue
            .push(pending)
            .expect("room in the queue");
        self.votes.push(Vote {
            ballot,
            at: cast.at,
            is_withdrawn: cast.is_withdrawn,
            is_suspect: cast.is_suspect,
            process,
            pair,
            outcome: None,
            crashes: 0,
            ticket,
        });
    }
}
