//! The error that becomes a problem details answer.

use std::borrow::Cow;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Responder, ResponseError};

use super::body::body;
use super::code::ProblemCode;
use super::members;

/// The media type of problem details.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// An error that becomes a problem details answer.
pub struct Problem(Box<Inner>);

struct Inner {
    code: ProblemCode,
    detail: Option<Cow<'static, str>>,
    members: Vec<(&'static str, serde_json::Value)>,
    allow: Option<HeaderValue>,
    rate: Option<RateFields>,
    cause: Option<String>,
}

/// What is said of a limit that is reached (draft-ietf-httpapi-ratelimit-headers-10).
#[derive(Debug, Clone)]
pub struct RateFields {
    /// `RateLimit-Policy`.
    pub policy: String,
    /// `RateLimit`.
    pub rate: String,
    /// `Retry-After`, in seconds.
    pub retry_after_s: u32,
}

impl Problem {
    /// A problem with its code's default detail.
    #[must_use]
    pub fn new(code: ProblemCode) -> Self {
        Self(Box::new(Inner {
            code,
            detail: None,
            members: Vec::new(),
            allow: None,
            rate: None,
            cause: None,
        }))
    }

    /// An internal error: the client learns nothing, the log gets `cause`.
    #[must_use]
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(ProblemCode::Internal).because(cause)
    }

    /// `405`, with the methods that the path takes, such as `GET, HEAD`.
    #[must_use]
    pub fn method_not_allowed(allow: HeaderValue) -> Self {
        let mut problem = Self::new(ProblemCode::MethodNotAllowed);
        problem.0.allow = Some(allow);
        problem
    }

    /// `rate-limited`, with what is said of the limit.
    #[must_use]
    pub fn rate_limited(fields: RateFields) -> Self {
        let mut problem = Self::new(ProblemCode::RateLimited);
        problem.0.rate = Some(fields);
        problem
    }

    /// Says what is wrong in this case. Kept out of the body of a 5xx problem, which stays opaque.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        if self.0.code.status().is_server_error() {
            return self.because(detail.into());
        }
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds a member of its own to the body, such as the poll's `opens_at`. `name` must be one that
    /// `members.rs` declares for this code, so that the `OpenAPI` documents say what it is.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        debug_assert!(
            members::is_declared(self.0.code, name),
            "{name} is not declared as a member of {}",
            self.0.code.as_str()
        );
        self.0.members.push((name, value.into()));
        self
    }

    /// Attaches what the log shall say, once, when this is answered. Never part of the body.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> ProblemCode {
        self.0.code
    }

    /// What the log shall say.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Seconds that a client should wait before it tries again, where it should.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u32> {
        let rate = self.0.rate.as_ref();
        let seconds = rate.map(|rate| rate.retry_after_s);
        seconds.or(self.0.code.retry_after_s())
    }

    /// The body, as it is sent.
    #[must_use]
    pub fn body(&self) -> Bytes {
        body(self.0.code, self.0.detail.as_deref(), &self.0.members)
    }
}

impl From<ProblemCode> for Problem {
    fn from(code: ProblemCode) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.as_str())?;
        if let Some(text) = self.0.cause.as_deref().or(self.0.detail.as_deref()) {
            write!(f, ": {text}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("code", &self.0.code)
            .field("detail", &self.0.detail)
            .field("cause", &self.0.cause)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status_code());
        response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON)));
        // A refusal of now is no answer for later: no cache may keep it.
        response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
        if let Some(seconds) = self.retry_after_s() {
            response.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if let Some(rate) = self.0.rate.as_ref() {
            response.insert_header((RATE_LIMIT_POLICY, rate.policy.as_str()));
            response.insert_header((RATE_LIMIT, rate.rate.as_str()));
        }
        if let Some(allow) = &self.0.allow {
            response.insert_header((header::ALLOW, allow.clone()));
        }
        if let Some(challenge) = self.0.code.challenge() {
            let challenge = HeaderValue::from_static(challenge);
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        if self.0.code == ProblemCode::UnsupportedContentEncoding {
            // RFC 9110, section 12.5.3: says that it was the coding, and not the media type.
            let identity = HeaderValue::from_static("identity");
            response.insert_header((header::ACCEPT_ENCODING, identity));
        }
        response.body(self.body())
    }
}

impl Responder for Problem {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        HttpResponse::from_error(self)
    }
}
