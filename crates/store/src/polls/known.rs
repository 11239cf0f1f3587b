//! The polls that a process has seen, those that Redis has forgotten among them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use vote_domain::{Poll, PollId, PollState, wire_time};

#[cfg(test)]
use super::documents::Listed;
use super::documents::{no_document, not_listed};
use super::news::{Found, News, Regression};
use super::unread::Unread;
use crate::changes::Basis;
use crate::error::StoreError;

/// The most polls that are retained although the list lacks them: only drafts are ever removed, and are not retained, so that
/// more than a few are a sign of something else.
const MOST_FORGOTTEN: usize = 256;

/// A poll that is on the list, or was.
#[derive(Debug, Clone)]
pub(crate) struct KnownPoll {
    /// Its document, or why there is none to go by.
    pub(crate) document: Result<Poll, Unread>,
    /// Whether it is on the list still.
    pub(crate) is_listed: bool,
    /// The revision that it was last read at.
    revision: Option<u64>,
    /// Redis has no document of it, or does not list it any more.
    is_forgotten: bool,
    /// When it was made, of a poll that was last read as a draft: it may have been deleted since.
    draft_of: Option<Timestamp>,
    /// How its document was read.
    pub(super) basis: Basis,
}

impl KnownPoll {
    /// Whether the server of its document was away at the last reading.
    pub(super) fn is_away(&self) -> bool {
        self.document.as_ref().is_err_and(Unread::is_away)
    }
}

/// All of them: those of the last list, and those that it lacks.
#[derive(Debug, Default)]
pub(crate) struct KnownPolls {
    pub(super) polls: BTreeMap<PollId, KnownPoll>,
    /// The ids that the list had, and how it was read.
    pub(super) list: Option<(Vec<PollId>, Basis)>,
    /// Whether the list could not be read last time.
    pub(super) is_list_away: bool,
    /// How often they were read.
    pub(super) readings: usize,
}

impl KnownPolls {
    /// Whether it is one of them.
    pub(crate) fn knows(&self, id: &PollId) -> bool {
        self.polls.contains_key(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PollId, &KnownPoll)> {
        self.polls.iter()
    }

    /// Whether there may be polls that are on the list by now, since it could not be read.
    pub(crate) const fn is_list_away(&self) -> bool {
        self.is_list_away
    }

    /// The first poll of which nothing is known, since the server of its document has been away.
    pub(super) fn never_read(&self) -> Option<&PollId> {
        let is_never_read = |known: &KnownPoll| known.revision.is_none() && known.is_away();
        let mut polls = self.polls.iter();
        polls.find_map(|(id, known)| is_never_read(known).then_some(id))
    }

    /// Whether any document was ever read.
    pub(super) fn has_read_any(&self) -> bool {
        self.polls.values().any(|known| known.revision.is_some())
    }

    /// Polls that may have been deleted: drafts that are not there any more, or of which another poll has the id; and
    /// those that were never read, and have no document, or are on the list no more.
    pub(super) fn missing(&self, found: &BTreeMap<PollId, Found>) -> Vec<PollId> {
        let is_there = |id: &PollId, known: &KnownPoll| match found.get(id) {
            None | Some(Found::Read(Ok(None))) => false,
            Some(Found::Read(Ok(Some(poll)))) => {
                let draft_of = known.draft_of;
                draft_of.is_none() || poll.created_at() == draft_of
            }
            Some(Found::Same | Found::Read(Err(_))) => true,
        };
        let may_be_draft = |known: &KnownPoll| {
            !known.is_forgotten && (known.draft_of.is_some() || known.revision.is_none())
        };
        let drafts = self
            .polls
            .iter()
            .filter(|(id, known)| may_be_draft(known) && !is_there(id, known));
        let never_read = found.iter().filter(|&(id, found)| {
            matches!(found, Found::Read(Ok(None))) && !self.polls.contains_key(id)
        });
        let drafts = drafts.map(|(id, _)| id.clone());
        drafts.chain(never_read.map(|(id, _)| id.clone())).collect()
    }

    /// As [`Self::update`], where `marks` are those of deleted drafts: when each was made.
    pub(super) fn update_with(
        &mut self,
        mut found: BTreeMap<PollId, Found>,
        marks: &BTreeMap<PollId, String>,
    ) -> News {
        let mut deleted = BTreeSet::new();
        for (id, mark) in marks {
            let known = self.polls.get(id).and_then(|known| known.draft_of);
            if known.is_none_or(|made_at| wire_time::format(made_at) == *mark) {
                self.polls.remove(id);
                found.retain(|other, found| other != id || !matches!(found, Found::Read(Ok(None))));
                deleted.insert(id.clone());
            }
        }
        let regressions = self.take(found);
        News {
            regressions,
            deleted,
            is_partial: self.polls.values().any(KnownPoll::is_away),
            list_failed: None,
        }
    }

    /// Takes over a list with all documents.
    #[cfg(test)]
    pub(crate) fn update(&mut self, listed: Vec<Listed>) -> Vec<Regression> {
        let found = listed.into_iter();
        self.take(
            found
                .map(|(id, document)| (id, Found::Read(document)))
                .collect(),
        )
    }

    /// Takes over a list that was read. Polls that it lacks are retained, at most [`MOST_FORGOTTEN`] of
    /// them; each regression is said once.
    fn take(&mut self, found: BTreeMap<PollId, Found>) -> Vec<Regression> {
        let mut before = std::mem::take(&mut self.polls);
        let mut regressions = Vec::new();
        for (id, found) in found {
            let known = before.remove(&id);
            let next = match (found, known) {
                (Found::Same, Some(known)) => known,
                (Found::Same, None) => continue,
                (Found::Read(document), known) => read(&id, document, known, &mut regressions),
            };
            self.polls.insert(id, next);
        }
        let mut left: Vec<_> = before.into_iter().collect();
        // Those that were there a moment ago before those that were forgotten long since.
        left.sort_by_key(|(_, known)| known.is_forgotten);
        for (id, known) in left.into_iter().take(MOST_FORGOTTEN) {
            let next = forgotten(&id, Some(known), &not_listed(&id), &mut regressions);
            self.polls.insert(id, next);
        }
        regressions
    }
}

/// What is known of a poll whose document was read.
fn read(
    id: &PollId,
    document: Result<Option<Poll>, StoreError>,
    known: Option<KnownPoll>,
    regressions: &mut Vec<Regression>,
) -> KnownPoll {
    match document {
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
                basis: Basis::default(),
            }
        }
        Ok(None) => KnownPoll {
            is_listed: true,
            ..forgotten(id, known, &no_document(id), regressions)
        },
        // It is there, and says nothing to this version; or nobody can say what is there, and all stays as it was known.
        Err(error) => {
            let document = Unread::of(&error);
            let was_forgotten = known.as_ref().is_some_and(|known| known.is_forgotten);
            KnownPoll {
                is_listed: true,
                revision: known.as_ref().and_then(|known| known.revision),
                is_forgotten: was_forgotten && document.is_away(),
                draft_of: known.and_then(|known| known.draft_of),
                document: Err(document),
                basis: Basis::default(),
            }
        }
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
        document: Err(Unread::of(why)),
        is_listed: false,
        revision: was,
        is_forgotten: true,
        draft_of: None,
        basis: Basis::default(),
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

    fn found(listed: Vec<Listed>) -> BTreeMap<PollId, Found> {
        let read = |(id, document)| (id, Found::Read(document));
        listed.into_iter().map(read).collect()
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
    fn a_poll_whose_server_is_away_is_as_it_was_known() {
        let away = || {
            let error = StoreError::Connect("10.0.0.7:6379: refused".to_owned());
            vec![(id("p"), Err(error))]
        };
        let mut known = KnownPolls::default();
        known.update(vec![at_revision("p", 7)]);
        assert!(
            !known
                .update_with(found(vec![at_revision("p", 7)]), &BTreeMap::new())
                .is_partial
        );
        let news = known.update_with(found(away()), &BTreeMap::new());
        assert_eq!(news.regressions, []);
        assert!(news.is_partial);
        assert_eq!(known.never_read(), None);
        assert!(known.iter().all(|(_, poll)| poll.is_listed));
        assert_eq!(known.missing(&BTreeMap::new()), [id("p")], "still a draft");
        // What Redis has forgotten is said once, whoever is away in between.
        assert_eq!(known.update(vec![(id("p"), Ok(None))]).len(), 1);
        assert_eq!(known.update(away()), []);
        assert_eq!(known.update(vec![(id("p"), Ok(None))]), []);
        assert_eq!(known.update(away()), []);
        assert_eq!(known.update(vec![at_revision("p", 6)]).len(), 1, "a change");
        let mut fresh = KnownPolls::default();
        fresh.update(away());
        assert_eq!(fresh.never_read(), Some(&id("p")));
        assert_eq!(fresh.missing(&BTreeMap::new()), [id("p")], "a draft or not");
        assert_eq!(fresh.missing(&found(vec![at_revision("p", 1)])), []);
        assert!(!fresh.has_read_any());
    }

    #[test]
    fn a_deleted_draft_is_no_regression_and_another_poll_may_have_its_id() {
        let draft = demo_poll().id("p").draft();
        let made_at = wire_time::format(draft.created_at().expect("it was made"));
        let marks = BTreeMap::from([(id("p"), made_at)]);
        let there = || vec![at_revision("p", 7)];
        let mut known = KnownPolls::default();
        known.update(there());
        assert_eq!(known.missing(&found(there())), []);
        // Its entry in the list goes first, then its document.
        let none = || vec![(id("p"), Ok(None))];
        for listed in [Vec::new, none] {
            let mut known = KnownPolls::default();
            known.update(there());
            assert_eq!(known.missing(&found(listed())), [id("p")]);
            let news = known.update_with(found(listed()), &marks);
            assert_eq!(news.regressions, []);
            assert_eq!(news.deleted, BTreeSet::from([id("p")]));
            assert_eq!(known.iter().count(), 0);
        }
        // A process that has just started has never read it.
        let mut fresh = KnownPolls::default();
        assert_eq!(fresh.missing(&found(none())), [id("p")]);
        fresh.update_with(found(none()), &marks);
        assert_eq!(fresh.iter().count(), 0);
        // Another poll of that id, made between two readings.
        let mut other = demo_poll().id("p").draft();
        other.log[0].at += jiff::SignedDuration::from_secs(1);
        let listed = || vec![(id("p"), Ok(Some(other.clone())))];
        assert_eq!(known.missing(&found(listed())), [id("p")]);
        let news = known.update_with(found(listed()), &marks);
        assert_eq!(news.regressions, []);
        assert!(
            known
                .iter()
                .all(|(_, poll)| poll.document.as_ref() == Ok(&other))
        );
        // It was not this one that was deleted: Redis has forgotten it.
        assert_eq!(known.missing(&BTreeMap::new()), [id("p")]);
        let gone = Regression::Poll {
            id: id("p"),
            was: Some(1),
        };
        assert_eq!(
            known.update_with(BTreeMap::new(), &marks).regressions,
            [gone]
        );
        assert_eq!(known.missing(&BTreeMap::new()), []);
    }

    #[test]
    fn a_poll_that_has_been_open_is_never_taken_for_a_deleted_draft() {
        let mut known = KnownPolls::default();
        let mut poll = demo_poll().id("p").draft();
        poll.state = PollState::Open;
        known.update(vec![(id("p"), Ok(Some(poll)))]);
        assert_eq!(known.missing(&BTreeMap::new()), []);
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
