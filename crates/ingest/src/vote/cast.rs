//! Casts a vote that was read: into its poll's lane, where the poll takes it.

use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use vote_domain::{Refusal, admit};
use vote_store::{OpenPoll, Outcome, VoteToCast};

/// Casts a vote and waits for its outcome. The request's span is linked to that of the vote's batch.
pub(crate) async fn cast(open: &OpenPoll, mut vote: VoteToCast, received_at: Timestamp) -> Outcome {
    let span = Span::current();
    vote.span = sampled(&span);
    let outcome = match admit(open.poll().phase(received_at)) {
        Ok(()) => open.cast(vote).await,
        Err(refusal) => refuse(open, vote, refusal).await,
    };
    if let Outcome::Accepted(acceptance) | Outcome::Duplicate(Some(acceptance)) = &outcome
        && let Some(batch) = &acceptance.batch
    {
        span.add_link((**batch).clone());
    }
    outcome
}

/// A vote that the poll does not take now, as far as this process knows. One that is late is Redis'
/// to judge and to count: its fence knows of an extension first. One with a key may be the repeat of
/// a vote that was recorded, and only Redis knows that.
async fn refuse(open: &OpenPoll, vote: VoteToCast, refusal: Refusal) -> Outcome {
    match refusal {
        Refusal::Closed => open.cast(vote).await,
        Refusal::Paused if vote.key.is_some() => open.cast(vote).await,
        Refusal::Paused | Refusal::NotOpenYet | Refusal::Sealed | Refusal::Void => {
            open.count_refused(vote.channel, vote.candidate);
            Outcome::Refused(refusal)
        }
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
