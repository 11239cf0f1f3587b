//! Which requests are traced, decided before anything is made of them.
//!
//! A span that is not sampled costs a request nearly as much as one that is: the sampler is asked when all of it is there. So what answers
//! most requests asks the same sampler first, of the trace that the span would have, and makes a span only where it is exported.

use std::cell::Cell;
use std::sync::Arc;

use opentelemetry::trace::{Link, SpanId, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{
    Config, IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, SamplingResult, ShouldSample,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

thread_local! {
    /// The trace of the next span without a parent that starts on this thread, where it was drawn before.
    static NEXT: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// The sampler of what is exported; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sampling(Arc<dyn ShouldSample>);

impl Sampling {
    /// What `OTEL_TRACES_SAMPLER(_ARG)` ask for, as the SDK reads them: without them, what the caller samples and all that has no
    /// caller.
    #[must_use]
    pub fn configured() -> Self {
        Self(Arc::from(Config::default().sampler))
    }

    /// What the caller samples, and that share of what has no caller: `parentbased_traceidratio`.
    #[must_use]
    pub fn parent_based(ratio: f64) -> Self {
        let root = Box::new(Sampler::TraceIdRatioBased(ratio));
        Self(Arc::new(Sampler::ParentBased(root)))
    }

    /// Draws the trace of a request that begins; `parent` has the caller's span, if there is one.
    #[must_use]
    pub fn draw(&self, parent: Context) -> Drawn {
        let caller = parent.span().span_context().trace_id();
        let trace = if caller == TraceId::INVALID {
            RandomIdGenerator::default().new_trace_id()
        } else {
            caller
        };
        let sampled = self.should_sample(Some(&parent), trace, "", &SpanKind::Server, &[], &[]);
        Drawn {
            is_sampled: sampled.decision == SamplingDecision::RecordAndSample,
            parent,
            trace,
        }
    }
}

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        self.0
            .should_sample(parent, trace, name, kind, attributes, links)
    }
}

/// The trace of a request, and whether it is sampled.
#[derive(Debug, Clone)]
pub struct Drawn {
    parent: Context,
    trace: TraceId,
    is_sampled: bool,
}

impl Drawn {
    /// Whether the request's span is exported.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// Starts the request's span, which has just been made: in the trace that was drawn, so that the sampler decides of it as it has done.
    pub fn start(&self, span: &Span) {
        // Fails only for a span that is disabled, and then there is nothing to start.
        let _disabled = span.set_parent(self.parent.clone());
        NEXT.set(Some(self.trace));
        let _started = span.context();
        NEXT.set(None);
    }
}

/// Gives spans their ids: at random, but for a trace that was drawn before.
#[derive(Debug, Default)]
pub(crate) struct TraceIds(RandomIdGenerator);

impl IdGenerator for TraceIds {
    fn new_trace_id(&self) -> TraceId {
        NEXT.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, TraceFlags, TraceState, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use proptest::prelude::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn caller(trace: u128, is_sampled: bool) -> Context {
        let flags = TraceFlags::default().with_sampled(is_sampled);
        let (trace, span) = (TraceId::from(trace), SpanId::from(1));
        let span = SpanContext::new(trace, span, flags, true, TraceState::default());
        Context::new().with_remote_span_context(span)
    }

    /// The trace of the span that is made of it, and whether that is sampled.
    fn started(sampling: &Sampling, drawn: &Drawn) -> (TraceId, bool) {
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampling.clone())
            .with_id_generator(TraceIds::default())
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("request");
            drawn.start(&span);
            let context = span.context();
            let span = context.span().span_context().clone();
            (span.trace_id(), span.is_sampled())
        })
    }

    #[test]
    fn a_share_of_what_nobody_has_called_is_sampled() {
        let sampled = |ratio| {
            let sampling = Sampling::parent_based(ratio);
            let drawn = (0..10_000).map(|_| sampling.draw(Context::new()));
            drawn.filter(Drawn::is_sampled).count()
        };
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 10_000));
        // Twenty standard deviations to either side.
        let third = sampled(0.3);
        assert!((2_100..3_900).contains(&third), "{third}");
    }

    #[test]
    fn the_caller_decides_of_its_own() {
        for ratio in [0.0, 0.5, 1.0] {
            let sampling = Sampling::parent_based(ratio);
            for is_sampled in [false, true] {
                let drawn = sampling.draw(caller(7, is_sampled));
                assert_eq!(drawn.is_sampled(), is_sampled, "{ratio}");
                let of_caller = (TraceId::from(7), is_sampled);
                assert_eq!(started(&sampling, &drawn), of_caller);
            }
        }
    }

    #[test]
    fn what_was_drawn_is_the_next_span_alone() {
        let sampling = Sampling::parent_based(1.0);
        let drawn = sampling.draw(Context::new());
        assert_eq!(started(&sampling, &drawn).0, drawn.trace);
        assert_ne!(TraceIds::default().new_trace_id(), drawn.trace);
        // One of a caller asks for no id, and leaves none behind.
        let called = sampling.draw(caller(7, true));
        assert_eq!(started(&sampling, &called).0, called.trace);
        assert_ne!(TraceIds::default().new_trace_id(), called.trace);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The span is sampled where it was drawn to be, in the trace that was drawn, with any sampler.
        #[test]
        fn a_span_is_what_was_drawn(
            ratio in 0.0..=1.0_f64,
            heeds_caller in any::<bool>(),
            from in prop::option::of((1_u128.., any::<bool>())),
        ) {
            let sampling = if heeds_caller {
                Sampling::parent_based(ratio)
            } else {
                Sampling(Arc::new(Sampler::TraceIdRatioBased(ratio)))
            };
            let parent = from.map_or_else(Context::new, |(trace, is_sampled)| caller(trace, is_sampled));
            let drawn = sampling.draw(parent);
            prop_assert_eq!(started(&sampling, &drawn), (drawn.trace, drawn.is_sampled));
        }
    }
}
