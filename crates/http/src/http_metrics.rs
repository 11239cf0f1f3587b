//! Request latencies by route, method and status, and requests in flight.
//!
//! `route` is the pattern that matched, never the path: a hostile path makes no new series.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use actix_web::http::Method;

use crate::heads::Refusal;

/// Upper bounds of the latency buckets, in seconds: 0.5 ms to 5 s.
const BUCKETS_S: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// `route` of a request that no pattern matched.
pub(crate) const UNMATCHED: &str = "unmatched";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

/// The metrics of the HTTP server; cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpMetrics {
    latency: Family<Labels, Histogram, fn() -> Histogram>,
    active: Gauge,
    proxy_headers_missing: Counter,
    late_heads: Counter,
    large_heads: Counter,
}

impl HttpMetrics {
    /// Registers `http_server_request_duration_seconds`, `http_server_active_requests`,
    /// `http_server_proxy_headers_missing_total` and `http_server_heads_refused_total`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let refused = Family::<Refused, Counter>::default();
        let metrics = Self {
            latency: Family::new_with_constructor(|| Histogram::new(BUCKETS_S)),
            active: Gauge::default(),
            proxy_headers_missing: Counter::default(),
            late_heads: refused.get_or_create_owned(&Refused { reason: "late" }),
            large_heads: refused.get_or_create_owned(&Refused {
                reason: "too_large",
            }),
        };
        registry.register_with_unit(
            "http_server_request_duration",
            "Time from a request's head to its answer's head, by route, method and status",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        registry.register(
            "http_server_active_requests",
            "Requests being answered now",
            metrics.active.clone(),
        );
        registry.register(
            "http_server_proxy_headers_missing",
            "Connections from trusted proxies that were closed because they did not begin with a header of the PROXY protocol",
            metrics.proxy_headers_missing.clone(),
        );
        registry.register(
            "http_server_heads_refused",
            "Connections that were closed because the head of a request took too long or was too large",
            refused,
        );
        metrics
    }

    /// Counts a connection without the header with which it had to begin.
    pub(crate) fn misses_proxy_header(&self) {
        self.proxy_headers_missing.inc();
    }

    /// Counts a connection that is let go of for its head. One that was only idle is none.
    pub(crate) fn refuses_head(&self, why: Refusal) {
        match why {
            Refusal::Late => self.late_heads.inc(),
            Refusal::TooLarge => self.large_heads.inc(),
            Refusal::Idle => return,
        };
    }

    /// Counts a request as being answered, until the guard is dropped.
    pub(crate) fn start(&self) -> ActiveRequest {
        self.active.inc();
        ActiveRequest(self.active.clone())
    }

    fn handle(&self, route: &str, method: &'static str, status: u16) -> Histogram {
        self.latency.get_or_create_owned(&Labels {
            route: route.to_owned(),
            method,
            status,
        })
    }
}

/// A request in flight. Also counted down when the client goes away and its future is dropped.
pub(crate) struct ActiveRequest(Gauge);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Histogram handles that a worker has used, so that a request looks up no family and makes no label.
pub(crate) struct HandleCache {
    metrics: HttpMetrics,
    routes: Vec<RouteHandles>,
}

struct RouteHandles {
    key: RouteKey,
    pattern: String,
    handles: Vec<(&'static str, u16, Histogram)>,
}

/// How a route is recognised again without making its pattern's text: the name of its resource lives as
/// long as the worker's routes, so its address stands for it. Routes without a name go by pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteKey {
    Name(usize, usize),
    Pattern,
}

impl RouteKey {
    pub(crate) fn of_name(name: &str) -> Self {
        Self::Name(name.as_ptr().addr(), name.len())
    }
}

impl HandleCache {
    pub(crate) fn new(metrics: HttpMetrics) -> Self {
        Self {
            metrics,
            routes: Vec::new(),
        }
    }

    /// Observes a request. `pattern` is called only for a route that was not seen by its key before.
    pub(crate) fn observe(
        &mut self,
        key: RouteKey,
        pattern: impl FnOnce() -> Option<String>,
        method: &'static str,
        status: u16,
        seconds: f64,
    ) {
        let index = self.route_index(key, pattern);
        let RouteHandles {
            pattern, handles, ..
        } = &mut self.routes[index];
        let known = handles
            .iter()
            .find(|(m, s, _)| *m == method && *s == status);
        if let Some((_, _, histogram)) = known {
            histogram.observe(seconds);
            return;
        }
        let histogram = self.metrics.handle(pattern, method, status);
        histogram.observe(seconds);
        handles.push((method, status, histogram));
    }

    fn route_index(&mut self, key: RouteKey, pattern: impl FnOnce() -> Option<String>) -> usize {
        let by_key = |route: &RouteHandles| key != RouteKey::Pattern && route.key == key;
        if let Some(index) = self.routes.iter().position(by_key) {
            return index;
        }
        let pattern = pattern().unwrap_or_else(|| UNMATCHED.to_owned());
        let by_pattern = |route: &RouteHandles| route.key == key && route.pattern == pattern;
        if let Some(index) = self.routes.iter().position(by_pattern) {
            return index;
        }
        self.routes.push(RouteHandles {
            key,
            pattern,
            handles: Vec::new(),
        });
        self.routes.len() - 1
    }
}

/// The label of a method; one that HTTP does not define is `OTHER`, so that nobody can invent labels.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "OTHER",
    }
}
