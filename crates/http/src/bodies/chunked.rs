//! Request bodies without a length, whose rest nobody waits for.
//!
//! A connection that still has a body to come is closed after the answer. But where that body is chunked, and its handler
//! has let go of it, actix reads on until its end, with no limit of time. So it is held until the answer is sent.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;
use pin_project_lite::pin_project;

/// A share of a request's body: one is the handler's, one the answer's.
#[derive(Clone)]
pub(crate) struct ChunkedBody(Rc<RefCell<Payload>>);

impl ChunkedBody {
    /// A share of the request's body, if it is chunked.
    pub(crate) fn of(request: &mut ServiceRequest) -> Option<Self> {
        if !request.chunked().unwrap_or(false) {
            return None;
        }
        let body = Self(Rc::new(RefCell::new(request.take_payload())));
        request.set_payload(Payload::Stream {
            payload: Box::pin(body.clone()),
        });
        Some(body)
    }
}

impl Stream for ChunkedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

pin_project! {
    /// An answer's body, which holds the request's.
    pub(crate) struct Holding<B> {
        #[pin]
        pub(crate) body: B,
        pub(crate) request: Option<ChunkedBody>,
    }
}

impl<B: MessageBody> MessageBody for Holding<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.project().body.poll_next(cx)
    }
}
