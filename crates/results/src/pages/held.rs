//! The standing of a poll while production holds it: the same one for every reader, in every process.

use std::io;

use vote_domain::{HeldFigures, Standing};
use vote_store::PollSnapshot;

use crate::documents::Document;
use crate::documents::standing::{Sight, standing_at, standing_of_staff};
use crate::documents::view::View;
use crate::formats;
use crate::pages::board::PollPages;
use crate::pages::body::{Body, Effort};
use crate::pages::page::write;

/// The standing at which a poll is held, as somebody sees it. It has no channels: only what all of them together gave is
/// kept.
///
/// # Errors
/// Those of the format: none, for a standing.
pub(crate) fn held_body(poll: &PollPages, held: &HeldFigures, sight: Sight) -> io::Result<Body> {
    let whole = held_standing(&poll.snapshot, &poll.view, held);
    let seen = match sight {
        Sight::Staff => standing_of_staff(&whole, &poll.snapshot).unwrap_or(whole),
        Sight::All => whole,
        Sight::Percentages => whole.without_counts(),
    };
    write(
        &Document::Standing(seen),
        formats::DEFAULT,
        &poll.view.cache_control(),
        Effort::OnDemand,
    )
}

/// That standing, with counts.
pub(crate) fn held_standing(snapshot: &PollSnapshot, view: &View, held: &HeldFigures) -> Standing {
    let mut standing = standing_at(snapshot, view);
    standing.as_of = held.as_of;
    standing.status = held.status;
    standing.revision = Some(held.revision);
    standing.total_votes = Some(held.total_votes);
    standing.channels = Vec::new();
    for candidate in &mut standing.candidates {
        let figures = held
            .candidates
            .iter()
            .find(|one| one.candidate == candidate.id);
        candidate.votes = figures.map(|one| one.votes);
        candidate.percent = figures.and_then(|one| one.percent);
        candidate.rank = figures.and_then(|one| one.rank);
    }
    standing
}
