//! The polls as they were last read, for the requests that name one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use vote_domain::Poll;

use super::open_poll::OpenPoll;
use crate::polls::{KnownPolls, Unread};

/// What is to come for the lanes of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prospects {
    /// Votes, or the end of those in flight.
    GoesOn,
    /// Redis has no document of the poll: until it is there again, no vote comes, and none can be sent again.
    Forgotten,
    /// Nothing any more.
    Ended,
}

/// The polls, as last read.
#[derive(Default)]
pub(super) struct Directory {
    polls: HashMap<String, Arc<OpenPoll>>,
    /// Polls whose documents could not be read, or that Redis has forgotten, with the reason.
    unreadable: BTreeMap<String, Unread>,
    /// The list could not be read: there may be polls that are new.
    is_list_away: bool,
}

impl Directory {
    /// The directory after the polls were read again; `open` opens a poll that is new, or has changed.
    ///
    /// A listed poll whose document can't be read stays as it was known. A forgotten one takes no votes: in an
    /// empty Redis they would leave traces in the ledger, and keep a backup from being restored. Its lanes
    /// send again what they have, as soon as its shards have their fences.
    pub(super) fn next(&self, known: &KnownPolls, open: impl Fn(&Poll) -> OpenPoll) -> Self {
        let mut next = Self {
            is_list_away: known.is_list_away(),
            ..Self::default()
        };
        for (id, known) in known.iter() {
            let name = id.to_string();
            let before = self.polls.get(&name);
            let poll = match &known.document {
                Ok(poll) => {
                    let same = before.filter(|open| open.poll() == poll).cloned();
                    Some(same.unwrap_or_else(|| Arc::new(open(poll))))
                }
                Err(unread) => {
                    if let Unread::Unusable(error) = unread
                        && self.unreadable.get(&name) != Some(unread)
                    {
                        tracing::error!(poll = name, error, "a poll's document can't be read");
                    }
                    next.unreadable.insert(name.clone(), unread.clone());
                    before.filter(|_| known.is_listed).cloned()
                }
            };
            next.polls.extend(poll.map(|poll| (name, poll)));
        }
        next
    }

    /// The poll called `id`; `None` where it is known that there is none.
    ///
    /// # Errors
    /// That it can't be known, since the poll's document can't be read, or the list of polls.
    pub(super) fn find(&self, id: &str) -> Result<Option<Arc<OpenPoll>>, &'static str> {
        match self.polls.get(id) {
            Some(open) => Ok(Some(Arc::clone(open))),
            None => match self.unreadable.get(id) {
                Some(Unread::Unusable(_)) => Err("the poll's document can't be read"),
                // It may be a draft, and to a client there is no such poll; or it is open.
                Some(Unread::Away(_)) => Err("the server of the poll's document is away"),
                None if self.is_list_away => Err("the list of polls can't be read"),
                None => Ok(None),
            },
        }
    }

    /// What is to come for the lanes of the poll called `id`.
    pub(super) fn prospects(&self, id: &str) -> Prospects {
        match self.polls.get(id) {
            Some(poll) if poll.has_lanes() => Prospects::GoesOn,
            None if self.unreadable.contains_key(id) => Prospects::Forgotten,
            Some(_) | None => Prospects::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vote_domain::PollId;
    use vote_testkit::fixtures::demo_poll;

    use super::*;
    use crate::commit::writer::earlier::EarlierVotes;
    use crate::config::RedisConfig;
    use crate::error::StoreError;
    use crate::nodes::Nodes;
    use crate::polls::documents::Listed;

    fn away() -> Vec<Listed> {
        let id = PollId::parse("p").expect("a valid id");
        let error = StoreError::Connect("10.0.0.7:6379: refused".to_owned());
        vec![(id, Err(error))]
    }

    fn listed(document: Result<Option<Poll>, &str>) -> Vec<Listed> {
        let id = PollId::parse("p").expect("a valid id");
        let document = document.map_err(|reason| StoreError::corrupt("p", reason));
        vec![(id, document)]
    }

    fn draft() -> Poll {
        demo_poll().id("p").draft()
    }

    fn open(poll: &Poll) -> OpenPoll {
        let config = RedisConfig::new("redis://127.0.0.1:1").expect("an address");
        let nodes = Nodes::new(&config).expect("nothing to refuse");
        let earlier = EarlierVotes::new(nodes, Duration::ZERO);
        OpenPoll::new(poll.clone(), None, None, earlier, Duration::ZERO)
    }

    /// The directory after each of `lists` was read.
    fn after(lists: Vec<Vec<Listed>>) -> Directory {
        let mut known = KnownPolls::default();
        lists
            .into_iter()
            .fold(Directory::default(), |before, list| {
                known.update(list);
                before.next(&known, open)
            })
    }

    #[test]
    fn a_poll_that_is_listed_nowhere_is_not_there() {
        assert!(matches!(after(vec![vec![]]).find("p"), Ok(None)));
    }

    #[test]
    fn a_poll_that_has_not_changed_stays_open() {
        let mut known = KnownPolls::default();
        known.update(listed(Ok(Some(draft()))));
        let before = Directory::default().next(&known, open);
        let again = before.next(&known, |_| panic!("it is open already"));
        assert!(matches!(again.find("p"), Ok(Some(_))));
    }

    #[test]
    fn a_listed_poll_whose_document_cannot_be_read_stays_as_it_was_known() {
        for document in [Ok(None), Err("of a later version")] {
            let directory = after(vec![listed(Ok(Some(draft()))), listed(document.clone())]);
            assert!(matches!(directory.find("p"), Ok(Some(_))));
            let never_read = after(vec![listed(document)]);
            assert!(never_read.find("p").is_err());
        }
    }

    #[test]
    fn a_poll_whose_server_is_away_stays_as_it_was_known_and_is_none_that_is_not_there() {
        let there = || listed(Ok(Some(draft())));
        let mut known = KnownPolls::default();
        known.update(there());
        let before = Directory::default().next(&known, open);
        known.update(away());
        let next = before.next(&known, |_| panic!("it is open already"));
        let poll = |directory: &Directory| directory.find("p").expect("known").expect("there");
        assert!(Arc::ptr_eq(&poll(&before), &poll(&next)));
        let never_read = after(vec![away()]);
        assert!(never_read.find("p").is_err_and(|why| why.contains("away")));
        assert!(matches!(never_read.find("q"), Ok(None)));
        assert!(matches!(
            after(vec![away(), there()]).find("p"),
            Ok(Some(_))
        ));
        // One that was forgotten before takes no votes while nobody can say that it is there again.
        assert!(after(vec![there(), vec![], away()]).find("p").is_err());
    }

    #[test]
    fn a_forgotten_poll_takes_no_votes_until_it_is_there_again() {
        let there = || listed(Ok(Some(draft())));
        assert!(after(vec![there(), vec![], vec![]]).find("p").is_err());
        let back = after(vec![there(), vec![], there()]);
        assert!(matches!(back.find("p"), Ok(Some(_))));
    }
}
