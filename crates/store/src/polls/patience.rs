//! How long a process that has just started waits for documents that it has never read.

use std::time::Duration;

use tokio::time::Instant;
use vote_domain::PollId;

use super::known::KnownPolls;

/// How long it waits from when it first read the list of polls, as results does for figures.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a process that has just started still waits for documents whose servers are away.
///
/// Nobody can say of a document that was never read whether it is an open poll's or a draft's. Processes that knew it before take
/// its votes, and this one can't: a roll-out must not end those for the sake of this one. But one server that is away for
/// long must not keep new processes from taking votes for all other polls either, nor may a draft on it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) enum Patience {
    /// The list of polls was not read yet.
    #[default]
    Untold,
    /// It waits until then, or until it has read them.
    Until(Instant),
    /// It has read all that there was, or has waited for long enough. Later polls take it out of service no more.
    Over,
}

impl Patience {
    /// The poll for whose document the process waits, after a reading.
    pub(crate) fn waits_for(&mut self, known: &KnownPolls, now: Instant) -> Option<PollId> {
        let never_read = known.never_read().cloned();
        let until = match *self {
            Self::Over => return None,
            Self::Untold => now + PATIENCE,
            Self::Until(until) => until,
        };
        // One that can read no document at all would take no vote.
        let goes_on = now < until || !known.has_read_any();
        let waits_for = never_read.filter(|_| goes_on);
        *self = match waits_for {
            Some(_) => Self::Until(until),
            None => Self::Over,
        };
        waits_for
    }
}

#[cfg(test)]
mod tests {
    use vote_testkit::fixtures::demo_poll;

    use super::*;
    use crate::error::StoreError;
    use crate::polls::documents::Listed;

    const SHORT: Duration = Duration::from_secs(1);

    fn id(text: &str) -> PollId {
        PollId::parse(text).expect("an id")
    }

    fn there(text: &str) -> Listed {
        (id(text), Ok(Some(demo_poll().id(text).draft())))
    }

    fn away(text: &str) -> Listed {
        let error = StoreError::Connect("10.0.0.7:6379: refused".to_owned());
        (id(text), Err(error))
    }

    fn unusable(text: &str) -> Listed {
        let error = StoreError::corrupt(text, "of a later version");
        (id(text), Err(error))
    }

    /// What a process waits for after a reading of these.
    fn after(
        patience: &mut Patience,
        known: &mut KnownPolls,
        list: Vec<Listed>,
        now: Instant,
    ) -> Option<String> {
        known.update(list);
        let waits_for = patience.waits_for(known, now);
        waits_for.map(|id| id.to_string())
    }

    #[test]
    fn a_process_waits_for_a_document_that_it_has_never_read_but_not_for_ever() {
        let (mut patience, mut known) = (Patience::default(), KnownPolls::default());
        let start = Instant::now();
        let list = || vec![there("a"), away("b")];
        let mut at = |now| after(&mut patience, &mut known, list(), now);
        assert_eq!(at(start).as_deref(), Some("b"));
        assert_eq!(at(start + PATIENCE - SHORT).as_deref(), Some("b"));
        assert_eq!(at(start + PATIENCE), None);
        assert_eq!(at(start + PATIENCE), None);
    }

    #[test]
    fn a_process_that_has_read_all_once_waits_for_none_that_comes_later() {
        let (mut patience, mut known) = (Patience::default(), KnownPolls::default());
        let start = Instant::now();
        let mut at = |list| after(&mut patience, &mut known, list, start);
        assert_eq!(
            at(vec![there("a"), away("b")]).as_deref(),
            Some("b"),
            "b was not read yet"
        );
        assert_eq!(at(vec![there("a"), there("b")]), None);
        assert_eq!(at(vec![there("a"), away("b"), away("c")]), None);
    }

    #[test]
    fn what_was_read_before_or_says_nothing_to_this_version_is_not_waited_for() {
        let (mut patience, mut known) = (Patience::default(), KnownPolls::default());
        let start = Instant::now();
        let list = |a| vec![a, away("b"), unusable("c")];
        let waits_for = after(&mut patience, &mut known, list(there("a")), start);
        assert_eq!(waits_for.as_deref(), Some("b"));
        let list = vec![away("a"), there("b"), unusable("c")];
        assert_eq!(after(&mut patience, &mut known, list, start), None);
    }

    #[test]
    fn a_process_that_can_read_no_document_at_all_waits_for_as_long_as_that() {
        let (mut patience, mut known) = (Patience::default(), KnownPolls::default());
        let start = Instant::now();
        let mut at = |list, now| after(&mut patience, &mut known, list, now);
        assert_eq!(at(vec![away("a")], start).as_deref(), Some("a"));
        let late = start + 2 * PATIENCE;
        assert_eq!(at(vec![away("a")], late).as_deref(), Some("a"));
        assert_eq!(at(vec![there("a")], late), None);
    }
}
