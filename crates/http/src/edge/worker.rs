//! What is the same for every answer, whichever way its request has come.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::ResponseError as _;
use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{ResponseHead, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{
    ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, StatusCode};
use opentelemetry::propagation::Extractor;
use vote_runtime::sampling::{Drawn, Sampling};

use super::log_limit::{Failed, LogLimit};
use crate::bodies::payload_problem;
use crate::clients::Clients;
use crate::cors::Cors;
use crate::heads::Refusal;
use crate::http_metrics::{ActiveRequest, HandleCache, HttpMetrics, RouteKey, method_label};
use crate::lifecycle::Lifecycle;
use crate::openapi::AllowTable;
use crate::problem::{PROBLEM_JSON, Problem, ProblemCode};
use crate::query::QueryTable;
use crate::request_id::{REQUEST_ID, RequestIds};
use crate::request_span::draw;

/// No browser is to guess at what an answer is.
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// What the edge is made of; the same in each worker.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) metrics: HttpMetrics,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) allow: AllowTable,
    pub(crate) queries: QueryTable,
    pub(crate) cors: Cors,
    pub(crate) clients: Clients,
    /// Which spans are exported, where any are.
    pub(crate) sampling: Option<Sampling>,
    pub(crate) body_limit_bytes: usize,
}

/// What one worker keeps between requests.
pub(crate) struct Worker {
    pub(super) edge: Edge,
    handles: RefCell<HandleCache>,
    log: LogLimit,
    ids: RequestIds,
    has_missed_headers: Cell<bool>,
}

/// A request, as far as its answer is counted under it.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) method: &'static str,
    pub(crate) started: Instant,
}

impl Worker {
    /// Of a worker that begins.
    pub(crate) fn new(edge: Edge) -> Self {
        Self {
            handles: RefCell::new(HandleCache::new(edge.metrics.clone())),
            log: LogLimit::new(),
            ids: RequestIds::new(),
            has_missed_headers: Cell::new(false),
            edge,
        }
    }

    /// Counts a request as being answered, until the guard is dropped.
    pub(crate) fn start(&self) -> ActiveRequest {
        self.edge.metrics.start()
    }

    /// The answer, with a problem in its place if it is an error and none yet.
    pub(super) fn problem_of<B: MessageBody + 'static>(
        &self,
        response: ServiceResponse<B>,
    ) -> ServiceResponse<EitherBody<B>> {
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            let id = self.id_of(&response);
            let mut response = self.error(response, &id);
            response.headers_mut().insert(REQUEST_ID, id);
            response
        } else {
            response.map_into_left_body()
        }
    }

    /// The answer to a request of a known route that ended with a problem. Logs its cause, once. `given` is the id that the client has
    /// given to the request.
    pub(crate) fn problem(
        &self,
        problem: &Problem,
        (method, route): (&'static str, &str),
        given: Option<&[u8]>,
    ) -> HttpResponse {
        let mut answer = problem.error_response();
        let id = self.ids.of(given);
        if let Some(cause) = problem.cause() {
            let status = answer.status();
            self.log.error(
                Failed {
                    method,
                    route,
                    status,
                    id: &id,
                },
                cause,
            );
        }
        answer.headers_mut().insert(REQUEST_ID, id);
        answer
    }

    /// The same of one that was refused before the routes.
    pub(super) fn refused<B>(&self, mut response: ServiceResponse<B>) -> ServiceResponse<B> {
        let id = self.id_of(&response);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    fn id_of<B>(&self, response: &ServiceResponse<B>) -> HeaderValue {
        let given = response.request().headers().get(REQUEST_ID);
        self.ids.of(given.map(HeaderValue::as_bytes))
    }

    /// Adds to an answer's head what every answer has, and measures it. `pattern` is called only for a route that was not seen
    /// by its key before.
    pub(super) fn finish(
        &self,
        asked: &HeaderMap,
        answer: &mut ResponseHead,
        measured: Measured,
        (key, pattern): (RouteKey, impl FnOnce() -> Option<String>),
    ) {
        self.edge
            .cors
            .apply(asked.get(ORIGIN), answer.headers_mut());
        answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if self.closes_after(answer.status) {
            answer.set_connection_type(ConnectionType::Close);
        }
        self.measure(measured, answer.status, (key, pattern));
    }

    /// Whether such an answer is the last of its connection.
    pub(crate) fn closes_after(&self, status: StatusCode) -> bool {
        // What is still to come of a late request is not waited for.
        status == StatusCode::REQUEST_TIMEOUT || self.edge.lifecycle.is_draining()
    }

    /// Measures an answer.
    pub(crate) fn measure(
        &self,
        measured: Measured,
        status: StatusCode,
        (key, pattern): (RouteKey, impl FnOnce() -> Option<String>),
    ) {
        let seconds = measured.started.elapsed().as_secs_f64();
        let (method, status) = (measured.method, status.as_u16());
        let mut handles = self.handles.borrow_mut();
        handles.observe(key, pattern, method, status, seconds);
    }

    /// Draws the trace of a request, where any are exported.
    pub(crate) fn draw(&self, headers: &dyn Extractor) -> Option<Drawn> {
        let sampling = self.edge.sampling.as_ref()?;
        Some(draw(sampling, headers))
    }

    /// What pages may read of answers.
    pub(crate) fn cors(&self) -> &Cors {
        &self.edge.cors
    }

    /// Whose requests they are.
    pub(crate) fn clients(&self) -> &Clients {
        &self.edge.clients
    }

    /// Counts a connection of a trusted proxy without the header with which it had to begin, and says the first.
    pub(crate) fn misses_proxy_header(&self) {
        self.edge.metrics.misses_proxy_header();
        if !self.has_missed_headers.replace(true) {
            tracing::warn!(
                remedy = "let the proxy send it, or turn http.proxy_protocol off",
                "a connection from http.trusted_proxies did not begin with a header of the PROXY protocol, and was closed; further                  ones are only counted"
            );
        }
    }

    /// Counts a connection that is let go of for its head.
    pub(crate) fn refuses_head(&self, why: Refusal) {
        self.edge.metrics.refuses_head(why);
    }

    /// Whether the process has been asked to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.edge.lifecycle.is_draining()
    }

    /// Logs an error's cause once, and makes its answer a problem if it is none.
    fn error<B: MessageBody + 'static>(
        &self,
        response: ServiceResponse<B>,
        id: &HeaderValue,
    ) -> ServiceResponse<EitherBody<B>> {
        let problem = response
            .response()
            .error()
            .and_then(|error| error.as_error::<Problem>());
        if let Some(cause) = problem.and_then(Problem::cause) {
            self.log_of(&response, id, cause);
        }
        if problem.is_some() || has_own_body(&response) {
            return response.map_into_left_body();
        }
        let problem = self.replacement(&response, id);
        let (request, _replaced) = response.into_parts();
        let answer: HttpResponse = problem.error_response();
        ServiceResponse::new(request, answer).map_into_right_body()
    }

    /// The problem for an error answer that actix, or a library on it, has made.
    fn replacement<B: MessageBody>(
        &self,
        response: &ServiceResponse<B>,
        id: &HeaderValue,
    ) -> Problem {
        let status = response.status();
        let error = response.response().error();
        if let Some(error) = error.and_then(|error| error.as_error::<PayloadError>()) {
            return payload_problem(error, self.edge.body_limit_bytes);
        }
        if status.is_server_error()
            && let Some(error) = error
        {
            self.log_of(response, id, &error.to_string());
        }
        let code = ProblemCode::of_status(status);
        if code == ProblemCode::MethodNotAllowed {
            let given = response.headers().get(ALLOW);
            let allowed = self.edge.allow.of(response.request(), given);
            if let Some(allow) = allowed.or_else(|| given.cloned()) {
                return Problem::method_not_allowed(allow);
            }
        }
        Problem::new(code)
    }

    fn log_of<B>(&self, response: &ServiceResponse<B>, id: &HeaderValue, cause: &str) {
        let request = response.request();
        let route = request.match_pattern();
        let failed = Failed {
            method: method_label(request.method()),
            route: route.as_deref().unwrap_or(crate::http_metrics::UNMATCHED),
            status: response.status(),
            id,
        };
        self.log.error(failed, cause);
    }
}

/// Whether an error answer has a body that was meant: a report of `/readyz`, or a problem that some
/// handler has answered with itself.
fn has_own_body<B: MessageBody>(response: &ServiceResponse<B>) -> bool {
    let Some(media_type) = response.headers().get(CONTENT_TYPE) else {
        // An answer may go without one; a body of unknown size is a stream, and not ours to replace.
        return matches!(response.response().body().size(), BodySize::Stream);
    };
    media_type == PROBLEM_JSON || !media_type.as_bytes().starts_with(b"text/plain")
}
