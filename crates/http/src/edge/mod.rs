//! The outermost middleware of the public server but the request's span: what is the same for every request.
//!
//! It measures each request, answers HEAD wherever GET is answered, refuses queries that an operation does not take,
//! turns every error answer into a problem, lets pages read every answer that they may, logs what went wrong inside
//! once, and closes connections while the process drains.

mod front;
mod log_limit;
mod sliced;
mod worker;
mod write;

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::Method;
use actix_web::{Error, HttpMessage as _, HttpRequest};
use pin_project_lite::pin_project;

pub(crate) use self::front::Front;
pub use self::front::{HotRead, HotRoutes, NoHotRoutes};
pub(crate) use self::worker::{Edge, Measured, Worker};
pub use self::write::{SentHeader, WriteHead, WritePath, Written};
use crate::bodies::{ChunkedBody, Holding};
use crate::http_metrics::{ActiveRequest, RouteKey, method_label};

/// Makes the middleware of one worker.
pub(crate) struct EdgeOf(pub(crate) Rc<Worker>);

impl<S, B> Transform<S, ServiceRequest> for EdgeOf
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
            worker: Rc::clone(&self.0),
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
        let measured = Measured {
            method: method_label(request.method()),
            started: Instant::now(),
        };
        if measured.method == "HEAD" {
            // The encoder already knows not to send a body.
            request.head_mut().method = Method::GET;
            request.extensions_mut().insert(IsHead);
        }
        let active = self.worker.start();
        let request_body = ChunkedBody::of(&mut request);
        let (inner, refused) = match self.worker.edge.queries.check(&request) {
            Ok(()) => (Some(self.service.call(request)), None),
            Err(problem) => (None, Some(request.error_response(problem))),
        };
        EdgeFuture {
            active,
            worker: Rc::clone(&self.worker),
            measured,
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
        measured: Measured,
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
        let mut response = match (this.refused.take(), this.inner.as_pin_mut()) {
            (Some(refused), _) => this.worker.refused(refused).map_into_right_body(),
            (None, Some(inner)) => match inner.poll(cx) {
                Poll::Pending => return Poll::Pending,
                // actix makes a response of every handler's error; only a middleware of ours could end here.
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(response)) => this.worker.problem_of(response),
            },
            // A future is not polled again once it is ready.
            (None, None) => return Poll::Pending,
        };
        let asked = response.request().clone();
        let route = asked
            .match_name()
            .map_or(RouteKey::Pattern, RouteKey::of_name);
        let head = response.response_mut().head_mut();
        let route = (route, || asked.match_pattern());
        this.worker
            .finish(asked.headers(), head, *this.measured, route);
        let request = this.request_body.take();
        Poll::Ready(Ok(
            response.map_body(|_head, body| Holding { body, request })
        ))
    }
}
