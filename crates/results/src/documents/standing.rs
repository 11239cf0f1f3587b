//! How a poll stands, as it is published.

use std::num::NonZeroU64;

use vote_domain::{RecordedVotes, Standing, standing};
use vote_store::PollSnapshot;

use crate::documents::view::{View, sealed};

/// How much a standing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Counts and percentages, and what the show's own people have to know beside them.
    Staff,
    /// Counts and percentages.
    All,
    /// Percentages.
    Percentages,
}

impl Sight {
    /// Whether it shows how many votes there are.
    pub(crate) const fn has_counts(self) -> bool {
        matches!(self, Self::Staff | Self::All)
    }
}

/// The standing of a view: the sealed one, if there is one.
pub(crate) fn standing_at(snapshot: &PollSnapshot, view: &View) -> Standing {
    if let Some(sealed) = sealed(snapshot) {
        return sealed.standing.clone();
    }
    let (poll, tally) = (&snapshot.poll, snapshot.net_tally());
    let mut standing = standing(poll, &tally, view.as_of, snapshot.revision, view.status);
    // The clock may have closed the poll since the figures were read.
    standing.state = view.state;
    standing
}

/// The same for the show's own people, where it says more to them.
pub(crate) fn standing_of_staff(standing: &Standing, snapshot: &PollSnapshot) -> Option<Standing> {
    let lost = NonZeroU64::new(snapshot.lost());
    let poll = &snapshot.poll.definition;
    let recorded = RecordedVotes::of(poll, &snapshot.tally, &snapshot.annulled);
    (lost.is_some() || recorded.is_some()).then(|| Standing {
        lost,
        recorded,
        ..standing.clone()
    })
}

/// A standing as the document shows it.
pub(crate) fn example() -> serde_json::Value {
    let row = |id: &str, name: &str, votes: u32, percent: f64, rank: u32| serde_json::json!({ "id": id, "name": name, "votes": votes, "percent": percent, "rank": rank });
    serde_json::json!({
        "poll": "paredao-01", "title": "Paredão 1", "kind": "live", "direction": "eliminate",
        "state": "open", "status": "provisional", "as_of": "2026-11-24T01:02:03.250Z",
        "revision": 815, "total_votes": 2000,
        "candidates": [row("ana", "Ana", 1135, 40.88, 2), row("bia", "Bia", 865, 59.12, 1)],
        "channels": [
            { "id": "torcida", "weight": 30, "total_votes": 1200,
              "candidates": [row("ana", "Ana", 935, 77.92, 1), row("bia", "Bia", 265, 22.08, 2)] },
            { "id": "unico", "weight": 70, "total_votes": 800,
              "candidates": [row("ana", "Ana", 200, 25.0, 2), row("bia", "Bia", 600, 75.0, 1)] }
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_standing() {
        let standing: Standing = serde_json::from_value(example()).expect("a standing");
        assert_eq!(standing.poll.as_str(), "paredao-01");
    }
}
