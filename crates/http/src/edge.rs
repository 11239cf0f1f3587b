//! The outermost middleware of the public server but the request's span: what is the same for every request.
//!
//! It measures each request, answers HEAD wherever GET is answered, refuses queries that an operation does not take,
//! turns every error answer into a problem, lets pages read every answer that they may, logs what went wrong inside
//! once, and closes connections while the process drains.

use std::cell::{Cell, RefCell};
use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::PayloadError;
use actix_web::http::header::{ALLOW, CONTENT_TYPE};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _};
use pin_project_lite::pin_project;

use crate::bodies::{ChunkedBody, Holding, payload_problem};
use crate::cors::Cors;
use crate::http_metrics::{ActiveRequest, HandleCache, HttpMetrics, RouteKey, method_label};
use crate::lifecycle::Lifecycle;
use crate::openapi::AllowTable;
use crate::problem::{PROBLEM_JSON, Problem, ProblemCode};
use crate::query::QueryTable;

/// Errors of one worker that are logged within [`LOG_INTERVAL`]; the rest is counted, so that an outage
/// under load does not fill disks.
const LOGGED_PER_INTERVAL: u32 = 20;
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Makes the middleware of each worker.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) metrics: HttpMetrics,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) allow: AllowTable,
    pub(crate) queries: QueryTable,
    pub(crate) cors: Cors,
    pub(crate) body_limit_bytes: usize,
}

impl<S, B> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<Holding<EitherBody<B>>>;
    type Error = Error;
    type Transform = EdgeMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(EdgeMiddleware {
            service,
            worker: Rc::new(Worker {
                edge: self.clone(),
                handles: RefCell::new(HandleCache::new(self.metrics.clone())),
                log: LogLimit::new(),
            }),
        }))
    }
}

/// Marks a request that came as HEAD.
struct IsHead;

/// Whether only the head of the answer is wanted. The encoder sees to it, but reads the body to its end: one that has
/// none must not be made.
#[must_use]
pub fn is_head(request: &HttpRequest) -> bool {
    request.extensions().contains::<IsHead>()
}

/// What one worker keeps between requests.
struct Worker {
    edge: Edge,
    handles: RefCell<HandleCache>,
    log: LogLimit,
}

/// The middleware of one worker.
pub(crate) struct EdgeMiddleware<S> {
    service: S,
    worker: Rc<Worker>,
}

impl<S, B> Service<ServiceRequest> for EdgeMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<Holding<EitherBody<B>>>;
    type Error = Error;
    type Future = EdgeFuture<S::Future>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let started = Instant::now();
        let method = method_label(request.method());
        if method == "HEAD" {
            // The encoder already knows not to send a body.
            request.head_mut().method = Method::GET;
            request.extensions_mut().insert(IsHead);
        }
        let active = self.worker.edge.metrics.start();
        let request_body = ChunkedBody::of(&mut request);
        let (inner, refused) = match self.worker.edge.queries.check(&request) {
            Ok(()) => (Some(self.service.call(request)), None),
            Err(problem) => (None, Some(request.error_response(problem))),
        };
        EdgeFuture {
            active,
            worker: Rc::clone(&self.worker),
            started,
            method,
            request_body,
            inner,
            refused,
        }
    }
}

pin_project! {
    /// The answer of one request on its way out.
    pub(crate) struct EdgeFuture<F> {
        #[pin]
        inner: Option<F>,
        // Where there is no `inner`.
        refused: Option<ServiceResponse>,
        worker: Rc<Worker>,
        active: ActiveRequest,
        started: Instant,
        method: &'static str,
        request_body: Option<ChunkedBody>,
    }
}

impl<F, B> Future for EdgeFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody + 'static,
{
    type Output = Result<ServiceResponse<Holding<EitherBody<B>>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match (this.refused.take(), this.inner.as_pin_mut()) {
            (Some(refused), _) => refused.map_into_right_body(),
            (None, Some(inner)) => match inner.poll(cx) {
                Poll::Pending => return Poll::Pending,
                // actix makes a response of every handler's error; only a middleware of ours could end here.
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(response)) => this.worker.problem_of(response),
            },
            // A future is not polled again once it is ready.
            (None, None) => return Poll::Pending,
        };
        let response = this.worker.finish(response, this.method, *this.started);
        let request = this.request_body.take();
        Poll::Ready(Ok(
            response.map_body(|_head, body| Holding { body, request })
        ))
    }
}

impl Worker {
    /// The answer, with a problem in its place if it is an error and none yet.
    fn problem_of<B: MessageBody + 'static>(
        &self,
        response: ServiceResponse<B>,
    ) -> ServiceResponse<EitherBody<B>> {
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            self.error(response)
        } else {
            response.map_into_left_body()
        }
    }

    /// What is the same for every answer, whoever has made it.
    fn finish<B>(
        &self,
        mut response: ServiceResponse<B>,
        method: &'static str,
        started: Instant,
    ) -> ServiceResponse<B> {
        let request = response.request().clone();
        self.edge
            .cors
            .apply(request.headers(), response.headers_mut());
        // What is still to come of a late request is not waited for.
        let is_late = response.status() == StatusCode::REQUEST_TIMEOUT;
        if is_late || self.edge.lifecycle.is_draining() {
            response
                .response_mut()
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        let seconds = started.elapsed().as_secs_f64();
        let status = response.status().as_u16();
        let key = request
            .match_name()
            .map_or(RouteKey::Pattern, RouteKey::of_name);
        self.handles
            .borrow_mut()
            .observe(key, || request.match_pattern(), method, status, seconds);
        response
    }

    /// Logs an error's cause once, and makes its answer a problem if it is none.
    fn error<B: MessageBody + 'static>(
        &self,
        response: ServiceResponse<B>,
    ) -> ServiceResponse<EitherBody<B>> {
        let problem = response
            .response()
            .error()
            .and_then(|error| error.as_error::<Problem>());
        if let Some(cause) = problem.and_then(Problem::cause) {
            self.log.error(&response, cause);
        }
        if problem.is_some() || has_own_body(&response) {
            return response.map_into_left_body();
        }
        let problem = self.replacement(&response);
        let (request, _replaced) = response.into_parts();
        let answer: HttpResponse = problem.error_response();
        ServiceResponse::new(request, answer).map_into_right_body()
    }

    /// The problem for an error answer that actix, or a library on it, has made.
    fn replacement<B: MessageBody>(&self, response: &ServiceResponse<B>) -> Problem {
        let status = response.status();
        let error = response.response().error();
        if let Some(error) = error.and_then(|error| error.as_error::<PayloadError>()) {
            return payload_problem(error, self.edge.body_limit_bytes);
        }
        if status.is_server_error()
            && let Some(error) = error
        {
            self.log.error(response, &error.to_string());
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

/// Lets the first errors of a second through to the log and counts the rest.
struct LogLimit {
    since: Cell<Instant>,
    logged: Cell<u32>,
    suppressed: Cell<u64>,
}

impl LogLimit {
    fn new() -> Self {
        Self {
            since: Cell::new(Instant::now()),
            logged: Cell::new(0),
            suppressed: Cell::new(0),
        }
    }

    fn error<B>(&self, response: &ServiceResponse<B>, cause: &str) {
        if self.since.get().elapsed() >= LOG_INTERVAL {
            self.since.set(Instant::now());
            self.logged.set(0);
        }
        if self.logged.get() >= LOGGED_PER_INTERVAL {
            self.suppressed.set(self.suppressed.get() + 1);
            return;
        }
        self.logged.set(self.logged.get() + 1);
        let request = response.request();
        let route = request.match_pattern();
        tracing::error!(
            http.route = route.as_deref().unwrap_or(crate::http_metrics::UNMATCHED),
            http.method = method_label(request.method()),
            http.status = response.status().as_u16(),
            suppressed = self.suppressed.replace(0),
            error = cause,
            "request failed"
        );
    }
}
