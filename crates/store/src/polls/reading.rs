//! Reading the polls anew: of their documents those that may have changed since they were read last.
//!
//! Servers tell which have ([`Changes`]). A failover leads to another server, and a server that was started anew has ended its
//! connections: then all are read, and one that went back to an older revision is noticed. What no server tells is found by
//! reading a few in turn.

use std::collections::{BTreeMap, BTreeSet};

use vote_domain::PollId;

use super::documents::{self, Read};
use super::known::{Found, KnownPolls, News};
use crate::changes::{Basis, Changes};
use crate::error::StoreError;
use crate::keys;
use crate::nodes::Nodes;

/// The documents that are read in turn at each reading, though they are not known to have changed.
const ANYWAY: usize = 4;
/// The list is read so at one reading in this many.
const LIST_ANYWAY: usize = 16;

impl KnownPolls {
    /// Reads the polls anew, where `basis` is the last question to the servers. A draft that is gone was deleted, if an
    /// operator has left the mark of that; else Redis has forgotten it.
    ///
    /// # Errors
    /// [`StoreError`] where Redis can't be read; then nothing has changed.
    pub(crate) async fn read(
        &mut self,
        nodes: &Nodes,
        changes: &mut Changes,
        basis: Basis,
    ) -> Result<News, StoreError> {
        self.readings = self.readings.wrapping_add(1);
        let (ids, list_basis) = self.ids(nodes, changes, basis).await?;
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
        let read = documents::read_all(nodes, due, &changes.connections()).await?;
        for read in read.iter().filter(|read| kept.contains(&read.id)) {
            self.compare(changes, read);
        }
        let mut found: BTreeMap<PollId, Found> =
            kept.into_iter().map(|id| (id, Found::Same)).collect();
        let mut bases = Vec::with_capacity(read.len());
        for read in read {
            bases.push((read.id.clone(), basis.watched(read.is_over_given)));
            found.insert(read.id, Found::Read(read.document));
        }
        let mut marks = BTreeMap::new();
        for id in self.missing(&found) {
            if let Some(mark) = documents::deleted(nodes, &id).await? {
                marks.insert(id, mark);
            }
        }
        let news = self.update_with(found, &marks);
        self.list = Some((ids, list_basis));
        for (id, basis) in bases {
            if let Some(known) = self.polls.get_mut(&id) {
                known.basis = basis;
            }
        }
        Ok(news)
    }

    /// The ids of the list, and how it was read.
    async fn ids(
        &self,
        nodes: &Nodes,
        changes: &mut Changes,
        basis: Basis,
    ) -> Result<(Vec<PollId>, Basis), StoreError> {
        let kept = self.list.as_ref();
        let kept = kept.filter(|(_, read)| changes.is_kept(*read, keys::POLLS));
        if let Some((ids, read)) = kept
            && !self.readings.is_multiple_of(LIST_ANYWAY)
        {
            return Ok((ids.clone(), *read));
        }
        let (ids, is_watched) = documents::ids(nodes, &changes.connections()).await?;
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
        let document = read.document.as_ref().map(Option::as_ref);
        let is_same =
            matches!((document, &known.document), (Ok(Some(read)), Ok(known)) if read == known);
        if !is_same {
            changes.has_found_other(known.basis, &keys::poll(&read.id));
        }
    }
}
