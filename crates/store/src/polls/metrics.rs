//! Which polls have no document to go by, for whoever looks after the ingest service.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use vote_domain::PollId;

use super::known::KnownPolls;
use crate::poll_labels::PollLabels;

/// One gauge for each poll.
pub(crate) struct UnreadMetrics {
    unread: Family<PollLabels, Gauge>,
    /// Those that have one.
    polls: Vec<PollId>,
}

impl UnreadMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let unread = Family::default();
        registry.register(
            "vote_poll_unread",
            "1 while the poll's document can't be read: it is taken as it was last known, and changes of it are not seen",
            unread.clone(),
        );
        Self {
            unread,
            polls: Vec::new(),
        }
    }

    /// Shows what a reading has found.
    pub(crate) fn show(&mut self, known: &KnownPolls) {
        for gone in self.polls.iter().filter(|id| !known.knows(id)) {
            self.unread.remove(&PollLabels::of(gone));
        }
        self.polls.clear();
        for (id, poll) in known.iter() {
            let is_unread = i64::from(poll.document.is_err());
            let labels = PollLabels::of(id);
            self.unread.get_or_create(&labels).set(is_unread);
            self.polls.push(id.clone());
        }
    }
}
