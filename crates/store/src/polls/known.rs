//! The polls that a process has seen, those that Redis has forgotten among them.

use std::collections::BTreeMap;

use vote_domain::{Poll, PollId};

use super::documents::{Listed, no_document, not_listed};
use crate::error::StoreError;

/// The most polls that are retained although the list lacks them: no command removes a poll, so that
/// more than a few are a sign of something else.
const MOST_FORGOTTEN: usize = 256;

/// A poll that is on the list, or was.
#[derive(Debug, Clone)]
pub(crate) struct KnownPoll {
    /// Its document, or why there is none to go by.
    pub(crate) document: Result<Poll, String>,
    /// Whether it is on the list still.
    pub(crate) is_listed: bool,
    /// The revision that it was last read at.
    revision: Option<u64>,
    /// Redis has no document of it, or does not list it any more.
    is_forgotten: bool,
}

/// What Redis turned out to have forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Regression {
    /// The whole poll.
    Poll {
        id: PollId,
        /// The revision that it was last read at.
        was: Option<u64>,
    },
    /// A change: the poll is there at an older revision than before.
    Change { id: PollId, was: u64, is: u64 },
}

/// All of them: those of the last list, and those that it lacks.
#[derive(Debug, Default)]
pub(crate) struct KnownPolls(BTreeMap<PollId, KnownPoll>);

impl KnownPolls {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PollId, &KnownPoll)> {
        self.0.iter()
    }

    /// Takes over a list that was read. Polls that it lacks are retained, at most [`MOST_FORGOTTEN`] of
    /// them; each regression is said once.
    pub(crate) fn update(&mut self, listed: Vec<Listed>) -> Vec<Regression> {
        let mut before = std::mem::take(&mut self.0);
        let mut regressions = Vec::new();
        for (id, document) in listed {
            let known = before.remove(&id);
            let next = match document {
                Ok(Some(poll)) => {
                    let was = known.and_then(|known| known.revision);
                    if let Some(was) = was.filter(|was| poll.revision < *was) {
                        let (id, is) = (id.clone(), poll.revision);
                        regressions.push(Regression::Change { id, was, is });
                    }
                    KnownPoll {
                        revision: Some(poll.revision),
                        document: Ok(poll),
                        is_listed: true,
                        is_forgotten: false,
                    }
                }
                Ok(None) => KnownPoll {
                    is_listed: true,
                    ..forgotten(&id, known, &no_document(&id), &mut regressions)
                },
                // It is there, and says nothing to this version.
                Err(error) => KnownPoll {
                    document: Err(error.to_string()),
                    is_listed: true,
                    revision: known.and_then(|known| known.revision),
                    is_forgotten: false,
                },
            };
            self.0.insert(id, next);
        }
        let mut left: Vec<_> = before.into_iter().collect();
        // Those that were there a moment ago before those that were forgotten long since.
        left.sort_by_key(|(_, known)| known.is_forgotten);
        for (id, known) in left.into_iter().take(MOST_FORGOTTEN) {
            let next = forgotten(&id, Some(known), &not_listed(&id), &mut regressions);
            self.0.insert(id, next);
        }
        regressions
    }
}

/// What is still known of a poll that Redis has forgotten.
fn forgotten(
    id: &PollId,
    known: Option<KnownPoll>,
    why: &StoreError,
    regressions: &mut Vec<Regression>,
) -> KnownPoll {
    let was = known.as_ref().and_then(|known| known.revision);
    if known.is_some_and(|known| !known.is_forgotten) {
        regressions.push(Regression::Poll {
            id: id.clone(),
            was,
        });
    }
    KnownPoll {
        document: Err(why.to_string()),
        is_listed: false,
        revision: was,
        is_forgotten: true,
    }
}

#[cfg(test)]
mod tests {
    use vote_testkit::fixtures::demo_poll;

    use super::*;

    fn id(text: &str) -> PollId {
        PollId::parse(text).expect("an id")
    }

    fn at_revision(text: &str, revision: u64) -> Listed {
        let mut poll = demo_poll().id(text).draft();
        poll.revision = revision;
        (id(text), Ok(Some(poll)))
    }

    fn unreadable(text: &str) -> Listed {
        let error = StoreError::corrupt(text, "of a later version");
        (id(text), Err(error))
    }

    #[test]
    fn a_forgotten_poll_is_said_once_and_retained_until_it_is_there_again() {
        let mut known = KnownPolls::default();
        assert_eq!(known.update(vec![at_revision("p", 7)]), []);
        let gone = Regression::Poll {
            id: id("p"),
            was: Some(7),
        };
        assert_eq!(known.update(vec![(id("p"), Ok(None))]), [gone]);
        assert!(known.iter().all(|(_, poll)| poll.is_listed));
        // First its document, then its entry in the list.
        assert_eq!(known.update(vec![]), []);
        assert_eq!(known.update(vec![]), []);
        let [(_, retained)] = known.iter().collect::<Vec<_>>()[..] else {
            panic!("{known:?}");
        };
        assert!(retained.document.is_err());
        assert!(!retained.is_listed);
        let older = Regression::Change {
            id: id("p"),
            was: 7,
            is: 5,
        };
        assert_eq!(known.update(vec![at_revision("p", 5)]), [older]);
        assert_eq!(known.update(vec![at_revision("p", 5)]), []);
        assert_eq!(known.update(vec![at_revision("p", 6)]), []);
        assert!(known.iter().all(|(_, poll)| poll.document.is_ok()));
    }

    #[test]
    fn a_document_of_a_later_version_hides_no_regression_and_is_none() {
        let mut known = KnownPolls::default();
        known.update(vec![at_revision("p", 7)]);
        assert_eq!(known.update(vec![unreadable("p")]), []);
        assert_eq!(known.update(vec![at_revision("p", 6)]).len(), 1);
    }

    #[test]
    fn a_poll_that_never_had_a_document_is_no_regression() {
        let mut known = KnownPolls::default();
        assert_eq!(known.update(vec![(id("p"), Ok(None))]), []);
        assert_eq!(known.update(vec![]), []);
    }

    #[test]
    fn of_many_forgotten_polls_the_last_ones_are_retained() {
        let mut known = KnownPolls::default();
        let many = |letter: char| {
            let ids = (0..MOST_FORGOTTEN).map(move |n| format!("{letter}{n}"));
            ids.map(|id| unreadable(&id)).collect::<Vec<_>>()
        };
        known.update(many('a'));
        known.update(many('b'));
        assert_eq!(known.iter().count(), 2 * MOST_FORGOTTEN);
        known.update(vec![]);
        assert_eq!(known.iter().count(), MOST_FORGOTTEN);
        assert!(known.iter().all(|(id, _)| id.as_str().starts_with('b')));
    }
}
