//! Problem details (RFC 9457): the one shape of every error answer of both services.
//!
//! A body has `type`, `title`, `status`, `detail` and `code`, and may have members of its own. Bodies of
//! 5xx problems say nothing about the inside; what belongs in the log is attached with
//! [`Problem::because`], and the edge logs it once.

mod code;
mod extract;

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use actix_web::body::BoxBody;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Responder, ResponseError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::code::{ProblemCode, ProblemEntry};
pub(crate) use self::extract::payload_problem;
pub use self::extract::{
    TimelyBody, configure_extractors, json_config, path_config, payload_config, query_config,
};

/// The media type of problem details.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A text of the client's is repeated in a `detail` only up to this many characters.
const ECHO_CHARACTERS: usize = 64;

/// Beginning of a code's body, up to `detail`, and the whole body with the default detail.
struct Prepared {
    head: String,
    whole: Bytes,
}

/// Most problems have nothing of their own to say, and under overload they are answered by the ten
/// thousands a second: their bodies are made once.
static PREPARED: LazyLock<Vec<Prepared>> = LazyLock::new(|| {
    ProblemCode::ALL
        .iter()
        .map(|code| {
            let mut head = String::new();
            for (key, value) in [
                (r#"{"type":"#, code.type_uri()),
                (r#","title":"#, code.title()),
            ] {
                head.push_str(key);
                push_json(&mut head, value);
            }
            head.push_str(r#","status":"#);
            head.push_str(code.status().as_str());
            head.push_str(r#","code":"#);
            push_json(&mut head, code.as_str());
            head.push_str(r#","detail":"#);
            let mut whole = head.clone();
            push_json(&mut whole, code.description());
            whole.push('}');
            Prepared {
                head,
                whole: whole.into(),
            }
        })
        .collect()
});

/// An error that becomes a problem details answer.
pub struct Problem(Box<Inner>);

struct Inner {
    code: ProblemCode,
    detail: Option<Cow<'static, str>>,
    members: Vec<(&'static str, serde_json::Value)>,
    retry_after_s: Option<u32>,
    allow: Option<HeaderValue>,
    cause: Option<String>,
}

impl Problem {
    /// A problem with its code's default detail.
    #[must_use]
    pub fn new(code: ProblemCode) -> Self {
        Self(Box::new(Inner {
            code,
            detail: None,
            members: Vec::new(),
            retry_after_s: code.retry_after_s(),
            allow: None,
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

    /// Says what is wrong in this case. Kept out of the body of a 5xx problem, which stays opaque.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        if self.0.code.status().is_server_error() {
            return self.because(detail.into());
        }
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds a member of its own to the body, such as the poll's `opens_at`. `name` must be none of the
    /// standard members.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        debug_assert!(!["type", "title", "status", "detail", "code", "instance"].contains(&name));
        self.0.members.push((name, value.into()));
        self
    }

    /// Sets the `Retry-After` header, in seconds.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
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

    /// The body, as it is sent.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let Inner {
            code,
            detail,
            members,
            ..
        } = &*self.0;
        let Some(prepared) = PREPARED.get(*code as usize) else {
            return Bytes::new();
        };
        if detail.is_none() && members.is_empty() {
            return prepared.whole.clone();
        }
        let mut body = String::with_capacity(prepared.head.len() + 160);
        body.push_str(&prepared.head);
        push_json(
            &mut body,
            detail.as_deref().unwrap_or_else(|| code.description()),
        );
        for (name, value) in members {
            body.push(',');
            push_json(&mut body, name);
            body.push(':');
            push_json(&mut body, value);
        }
        body.push('}');
        body.into()
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
        if let Some(seconds) = self.0.retry_after_s {
            response.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if let Some(allow) = &self.0.allow {
            response.insert_header((header::ALLOW, allow.clone()));
        }
        if self.0.code == ProblemCode::Unauthorized {
            response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
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

/// The body of every error answer, as the OpenAPI documents describe it and tests read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(
    as = Problem,
    example = json!({
        "type": "/problems/unknown-poll",
        "title": "Unknown poll",
        "status": 404,
        "code": "unknown-poll",
        "detail": "There is no poll of that id."
    })
)]
pub struct ProblemDocument {
    /// Names the kind of problem, as a reference relative to this service.
    #[schema(format = "uri-reference")]
    pub r#type: String,
    /// A short summary, the same for every problem of its kind.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// The stable code: the last part of `type`.
    pub code: String,
    /// What is wrong in this case, for people.
    pub detail: String,
    /// Members of this kind of problem.
    #[serde(flatten)]
    pub members: serde_json::Map<String, serde_json::Value>,
}

/// A text of the client's for a `detail`: in quotes, escaped, and cut where it is long.
#[must_use]
pub fn echo(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARACTERS) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}

/// The `Allow` header of a list of methods, with HEAD wherever there is GET: the edge answers it.
#[must_use]
pub fn allow(methods: &[Method]) -> HeaderValue {
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if names.contains(&"GET") && !names.contains(&"HEAD") {
        names.push("HEAD");
    }
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// Appends the JSON of a value.
fn push_json(text: &mut String, value: &(impl Serialize + ?Sized)) {
    if let Ok(json) = serde_json::to_string(value) {
        text.push_str(&json);
    } else {
        text.push_str("null");
    }
}

/// Name of the header that an idempotent request carries.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
