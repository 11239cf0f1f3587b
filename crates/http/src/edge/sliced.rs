//! A large body on its way to one reader, a slice at a time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use pin_project_lite::pin_project;

use crate::heads::Answering;

/// Up to this size a body is handed over whole.
const WHOLE: usize = 64 * 1024;

/// Larger ones are handed over in slices of this size. The connection asks for another one while less than 32 KiB wait to be
/// taken by the kernel.
const SLICE: usize = 16 * 1024;

pin_project! {
    /// A body that all its readers share. What is handed to a connection is copied into its buffer: so a body that was handed over
    /// whole would lie there once for each reader, for as long as that one does not read.
    pub(crate) struct Sliced<B> {
        #[pin]
        body: B,
        rest: Bytes,
        // The request is being answered until this goes.
        answering: Option<Answering>,
    }
}

impl<B> Sliced<B> {
    pub(super) const fn new(body: B) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            answering: None,
        }
    }

    /// Keeps this for as long as there is something to send.
    pub(super) fn keep(self, answering: Option<Answering>) -> Self {
        Self { answering, ..self }
    }
}

impl<B: MessageBody> MessageBody for Sliced<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if this.rest.is_empty() {
            match ready!(this.body.poll_next(context)) {
                Some(Ok(bytes)) if bytes.len() > WHOLE => *this.rest = bytes,
                other => return Poll::Ready(other),
            }
        }
        let length = this.rest.len().min(SLICE);
        Poll::Ready(Some(Ok(this.rest.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use super::*;

    /// The lengths of what is handed over, and whether each lies in the body itself.
    async fn slices(length: usize) -> Vec<usize> {
        let shared = Bytes::from(vec![7; length]);
        let within = shared.as_ptr_range();
        let mut body = pin!(Sliced::new(shared.clone()));
        assert_eq!(body.size(), BodySize::Sized(length as u64));
        let mut lengths = Vec::new();
        while let Some(slice) = poll_fn(|context| body.as_mut().poll_next(context)).await {
            let slice = slice.expect("no error");
            assert!(within.contains(&slice.as_ptr()), "not copied");
            lengths.push(slice.len());
        }
        lengths
    }

    #[tokio::test]
    async fn a_large_body_is_handed_over_in_slices_of_itself_and_a_small_one_whole() {
        assert_eq!(slices(0).await, Vec::<usize>::new());
        assert_eq!(slices(WHOLE).await, [WHOLE]);
        assert_eq!(slices(WHOLE + 1).await, [SLICE, SLICE, SLICE, SLICE, 1]);
        assert_eq!(slices(3_000_000).await.iter().sum::<usize>(), 3_000_000);
    }
}
