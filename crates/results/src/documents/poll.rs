//! A poll and its state.

use serde::Serialize;
use utoipa::ToSchema;
use vote_domain::{
    Candidate, Channel, Direction, Kind, Poll, PollId, PollState, Release, Status, Visibility,
    wire_time,
};

use crate::documents::view::View;

/// A poll and its state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Poll)]
pub(crate) struct PollDocument<'p> {
    /// Names it.
    #[schema(value_type = PollId)]
    pub(crate) id: &'p PollId,
    /// Its title.
    #[schema(example = "Paredão 1")]
    pub(crate) title: &'p str,
    /// Whether it counts.
    pub(crate) kind: Kind,
    /// What a vote means.
    pub(crate) direction: Direction,
    /// What the public sees of its figures.
    pub(crate) visibility: Visibility,
    /// What production has said of the figures that graphics show.
    pub(crate) release: Release,
    /// Its state: `closed` once its end has come, whether or not an operator closed it.
    pub(crate) state: PollState,
    /// How far its figures can be relied on.
    pub(crate) status: Status,
    /// When it last changed: by an operator, or by its opening or closing.
    #[schema(format = DateTime, example = "2026-11-24T01:02:03.250Z")]
    pub(crate) as_of: String,
    /// From when on it takes votes.
    #[schema(format = DateTime, example = "2026-11-24T00:00:00.000Z")]
    pub(crate) opens_at: String,
    /// From when on it takes none any more; earlier than planned where it was closed early.
    #[schema(format = DateTime, example = "2026-11-26T02:00:00.000Z")]
    pub(crate) closes_at: String,
    /// The time zone of its hours, by its IANA name.
    #[schema(example = "America/Sao_Paulo")]
    pub(crate) timezone: &'p str,
    /// Its candidates, in the order that ties are broken by.
    pub(crate) candidates: Vec<PollCandidate<'p>>,
    /// Its channels; a vote that names none uses the first.
    pub(crate) channels: &'p [Channel],
    /// Grows with every change of the poll itself. (A standing's revision grows with votes, too.)
    pub(crate) revision: u64,
}

/// A candidate of a poll.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PollCandidate<'p> {
    #[serde(flatten)]
    #[schema(inline = false)]
    pub(crate) candidate: &'p Candidate,
    /// Since when it is out of the poll, and votes for it are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, required = false, example = "2026-11-24T20:15:00.000Z")]
    pub(crate) withdrawn_at: Option<String>,
}

impl<'p> PollDocument<'p> {
    pub(crate) fn new(poll: &'p Poll, view: &View) -> Self {
        let definition = &poll.definition;
        Self {
            id: definition.id(),
            title: definition.title(),
            kind: definition.kind(),
            direction: definition.direction(),
            visibility: definition.visibility(),
            release: poll.release_state(),
            state: view.state,
            status: view.status,
            as_of: wire_time::format(view.poll_as_of),
            opens_at: wire_time::format(definition.opens_at()),
            closes_at: wire_time::format(poll.closes_at),
            timezone: definition.timezone(),
            candidates: definition
                .candidates()
                .iter()
                .map(|candidate| PollCandidate {
                    candidate,
                    withdrawn_at: poll.withdrawn_at(&candidate.id).map(wire_time::format),
                })
                .collect(),
            channels: definition.channels(),
            revision: poll.revision,
        }
    }
}

/// A poll as the document shows it.
pub(crate) fn example() -> serde_json::Value {
    serde_json::json!({
        "id": "paredao-01", "title": "Paredão 1", "kind": "live", "direction": "eliminate",
        "visibility": "public", "release": "released", "state": "open", "status": "provisional",
        "as_of": "2026-11-24T01:02:03.250Z",
        "opens_at": "2026-11-24T00:00:00.000Z", "closes_at": "2026-11-26T02:00:00.000Z",
        "timezone": "America/Sao_Paulo",
        "candidates": [
            { "id": "ana", "name": "Ana", "color": "#e4572e" },
            { "id": "bia", "name": "Bia", "image_url": "https://example.com/bia.png" }
        ],
        "channels": [
            { "id": "torcida", "weight": 30, "eligibility": "open" },
            { "id": "unico", "weight": 70, "eligibility": "voter", "votes_per_voter": 1 }
        ],
        "revision": 2
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::view::tests_freshness;
    use crate::samples::{confirmed, opens_at, snapshot};

    #[test]
    fn a_poll_says_all_that_a_page_needs_and_no_figure() {
        let confirmed = confirmed(snapshot(&[(0, 0, 4711)]), opens_at());
        let view = View::new(&confirmed, opens_at(), tests_freshness());
        let document = PollDocument::new(&confirmed.snapshot.poll, &view);
        let json = serde_json::to_value(&document).expect("serialises");
        let keys = |value: &serde_json::Value| {
            let object = value.as_object().expect("an object");
            object.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(keys(&json), keys(&example()));
        assert_eq!(json["state"], "open");
        assert_eq!(json["status"], "provisional");
        assert_eq!(json["candidates"][0]["color"], "#e4572e");
        assert_eq!(json["channels"][1]["votes_per_voter"], 1);
        assert!(!json.to_string().contains("4711"));
    }

    #[test]
    fn a_withdrawn_candidate_is_there_and_said_to_be_out() {
        let mut snapshot = snapshot(&[]);
        let bia = snapshot.poll.definition.candidates()[0].id.clone();
        let out = snapshot.poll.withdraw(&bia, opens_at(), "test");
        snapshot.poll = out.expect("legal");
        let confirmed = confirmed(snapshot, opens_at());
        let view = View::new(&confirmed, opens_at(), tests_freshness());
        let document = PollDocument::new(&confirmed.snapshot.poll, &view);
        let json = serde_json::to_value(&document).expect("serialises");
        let withdrawn_at = |index: usize| json["candidates"][index].get("withdrawn_at").cloned();
        assert_eq!(withdrawn_at(0), Some("2026-11-24T00:00:00.000Z".into()));
        assert_eq!(withdrawn_at(1), None);
    }
}
