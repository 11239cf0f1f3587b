//! The operations that almost all requests of a service are for, answered before all others.
//!
//! What stands between a request and its handler in actix-web (a search of all routes by regular expressions, extractors,
//! middlewares, a request object that they share) costs as much as the handler. So the front looks at each request first:
//! one that is plainly for such an operation goes to it, with the same edge; all others go to the app, which has all
//! operations.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_http::{HttpMessage as _, Message, Request};
use actix_service::{Service, ServiceFactory};
use actix_web::HttpResponse;
use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::{AppConfig, Payload, RequestHead, Response, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue};
use futures_util::future::LocalBoxFuture;
use pin_project_lite::pin_project;
use tracing::{Instrument as _, Span};
use vote_runtime::sampling::Drawn;

use super::sliced::Sliced;
use super::worker::{Measured, Worker};
use super::write::{WriteHead, WritePath, Written};
use crate::bodies::{BodyLimits, check, read};
use crate::heads::{Answering, Heads};
use crate::http_metrics::{RouteKey, method_label};
use crate::problem::Problem;
use crate::request_id::REQUEST_ID;
use crate::request_span::{Headers, record, sampled};

/// What a service answers before its routes. They have the same operations: they are asked wherever a request needs more than
/// is done here.
pub trait HotRoutes: Clone + Send + 'static {
    /// The one operation that writes, a `POST`; none unless it is named.
    const WRITE: Option<WritePath> = None;

    /// Answers that operation. `part` is what stands for the part of its path that varies: letters, digits, `-` and `_`.
    fn write(
        &self,
        part: &str,
        head: &WriteHead<'_>,
        body: &[u8],
    ) -> impl Future<Output = Result<Written, Problem>> {
        let (_part, _head, _body) = (part, head, body);
        async { Err(Problem::internal("nothing is written here")) }
    }

    /// Answers a `GET` without a query and without a body from what is there already; `None` leaves it to the routes, and so every
    /// refusal.
    fn read(&self, request: &Request) -> Option<HotRead> {
        let _ = request;
        None
    }
}

/// The answer to a read, and of which operation.
#[derive(Debug)]
pub struct HotRead {
    /// The path of the operation, as the service's document has it.
    pub pattern: &'static str,
    /// The answer.
    pub answer: HttpResponse,
}

/// That a service has none.
#[derive(Debug, Clone, Copy)]
pub struct NoHotRoutes;

impl HotRoutes for NoHotRoutes {}

/// The part of the path that varies, if the request is plainly for this operation: with a body whose length is said, and with
/// nothing that the app would have to decode or refuse.
fn part_of(path: WritePath, head: &RequestHead) -> Option<&str> {
    if head.method != Method::POST || head.uri.query().is_some() {
        return None;
    }
    let part = path.part_of(head.uri.path())?;
    head.headers.contains_key(CONTENT_LENGTH).then_some(part)
}

/// The hot routes and the app of one worker.
pub(crate) struct Front<A, H> {
    pub(crate) app: A,
    pub(crate) hot: H,
    pub(crate) worker: Rc<Worker>,
    pub(crate) limits: BodyLimits,
}

impl<A, H, B> ServiceFactory<Request> for Front<A, H>
where
    A: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>>,
    A::Future: 'static,
    H: HotRoutes,
{
    type Response = Response<Sliced<EitherBody<B>>>;
    type Error = A::Error;
    type Config = AppConfig;
    type Service = FrontService<A::Service, H>;
    type InitError = A::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, A::InitError>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let app = self.app.new_service(config);
        let hot = Rc::new(self.hot.clone());
        let worker = Rc::clone(&self.worker);
        let limits = self.limits;
        Box::pin(async move {
            Ok(FrontService {
                app: app.await?,
                hot,
                worker,
                limits,
            })
        })
    }
}

/// The service that actix-http calls.
pub(crate) struct FrontService<A, H> {
    app: A,
    hot: Rc<H>,
    worker: Rc<Worker>,
    limits: BodyLimits,
}

impl<A, H, B> Service<Request> for FrontService<A, H>
where
    A: Service<Request, Response = ServiceResponse<B>>,
    H: HotRoutes,
{
    type Response = Response<Sliced<EitherBody<B>>>;
    type Error = A::Error;
    type Future = Answered<A::Future>;

    actix_service::forward_ready!(app);

    fn call(&self, mut request: Request) -> Self::Future {
        let heads = request.conn_data::<Rc<Heads>>().cloned();
        Answered {
            answering: heads.map(|heads| heads.begin(body_length(&mut request))),
            answer: self.answer(request),
        }
    }
}

/// How long a request's body is, where that is said.
fn body_length(request: &mut Request) -> Option<usize> {
    if matches!(request.payload(), Payload::None) {
        return Some(0);
    }
    let length = request.head().headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

impl<A, H, B> FrontService<A, H>
where
    A: Service<Request, Response = ServiceResponse<B>>,
    H: HotRoutes,
{
    fn answer(&self, mut request: Request) -> FrontFuture<A::Future> {
        let measured = Measured {
            method: method_label(request.method()),
            started: Instant::now(),
        };
        let write = H::WRITE.filter(|write| part_of(*write, request.head()).is_some());
        if let Some(write) = write {
            let (hot, worker) = (Rc::clone(&self.hot), Rc::clone(&self.worker));
            let drawn = worker.draw(&Headers(&request.head().headers));
            let span = sampled(drawn.as_ref(), measured.method, write.pattern);
            let payload = request.take_payload();
            let (head, _taken) = request.into_parts();
            let asked = Asked {
                head,
                payload,
                limits: self.limits,
                measured,
                span: span.clone(),
            };
            let answer = async move { asked.write(&*hot, write, &worker).await };
            return FrontFuture::Later {
                answer: Box::pin(answer.instrument(span)),
            };
        }
        let may_read = request.method() == Method::GET
            && request.uri().query().is_none()
            && matches!(request.payload(), Payload::None);
        // A read is so short that one that is sampled can as well go by the routes, which make its span.
        let drawn = may_read.then(|| self.worker.draw(&Headers(&request.head().headers)));
        let drawn = drawn.flatten();
        let may_read = may_read && !drawn.as_ref().is_some_and(Drawn::is_sampled);
        if let Some(read) = may_read.then(|| self.hot.read(&request)).flatten() {
            let mut answer = Response::from(read.answer);
            let asked = &request.head().headers;
            self.worker
                .finish(asked, answer.head_mut(), measured, known(read.pattern));
            return FrontFuture::Now {
                answer: Some(answer),
            };
        }
        if let Some(drawn) = drawn {
            request.extensions_mut().insert(drawn);
        }
        FrontFuture::App {
            answer: self.app.call(request),
        }
    }
}

/// A request that writes.
struct Asked {
    head: Message<RequestHead>,
    payload: Payload,
    limits: BodyLimits,
    measured: Measured,
    span: Span,
}

impl Asked {
    async fn write<H: HotRoutes>(
        self,
        hot: &H,
        path: WritePath,
        worker: &Worker,
    ) -> Response<BoxBody> {
        let _active = worker.start();
        let head = &self.head;
        // It has such a part, or it would not be here.
        let part = part_of(path, head).unwrap_or_default();
        let answered = match check(&head.headers, self.limits) {
            Ok(()) => match read(self.payload, self.limits).await {
                Ok(body) => {
                    let client = worker.clients().of_head(head);
                    let head = WriteHead::from(&head.headers).of(client);
                    let written = hot.write(part, &head, &body).await;
                    written.map(|written| path.answer(written))
                }
                Err(problem) => Err(problem),
            },
            Err(problem) => Err(problem),
        };
        let method = self.measured.method;
        let answer = answered.unwrap_or_else(|it| {
            let given = head.headers.get(REQUEST_ID).map(HeaderValue::as_bytes);
            worker.problem(&it, (method, path.pattern), given)
        });
        let id = answer.headers().get(REQUEST_ID);
        record(
            &self.span,
            answer.status(),
            id.and_then(|id| id.to_str().ok()),
        );
        let mut answer = Response::from(answer);
        let route = known(path.pattern);
        worker.finish(&head.headers, answer.head_mut(), self.measured, route);
        answer
    }
}

/// A route whose pattern lives as long as the process.
fn known(pattern: &'static str) -> (RouteKey, impl FnOnce() -> Option<String>) {
    (RouteKey::of_name(pattern), || Some(pattern.to_owned()))
}

pin_project! {
    /// The answer of one request, which is being answered until it is sent.
    pub(crate) struct Answered<F> {
        #[pin]
        answer: FrontFuture<F>,
        answering: Option<Answering>,
    }
}

impl<F, B, E> Future for Answered<F>
where
    F: Future<Output = Result<ServiceResponse<B>, E>>,
{
    type Output = Result<Response<Sliced<EitherBody<B>>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answering = this.answering;
        this.answer.poll(context).map_ok(|answer| {
            let answering = answering.take();
            answer.map_body(|_head, body| body.keep(answering))
        })
    }
}

pin_project! {
    /// The answer of one request on its way out.
    #[project = FrontFutureProjected]
    pub(crate) enum FrontFuture<F> {
        App { #[pin] answer: F },
        Now { answer: Option<Response<BoxBody>> },
        Later { answer: LocalBoxFuture<'static, Response<BoxBody>> },
    }
}

impl<F, B, E> Future for FrontFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, E>>,
{
    type Output = Result<Response<Sliced<EitherBody<B>>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            FrontFutureProjected::App { answer } => answer.poll(context).map_ok(|answer| {
                Response::from(answer).map_body(|_head, body| Sliced::new(EitherBody::left(body)))
            }),
            FrontFutureProjected::Now { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(ours(answer))),
                // A future is not polled again once it is ready.
                None => Poll::Pending,
            },
            FrontFutureProjected::Later { answer } => {
                answer.as_mut().poll(context).map(|answer| Ok(ours(answer)))
            }
        }
    }
}

fn ours<B>(answer: Response<BoxBody>) -> Response<Sliced<EitherBody<B>>> {
    answer.map_body(|_head, body| Sliced::new(EitherBody::right(body)))
}
