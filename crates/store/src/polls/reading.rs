//! Reading the polls anew: of their documents those that may have changed since they were read last.
//!
//! Servers tell which have ([`Changes`]). A failover leads to another server, and a server that was started anew has ended its
//! connections: then all are read, and one that went back to an older revision is noticed. What no server tells is found by
//! reading a few in turn.
//!
//! A document whose server is away stays as it was known, and is read whole as soon as the server is back: one master of a
//! cluster keeps no change of the other polls from being read. Nor does the one that has the list: no new poll is seen meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use vote_domain::PollId;

use super::documents::{self, Read};
use super::known::KnownPolls;
use super::news::{Found, News};
use super::unread::Unread;
use crate::changes::{Basis, Changes};
use crate::error::StoreError;
use crate::keys;
use crate::nodes::{Nodes, Silent};

/// The documents that are read in turn at each reading, though they are not known to have changed.
const ANYWAY: usize = 4;
/// The list is read so at one reading in this many.
const LIST_ANYWAY: usize = 16;

impl KnownPolls {
    /// Reads the polls anew, where `basis` is the last question to the servers. A draft that is gone was deleted, if an
    /// operator has left the mark of that; else Redis has forgotten it. Where the list can't be read, the polls are those of the
    /// last one.
    ///
    /// # Errors
    /// [`StoreError`] where the list can't be read, and never was, or no document can either; then nothing has changed.
    pub(crate) async fn read(
        &mut self,
        nodes: &Nodes,
        changes: &mut Changes,
        basis: Basis,
    ) -> Result<News, StoreError> {
        self.readings = self.readings.wrapping_add(1);
        let mut silent = changes.silent();
        let ids = self.ids(nodes, changes, basis, &mut silent).await;
        let (mut ids, list_basis, list_failed) = match (ids, &self.list) {
            (Ok((ids, basis)), _) => (ids, basis, None),
            (Err(error), Some((ids, _))) => (ids.clone(), Basis::default(), Some(error)),
            (Err(error), None) => return Err(error),
        };
        let found = self.found(nodes, changes, basis, &ids, &mut silent);
        let (mut found, bases) = found.await?;
        let list_failed = match list_failed {
            Some(error) if !found.values().any(Found::is_known) => return Err(error),
            list_failed => list_failed,
        };
        let marks = self.marks(nodes, &mut found, &mut silent).await;
        let before = self.away();
        let mut news = self.update_with(found, &marks);
        self.say_away(&before);
        self.say_list(list_failed.as_ref());
        // Of the last list, too, what was deleted since.
        ids.retain(|id| self.knows(id));
        self.list = Some((ids, list_basis));
        for (id, basis) in bases {
            if let Some(known) = self.polls.get_mut(&id) {
                known.basis = basis;
            }
        }
        news.is_partial |= list_failed.is_some();
        news.list_failed = list_failed;
        Ok(news)
    }

    /// What there is of each of `ids`, and how what was read of them was read.
    async fn found(
        &self,
        nodes: &Nodes,
        changes: &mut Changes,
        basis: Basis,
        ids: &[PollId],
        silent: &mut Silent,
    ) -> Result<(BTreeMap<PollId, Found>, Vec<(PollId, Basis)>), StoreError> {
        let kept: Vec<PollId> = ids
            .iter()
            .filter(|id| self.is_kept(id, changes))
            .cloned()
            .collect();
        let anyway = self.anyway(&kept);
        let kept: BTreeSet<PollId> = kept.into_iter().collect();
        let due = ids
            .iter()
            .filter(|&id| !kept.contains(id) || anyway.contains(id))
            .cloned()
            .collect();
        let read = documents::read_all(nodes, due, &changes.connections(), silent).await?;
        for read in read.iter().filter(|read| kept.contains(&read.id)) {
            self.compare(changes, read);
        }
        let mut found: BTreeMap<PollId, Found> =
            kept.into_iter().map(|id| (id, Found::Same)).collect();
        let mut bases = Vec::with_capacity(read.len());
        for read in read {
            if read.document.is_ok() {
                bases.push((read.id.clone(), basis.watched(read.is_over_given)));
            }
            found.insert(read.id, Found::Read(read.document));
        }
        Ok((found, bases))
    }

    /// The marks of deleted drafts among the polls that are missing. One whose mark can't be read stays as it was known: it
    /// may be deleted, or forgotten.
    async fn marks(
        &self,
        nodes: &Nodes,
        found: &mut BTreeMap<PollId, Found>,
        silent: &mut Silent,
    ) -> BTreeMap<PollId, String> {
        let mut marks = BTreeMap::new();
        for id in self.missing(found) {
            let asked = documents::deleted(nodes, &id);
            match silent.ask(nodes, &keys::deleted(&id), asked).await {
                Ok(mark) => marks.extend(mark.map(|mark| (id, mark))),
                // Another poll of that id is there, whatever has become of the draft.
                Err(_) if matches!(found.get(&id), Some(Found::Read(Ok(Some(_))))) => {}
                Err(error) => {
                    found.insert(id, Found::Read(Err(error)));
                }
            }
        }
        marks
    }

    /// The polls whose documents could not be read, since their servers are away, and why.
    fn away(&self) -> BTreeMap<PollId, String> {
        let away = self.polls.iter().filter_map(|(id, known)| {
            let Err(Unread::Away(why)) = &known.document else {
                return None;
            };
            Some((id.clone(), why.clone()))
        });
        away.collect()
    }

    /// Says which are away and were not `before`, and which are there again. One line for all of them: a server may have
    /// hundreds, and each reading may name another reason.
    fn say_away(&self, before: &BTreeMap<PollId, String>) {
        let away = self.away();
        let new: Vec<_> = away
            .iter()
            .filter(|(id, _)| !before.contains_key(*id))
            .collect();
        if let Some((_, error)) = new.first() {
            let polls = names(new.iter().map(|(id, _)| *id));
            tracing::error!(
                polls,
                error,
                "documents of polls can't be read: these polls are taken as they were known, and their changes are not seen"
            );
        }
        let back = names(before.keys().filter(|id| !away.contains_key(*id)));
        if !back.is_empty() {
            tracing::info!(
                polls = back,
                "the servers of polls' documents are there again"
            );
        }
    }

    /// Says whether the list can't be read any more, or can again.
    fn say_list(&mut self, failed: Option<&StoreError>) {
        let was_away = std::mem::replace(&mut self.is_list_away, failed.is_some());
        match failed {
            Some(error) if !was_away => tracing::error!(
                %error,
                "the list of polls can't be read: the polls are those of the last one, and new ones are not seen"
            ),
            None if was_away => tracing::info!("the list of polls can be read again"),
            Some(_) | None => {}
        }
    }

    /// The ids of the list, and how it was read.
    async fn ids(
        &self,
        nodes: &Nodes,
        changes: &mut Changes,
        basis: Basis,
        silent: &mut Silent,
    ) -> Result<(Vec<PollId>, Basis), StoreError> {
        let kept = self.list.as_ref();
        let kept = kept.filter(|(_, read)| changes.is_kept(*read, keys::POLLS));
        if let Some((ids, read)) = kept
            && !self.readings.is_multiple_of(LIST_ANYWAY)
        {
            return Ok((ids.clone(), *read));
        }
        let (ids, is_watched) = documents::ids(nodes, &changes.connections(), silent).await?;
        if let Some((_, read)) = kept.filter(|(kept, _)| *kept != ids) {
            changes.has_found_other(*read, keys::POLLS);
        }
        Ok((ids, basis.watched(is_watched)))
    }

    /// Whether the document is known, and as it was read.
    fn is_kept(&self, id: &PollId, changes: &Changes) -> bool {
        let known = self.polls.get(id);
        known.is_some_and(|known| {
            known.is_listed
                && known.document.is_ok()
                && changes.is_kept(known.basis, &keys::poll(id))
        })
    }

    /// Those of `kept` whose turn it is.
    fn anyway(&self, kept: &[PollId]) -> BTreeSet<PollId> {
        let from = self.readings.wrapping_mul(ANYWAY) % kept.len().max(1);
        let turn = kept.iter().cycle().skip(from);
        turn.take(ANYWAY.min(kept.len())).cloned().collect()
    }

    /// A document of which no change was told was read all the same.
    fn compare(&self, changes: &mut Changes, read: &Read) {
        let Some(known) = self.polls.get(&read.id) else {
            return;
        };
        // Nobody can say that it has changed.
        if matches!(&read.document, Err(error) if !documents::says_what_is_there(error)) {
            return;
        }
        let document = read.document.as_ref().map(Option::as_ref);
        let is_same =
            matches!((document, &known.document), (Ok(Some(read)), Ok(known)) if read == known);
        if !is_same {
            changes.has_found_other(known.basis, &keys::poll(&read.id));
        }
    }
}

fn names<'a>(ids: impl Iterator<Item = &'a PollId>) -> String {
    ids.map(PollId::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
