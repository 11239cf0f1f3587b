//! The body of a request, read whole within a limit of size and of time.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, HeaderMap};
use actix_web::web::{Bytes, PayloadConfig, ServiceConfig};
use actix_web::{Error, FromRequest, HttpRequest};

use crate::problem::{Problem, ProblemCode, echo};

/// Sets the limits of bodies, for an app or a scope.
pub(crate) fn configure(app: &mut ServiceConfig, limit_bytes: usize, timeout: Duration) {
    // Beyond the limit, extractors of actix' own end with an error that the edge makes a problem.
    app.app_data(PayloadConfig::new(limit_bytes))
        .app_data(BodyTimeout(timeout));
}

/// The longest time for a body.
#[derive(Debug, Clone, Copy)]
struct BodyTimeout(Duration);

/// A body as `web::Bytes` has it, and in time: actix bounds the time for a request's head alone, so that a client
/// which sends a byte a minute would keep its connection for ever. One that is late is answered 408; one that is
/// compressed 415, for what a few bytes become when they are unpacked has no bound.
#[derive(Debug)]
pub struct TimelyBody(pub Bytes);

impl FromRequest for TimelyBody {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if let Err(problem) = check_coding(request.headers()) {
            return Box::pin(async move { Err(problem.into()) });
        }
        let body = Bytes::from_request(request, payload);
        let timeout = request.app_data::<BodyTimeout>().copied();
        Box::pin(async move {
            let Some(BodyTimeout(timeout)) = timeout else {
                return Err(Problem::internal("the app has no time limit for bodies").into());
            };
            match tokio::time::timeout(timeout, body).await {
                Ok(body) => body.map(Self),
                Err(_) => Err(Problem::new(ProblemCode::RequestTimeout)
                    .detail(format!(
                        "The body did not arrive within {} ms.",
                        timeout.as_millis()
                    ))
                    .into()),
            }
        })
    }
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
