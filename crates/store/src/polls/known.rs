//! The polls that a process has seen, those that Redis has forgotten among them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use vote_domain::{Poll, PollId, PollState, wire_time};

use super::documents::{self, Listed, no_document, not_listed};
use crate::error::StoreError;
use crate::nodes::Nodes;

/// The most polls that are retained although the list lacks them: only drafts are ever removed, and are not retained, so that
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
    /// When it was made, of a poll that was last read as a draft: it may have been deleted since.
    draft_of: Option<Timestamp>,
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

/// What a reading of the polls has shown.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// What Redis has forgotten.
    pub(crate) regressions: Vec<Regression>,
    /// Drafts that an operator has deleted; another poll may have the id of one by now.
    pub(crate) deleted: BTreeSet<PollId>,
}

/// All of them: those of the last list, and those that it lacks.
#[derive(Debug, Default)]
pub(crate) struct KnownPolls(BTreeMap<PollId, KnownPoll>);

impl KnownPolls {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PollId, &KnownPoll)> {
        self.0.iter()
    }

    /// Reads the polls anew. A draft that is gone was deleted, if an operator has left the mark of that; else Redis has
    /// forgotten it.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read; then nothing has changed.
    pub(crate) async fn read(&mut self, nodes: &Nodes) -> Result<News, StoreError> {
        let listed = documents::list(nodes).await?;
        let mut marks = BTreeMap::new();
        for id in self.missing(&listed) {
            if let Some(mark) = documents::deleted(nodes, &id).await? {
                marks.insert(id, mark);
            }
        }
        Ok(self.update_with(listed, &marks))
    }

    /// Polls that may have been deleted: drafts that are not there any more, or of which another poll has the id; and
    /// those that were never read, and have no document.
    fn missing(&self, listed: &[Listed]) -> Vec<PollId> {
        let is_there = |id: &PollId, known: &KnownPoll| {
            listed.iter().any(|(other, document)| {
                let same = match document {
                    Ok(Some(poll)) => poll.created_at() == known.draft_of,
                    Ok(None) => false,
                    Err(_) => true,
                };
                other == id && same
            })
        };
        let drafts = self.0.iter().filter(|(id, known)| {
            known.draft_of.is_some() && !known.is_forgotten && !is_there(id, known)
        });
        let never_read = listed
            .iter()
            .filter(|(id, document)| matches!(document, Ok(None)) && !self.0.contains_key(id));
        let drafts = drafts.map(|(id, _)| id.clone());
        drafts.chain(never_read.map(|(id, _)| id.clone())).collect()
    }

    /// As [`Self::update`], where `marks` are those of deleted drafts: when each was made.
    fn update_with(&mut self, mut listed: Vec<Listed>, marks: &BTreeMap<PollId, String>) -> News {
        let mut deleted = BTreeSet::new();
        for (id, mark) in marks {
            let known = self.0.get(id).and_then(|known| known.draft_of);
            if known.is_none_or(|made_at| wire_time::format(made_at) == *mark) {
                self.0.remove(id);
                listed.retain(|(other, document)| other != id || !matches!(document, Ok(None)));
                deleted.insert(id.clone());
            }
        }
        let regressions = self.update(listed);
        News {
            regressions,
            deleted,
        }
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
                    let is_draft = poll.state == PollState::Draft;
                    KnownPoll {
                        revision: Some(poll.revision),
                        draft_of: poll.created_at().filter(|_| is_draft),
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
                    revision: known.as_ref().and_then(|known| known.revision),
                    is_forgotten: false,
                    draft_of: known.and_then(|known| known.draft_of),
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
        draft_of: None,
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
    fn a_deleted_draft_is_no_regression_and_another_poll_may_have_its_id() {
        let draft = demo_poll().id("p").draft();
        let made_at = wire_time::format(draft.created_at().expect("it was made"));
        let marks = BTreeMap::from([(id("p"), made_at)]);
        let there = || vec![at_revision("p", 7)];
        let mut known = KnownPolls::default();
        known.update(there());
        assert_eq!(known.missing(&there()), []);
        // Its entry in the list goes first, then its document.
        for listed in [vec![], vec![(id("p"), Ok(None))]] {
            let mut known = KnownPolls::default();
            known.update(there());
            assert_eq!(known.missing(&listed), [id("p")]);
            let news = known.update_with(listed, &marks);
            assert_eq!(news.regressions, []);
            assert_eq!(news.deleted, BTreeSet::from([id("p")]));
            assert_eq!(known.iter().count(), 0);
        }
        // A process that has just started has never read it.
        let mut fresh = KnownPolls::default();
        let listed = vec![(id("p"), Ok(None))];
        assert_eq!(fresh.missing(&listed), [id("p")]);
        fresh.update_with(listed, &marks);
        assert_eq!(fresh.iter().count(), 0);
        // Another poll of that id, made between two readings.
        let mut other = demo_poll().id("p").draft();
        other.log[0].at += jiff::SignedDuration::from_secs(1);
        let listed = || vec![(id("p"), Ok(Some(other.clone())))];
        assert_eq!(known.missing(&listed()), [id("p")]);
        let news = known.update_with(listed(), &marks);
        assert_eq!(news.regressions, []);
        assert!(
            known
                .iter()
                .all(|(_, poll)| poll.document.as_ref() == Ok(&other))
        );
        // It was not this one that was deleted: Redis has forgotten it.
        assert_eq!(known.missing(&[]), [id("p")]);
        let gone = Regression::Poll {
            id: id("p"),
            was: Some(1),
        };
        assert_eq!(known.update_with(vec![], &marks).regressions, [gone]);
        assert_eq!(known.missing(&[]), []);
    }

    #[test]
    fn a_poll_that_has_been_open_is_never_taken_for_a_deleted_draft() {
        let mut known = KnownPolls::default();
        let mut poll = demo_poll().id("p").draft();
        poll.state = PollState::Open;
        known.update(vec![(id("p"), Ok(Some(poll)))]);
        assert_eq!(known.missing(&[]), []);
        assert_eq!(known.update(vec![]).len(), 1);
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
