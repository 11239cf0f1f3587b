//! Casts a vote that was read: into its poll's lane, where the poll takes it.

use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use vote_domain::{Phase, Refusal, admit};
use vote_store::{OpenPoll, Outcome, SentVote, VoteToCast};

use super::now::Arrival;

/// Casts a vote and waits for its outcome. The request's span is linked to that of the vote's batch.
pub(crate) async fn cast(open: &OpenPoll, mut vote: VoteToCast, arrival: Arrival) -> Outcome {
    let span = Span::current();
    vote.span = sampled(&span);
    let outcome = match refused_at_once(&vote, open.poll().phase(arrival.at)) {
        None => open.cast_since(vote, arrival.since).await,
        Some(refusal) => {
            open.count_refused(vote.channel, vote.candidate);
            Outcome::Refused(refusal)
        }
    };
    if let Outcome::Accepted(acceptance) | Outcome::Duplicate(Some(acceptance)) = &outcome
        && let Some(batch) = &acceptance.batch
    {
        span.add_link((**batch).clone());
    }
    outcome
}

/// What the poll says of a vote at once, where it does not take it: then it goes to no lane.
pub(crate) fn refuse(
    open: &OpenPoll,
    vote: &VoteToCast,
    received_at: Timestamp,
) -> Option<SentVote> {
    let refusal = refused_at_once(vote, open.poll().phase(received_at))?;
    open.count_refused(vote.channel, vote.candidate);
    Some(SentVote::over(Outcome::Refused(refusal)))
}

/// Whether the poll may take the vote, as far as this process knows.
pub(crate) fn may_be_taken(open: &OpenPoll, vote: &VoteToCast, received_at: Timestamp) -> bool {
    refused_at_once(vote, open.poll().phase(received_at)).is_none()
}

/// Why the poll does not take the vote, where this process knows that. One that is late is Redis' to judge and to
/// count: its fence knows of an extension first. One with a key may be the repeat of a vote that was recorded, and only
/// Redis knows that.
fn refused_at_once(vote: &VoteToCast, phase: Phase) -> Option<Refusal> {
    let may_be_repeat = vote.key.is_some();
    match admit(phase) {
        Ok(()) | Err(Refusal::Closed) => {
            (vote.is_withdrawn && !may_be_repeat).then_some(Refusal::Withdrawn)
        }
        Err(Refusal::Paused) if may_be_repeat => None,
        Err(refusal) => Some(refusal),
    }
}

fn sampled(span: &Span) -> Option<Box<SpanContext>> {
    if span.is_none() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    context.is_sampled().then(|| Box::new(context.clone()))
}
