//! The body of a request, read whole within a limit of size and of time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::web::{Bytes, BytesMut, PayloadConfig, ServiceConfig};
use actix_web::{FromRequest, HttpRequest};
use futures_util::Stream as _;

use crate::problem::{Problem, ProblemCode, echo};

/// Sets the limits of bodies, for an app or a scope.
pub(crate) fn configure(app: &mut ServiceConfig, limits: BodyLimits) {
    // Beyond the limit, extractors of actix' own end with an error that the edge makes a problem.
    app.app_data(PayloadConfig::new(limits.bytes))
        .app_data(limits);
}

/// How large a body may be, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

/// A body as `web::Bytes` has it, and in time: actix bounds the time for a request's head alone, so that a client
/// which sends a byte a minute would keep its connection for ever. One that is late is answered 408; one that is
/// compressed 415, for what a few bytes become when they are unpacked has no bound.
#[derive(Debug)]
pub struct TimelyBody(pub Bytes);

impl FromRequest for TimelyBody {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limits = request.app_data::<BodyLimits>().copied();
        let checked = limits
            .ok_or_else(|| Problem::internal("the app has no limits for bodies"))
            .and_then(|limits| check(request.headers(), limits).map(|()| limits));
        let payload = payload.take();
        Box::pin(async move { read(payload, checked?).await.map(Self) })
    }
}

/// Refuses what need not be read: a body that is coded, or that says to be larger than so many bytes. For who reads it piece by
/// piece.
///
/// # Errors
/// The problem of such a body.
pub fn check_body(headers: &HeaderMap, limit_bytes: usize) -> Result<(), Problem> {
    check_coding(headers)?;
    let Some(length) = headers.get(CONTENT_LENGTH) else {
        return Ok(());
    };
    // One that is no number never comes so far.
    let length = length.to_str().ok().and_then(|text| text.parse().ok());
    if length.is_some_and(|length: usize| length > limit_bytes) {
        return Err(payload_problem(&PayloadError::Overflow, limit_bytes));
    }
    Ok(())
}

/// The same of a body that is read whole.
pub(crate) fn check(headers: &HeaderMap, limits: BodyLimits) -> Result<(), Problem> {
    check_body(headers, limits.bytes)
}

/// The whole body, within its limits.
pub(crate) async fn read(mut payload: Payload, limits: BodyLimits) -> Result<Bytes, Problem> {
    let mut whole = Whole::Nothing;
    let arriving = poll_fn(|context| {
        loop {
            match ready!(Pin::new(&mut payload).poll_next(context)) {
                None => return Poll::Ready(Ok(whole.take())),
                Some(Ok(chunk)) if whole.len() + chunk.len() <= limits.bytes => whole.add(chunk),
                Some(Ok(_)) => return Poll::Ready(Err(PayloadError::Overflow)),
                Some(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    });
    match tokio::time::timeout(limits.time, arriving).await {
        Ok(outcome) => outcome.map_err(|error| payload_problem(&error, limits.bytes)),
        Err(_) => Err(late(limits.time)),
    }
}

/// What has arrived of a body. Most come in one piece, which is not copied.
enum Whole {
    Nothing,
    Piece(Bytes),
    Pieces(BytesMut),
}

impl Whole {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Piece(piece) => piece.len(),
            Self::Pieces(pieces) => pieces.len(),
        }
    }

    fn add(&mut self, chunk: Bytes) {
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Self::Piece(chunk),
            Self::Piece(first) => {
                let mut pieces = BytesMut::with_capacity(2 * (first.len() + chunk.len()));
                pieces.extend_from_slice(&first);
                pieces.extend_from_slice(&chunk);
                Self::Pieces(pieces)
            }
            Self::Pieces(mut pieces) => {
                pieces.extend_from_slice(&chunk);
                Self::Pieces(pieces)
            }
        };
    }

    fn take(&mut self) -> Bytes {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Bytes::new(),
            Self::Piece(piece) => piece,
            Self::Pieces(pieces) => pieces.freeze(),
        }
    }
}

fn late(bound: Duration) -> Problem {
    Problem::new(ProblemCode::RequestTimeout).detail(format!(
        "The body did not arrive within {} ms.",
        bound.as_millis()
    ))
}

/// Refuses a body that is coded in any way (RFC 9110, section 8.4).
fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    for value in headers.get_all(CONTENT_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let coding = text
            .split(',')
            .map(str::trim)
            .find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
        if let Some(coding) = coding {
            return Err(
                Problem::new(ProblemCode::UnsupportedContentEncoding).detail(format!(
                    "The body has the Content-Encoding {}. Send it as it is, without Content-Encoding.",
                    echo(coding)
                )),
            );
        }
    }
    Ok(())
}

/// The problem of a body that could not be read.
pub(crate) fn payload_problem(error: &PayloadError, limit_bytes: usize) -> Problem {
    match error {
        PayloadError::Overflow => Problem::new(ProblemCode::BodyTooLarge)
            .detail(format!("The body is larger than {limit_bytes} bytes."))
            .member("limit_bytes", limit_bytes),
        _ => Problem::new(ProblemCode::MalformedBody).detail("The body did not arrive whole."),
    }
}
