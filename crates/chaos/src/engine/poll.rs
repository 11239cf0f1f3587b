//! The poll of every scenario, on a Redis of its own.

use crate::engine::plot::Plot;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use vote_domain::{Clock as _, KeySeed, Poll, PollDefinition, Transition, wire_time};
use vote_runtime::{SystemClock, entropy};
use vote_store::PollOperator;

/// Its id, and its candidates'.
pub(crate) const POLL: &str = "chaos";
pub(crate) const CANDIDATES: [&str; 4] = ["ana", "bia", "caio", "davi"];

/// Makes it, and opens it.
pub(crate) async fn open(operator: &PollOperator, plot: &Plot) -> anyhow::Result<Poll> {
    let now: Timestamp = SystemClock.now();
    let candidates = CANDIDATES.map(|id| json!({ "id": id, "name": id }));
    let document = json!({
        "id": POLL, "title": "Chaos", "direction": "eliminate", "kind": "rehearsal",
        "opens_at": wire_time::format(now - SignedDuration::from_secs(60)),
        "closes_at": wire_time::format(now + SignedDuration::try_from(plot.open_for)?),
        "shards": plot.shards, "candidates": candidates,
        "channels": plot.channels,
    });
    let definition = PollDefinition::parse_json(document.to_string().as_bytes())?;
    let seed = KeySeed::from_bytes(entropy::random_bytes()?);
    let draft = Poll::draft(definition, now, "vote-chaos").seeded(seed);
    operator.save(&draft, 0).await?;
    let poll = draft.transition(Transition::Open, now, "vote-chaos")?;
    operator.save(&poll, draft.revision).await?;
    Ok(poll)
}
