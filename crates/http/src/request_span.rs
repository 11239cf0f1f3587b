//! The span of each request, child of the caller's by its W3C `traceparent`.
//!
//! What is answered before the routes has one only where it is sampled; the routes make one of each request.

use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Condition;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::Empty;
use tracing_actix_web::{RootSpanBuilder, TracingLogger};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use vote_runtime::sampling::{Drawn, Sampling};

use crate::http_metrics::{UNMATCHED, method_label};
use crate::request_id::REQUEST_ID;

/// Makes a span for each request but probes if `is_on`, and costs nothing if not.
pub(crate) fn request_spans(is_on: bool) -> Condition<TracingLogger<RequestSpan>> {
    Condition::new(is_on, TracingLogger::new())
}

/// Names of OpenTelemetry's HTTP conventions. Neither the client's address nor any header is recorded, for they would tell voters
/// apart, but for the id of a request that failed, which the client is told.
pub(crate) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let pattern = request.match_pattern();
        // Every second one of each: they would be most of a quiet night's traces.
        if matches!(pattern.as_deref(), Some("/healthz" | "/readyz")) {
            return Span::none();
        }
        let method = method_label(request.method());
        let span = new(method, pattern.as_deref().unwrap_or(UNMATCHED));
        let drawn = request.extensions().get::<Drawn>().cloned();
        if let Some(drawn) = drawn {
            drawn.start(&span);
        } else {
            // Fails only for a span that is disabled or has started, and then there is no parent to set.
            let _no_parent = span.set_parent(caller(&Headers(request.headers())));
        }
        span
    }

    fn on_request_end<B: MessageBody>(
        span: Span,
        outcome: &Result<ServiceResponse<B>, actix_web::Error>,
    ) {
        match outcome {
            Ok(response) => {
                let id = response.headers().get(REQUEST_ID);
                record(&span, response.status(), id.and_then(|id| id.to_str().ok()));
            }
            Err(error) => record(&span, error.as_response_error().status_code(), None),
        }
    }
}

fn new(method: &'static str, route: &str) -> Span {
    tracing::info_span!(
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        error.type = Empty,
        request.id = Empty,
    )
}

/// The span of the caller, as its headers name it.
fn caller(headers: &dyn Extractor) -> Context {
    TraceContextPropagator::new().extract(headers)
}

/// Draws the trace of a request that comes with these headers.
pub(crate) fn draw(sampling: &Sampling, headers: &dyn Extractor) -> Drawn {
    sampling.draw(caller(headers))
}

/// The span of a request before the routes: none, unless it is sampled.
pub(crate) fn sampled(drawn: Option<&Drawn>, method: &'static str, route: &str) -> Span {
    let Some(drawn) = drawn.filter(|drawn| drawn.is_sampled()) else {
        return Span::none();
    };
    let span = new(method, route);
    drawn.start(&span);
    span
}

/// Records how a request has ended; `id` is that of one that has failed.
pub(crate) fn record(span: &Span, status: StatusCode, id: Option<&str>) {
    span.record("http.response.status_code", i64::from(status.as_u16()));
    // By the conventions, a client's mistake is no error of the server's span.
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
        span.record("request.id", id);
    }
}

/// The headers of any request.
pub(crate) struct Headers<'a>(pub(crate) &'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0
            .keys()
            .map(actix_web::http::header::HeaderName::as_str)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use opentelemetry::trace::{SpanContext, TraceContextExt as _};
    use proptest::prelude::*;

    use super::*;

    fn parent(traceparent: &[u8]) -> Option<SpanContext> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(traceparent).ok()?;
        headers.insert(HeaderName::from_static("traceparent"), value);
        let context = TraceContextPropagator::new().extract(&Headers(&headers));
        let span = context.span().span_context().clone();
        span.is_valid().then_some(span)
    }

    proptest! {
        #[test]
        fn a_parent_is_read_as_it_was_written(trace in 1_u128.., span in 1_u64.., is_sampled in any::<bool>()) {
            let text = format!("00-{trace:032x}-{span:016x}-0{}", u8::from(is_sampled));
            let read = parent(text.as_bytes()).expect("a parent");
            prop_assert_eq!((read.trace_id().to_string(), read.span_id().to_string()), (format!("{trace:032x}"), format!("{span:016x}")));
            prop_assert_eq!(read.is_sampled(), is_sampled);
        }

        /// A parent that is none costs nobody the request.
        #[test]
        fn any_bytes_are_no_parent(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(parent(&bytes), None);
        }

        #[test]
        fn any_text_like_one_is_a_parent_or_none(text in "[0-9a-fA-F]{0,3}-[0-9a-fg]{0,33}-[0-9a-f]{0,17}-[0-9a-f]{0,3}-?") {
            // Zeros before a number may be left out.
            if let Some(read) = parent(text.as_bytes()) {
                let parts: Vec<&str> = text.split('-').collect();
                let ids = [read.trace_id().to_string(), read.span_id().to_string()];
                for (id, part) in ids.iter().zip(&parts[1..]) {
                    prop_assert_eq!(id.trim_start_matches('0'), part.trim_start_matches('0'));
                }
            }
        }
    }
}
