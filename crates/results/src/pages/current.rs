//! Which poll is on now: the one that `current` means.

use std::collections::BTreeMap;
use std::sync::Arc;

use vote_domain::{Kind, PollId, PollState};

use crate::pages::board::PollPages;

/// The live poll that is open, or else the one that opened last, or else, before the first of a season, the one that opens
/// first. Of several the one that opened last; drafts are none.
pub(crate) fn current(polls: &BTreeMap<PollId, Arc<PollPages>>) -> Option<&PollId> {
    let announced = polls.iter().filter(|(_, pages)| {
        let poll = &pages.snapshot.poll;
        poll.definition.kind() == Kind::Live && poll.is_announced()
    });
    let opens_at = |pages: &PollPages| pages.snapshot.poll.definition.opens_at();
    let has_opened = |pages: &PollPages| pages.view.has_opened;
    let opened = announced.clone().filter(|(_, pages)| has_opened(pages));
    let newest = opened.max_by_key(|(_, pages)| {
        let is_open = matches!(pages.view.state, PollState::Open | PollState::Paused);
        (is_open, opens_at(pages))
    });
    let next = || announced.min_by_key(|(_, pages)| opens_at(pages));
    newest.or_else(next).map(|(id, _)| id)
}
