//! The keys of the digests that stand for voters, one for each poll: with it destroyed, the digests are noise.
//!
//! A key is as long-lived as its poll takes votes. Redis may forget it; then it is put back, for under another one each voter
//! would be somebody new, with all votes again. Once the poll is over nobody puts it back, so that who destroys it does so for
//! good.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use futures_util::future::join_all;
use parking_lot::Mutex;
use vote_domain::{Poll, PollId, PollState};

use super::known::KnownPolls;
use super::secret;
use crate::error::StoreError;
use crate::keys;
use crate::nodes::Nodes;

/// The key of one poll, as this process knows it.
#[derive(Default)]
pub(crate) struct VoterKey {
    key: ArcSwapOption<[u8; 32]>,
    /// Redis could not be asked last time, which was said.
    is_failing: AtomicBool,
}

impl VoterKey {
    /// The key; `None` until Redis was reached once, and where the poll's voters are forgotten.
    pub(crate) fn load(&self) -> Option<Arc<[u8; 32]>> {
        self.key.load_full()
    }

    /// Sees to it that this process has what the poll needs.
    async fn follow(&self, poll: &Poll, nodes: &Nodes, random: fn() -> [u8; 32]) {
        let followed = match poll.state {
            PollState::Draft => Ok(()),
            PollState::Open | PollState::Paused => self.share(poll, nodes, random).await,
            // A repeat that comes late goes where its vote went.
            PollState::Closed if !poll.has_forgotten_voters() => self.read(poll, nodes).await,
            PollState::Closed | PollState::Sealed | PollState::Void => {
                self.key.store(None);
                Ok(())
            }
        };
        let was_failing = self.is_failing.swap(followed.is_err(), Ordering::Relaxed);
        if let Err(error) = followed
            && !was_failing
        {
            let poll = poll.definition.id();
            tracing::warn!(%poll, %error, "whether Redis has the key of the voters' digests is not known");
        }
    }

    /// Makes the key where nobody has, and puts back what Redis has forgotten.
    async fn share(
        &self,
        poll: &Poll,
        nodes: &Nodes,
        random: fn() -> [u8; 32],
    ) -> Result<(), StoreError> {
        let own = self.load().map(|own| *own);
        let key = keys::voter_key(poll.definition.id());
        let own_or_new = own.unwrap_or_else(random);
        let (found, was_missing) = secret::read_or_set(nodes, &key, &own_or_new).await?;
        let poll = poll.definition.id();
        match own {
            Some(own) if own == found && was_missing => {
                tracing::warn!(%poll, "Redis had forgotten the key of the voters' digests, and has it again");
            }
            Some(own) if own != found => tracing::error!(
                %poll,
                "Redis has another key of the voters' digests than this process: what voters have used until now does \
                 not count any more"
            ),
            Some(_) | None => {}
        }
        if own != Some(found) {
            self.key.store(Some(Arc::new(found)));
        }
        Ok(())
    }

    async fn read(&self, poll: &Poll, nodes: &Nodes) -> Result<(), StoreError> {
        if self.key.load().is_none() {
            let key = keys::voter_key(poll.definition.id());
            let found = secret::read(nodes, &key).await?;
            self.key.store(found.map(Arc::new));
        }
        Ok(())
    }
}

/// Of keys that a process has, so many are looked after at each reading of the polls: all of a show's, and of hundreds of polls
/// each in its turn.
const IN_TURN: usize = 8;

/// Those of all polls whose voters are counted.
#[derive(Default)]
pub(crate) struct VoterKeys {
    keys: Mutex<HashMap<PollId, Arc<VoterKey>>>,
    /// Whose turn it is.
    turn: AtomicUsize,
}

impl VoterKeys {
    /// The key of a poll's voters, where they are counted.
    pub(crate) fn of(&self, poll: &Poll) -> Option<Arc<VoterKey>> {
        let id = poll.definition.id();
        let mut keys = self.keys.lock();
        poll.counts_voters()
            .then(|| Arc::clone(keys.entry(id.clone()).or_default()))
    }

    /// Sees to the keys that this process has not, or to those that it has: the first are needed before their polls are published,
    /// and the others keep nobody waiting. Lets go of polls that are not known any more.
    pub(crate) async fn follow(
        &self,
        known: &KnownPolls,
        nodes: &Nodes,
        random: fn() -> [u8; 32],
        it_has: bool,
    ) {
        let polls = known
            .iter()
            .filter_map(|(_, poll)| poll.document.as_ref().ok());
        let keys: Vec<_> = polls
            .filter_map(|poll| Some((poll, self.of(poll)?)))
            .filter(|(_, key)| key.load().is_some() == it_has)
            .collect();
        let (asked, others): (Vec<_>, Vec<_>) = keys
            .iter()
            .partition(|(poll, _)| matches!(poll.state, PollState::Open | PollState::Paused));
        let asked_now = if it_has {
            asked.len().min(IN_TURN)
        } else {
            asked.len()
        };
        let turn = self.turn.fetch_add(asked_now, Ordering::Relaxed);
        let asked = (0..asked_now).map(|n| asked[turn.wrapping_add(n) % asked.len()]);
        let following = asked
            .chain(others)
            .map(|(poll, key)| key.follow(poll, nodes, random));
        join_all(following).await;
        self.keys.lock().retain(|id, _| known.knows(id));
    }
}
