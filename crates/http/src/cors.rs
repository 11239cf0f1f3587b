//! What pages of other origins may ask for from a browser, and may read of the answers.
//!
//! Not actix-cors: that leaves `Access-Control-Allow-Origin: *` out where a request has no `Origin`, so that a cache
//! gives pages an answer which they can't read; and it refuses a preflight without saying what was wrong with it.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use vote_runtime::settings::HttpSettings;

use crate::problem::{Problem, ProblemCode, echo};

/// Name of the header that an idempotent request carries.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Time for which browsers may remember what CORS allows, in seconds.
const MAX_AGE_S: u32 = 3600;

/// The methods that any operation takes. GET, HEAD and POST are sent by any page anyway, as far as CORS goes.
const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

/// Request headers of the operations, and those that tracing libraries in pages add by themselves.
const REQUEST_HEADERS: [&str; 9] = [
    "accept",
    "authorization",
    "content-type",
    "if-none-match",
    "idempotency-key",
    "baggage",
    "sentry-trace",
    "traceparent",
    "tracestate",
];

/// Headers of answers that a page may read, beside those that browsers always let it read.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept-Encoding, Allow, Content-Location, Date, ETag, Figures-Confirmed-At, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id",
);

/// The end of an origin of the settings that stands for any port.
const ANY_PORT: &str = "*";

/// What pages of which origins may do; cheap to clone.
#[derive(Clone)]
pub(crate) struct Cors {
    origins: Origins,
    request_headers: Arc<[String]>,
}

#[derive(Clone)]
enum Origins {
    /// CORS is off.
    None,
    Any,
    These(Arc<[String]>),
}

impl Cors {
    /// What the settings allow; they have origins and headers as browsers write them.
    pub(crate) fn new(settings: &HttpSettings) -> Self {
        let origins = &settings.cors_allowed_origins;
        let origins = if origins.is_empty() {
            Origins::None
        } else if origins.iter().any(|origin| origin == "*") {
            Origins::Any
        } else {
            Origins::These(origins.as_slice().into())
        };
        let request_headers = REQUEST_HEADERS
            .into_iter()
            .map(str::to_owned)
            .chain(settings.cors_allowed_headers.iter().cloned())
            .collect();
        Self {
            origins,
            request_headers,
        }
    }

    /// Adds to any answer what CORS needs.
    ///
    /// Where any origin may read, every answer says so, to requests without `Origin` too: a cache keeps one answer
    /// for all. Where a list may, every answer depends on `Origin` (Fetch standard, "CORS protocol and HTTP caches").
    pub(crate) fn apply(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        let allowed = match &self.origins {
            Origins::None => return,
            Origins::Any => HeaderValue::from_static("*"),
            Origins::These(origins) => {
                vary_by_origin(answer);
                let Some(origin) = origin.filter(|origin| is_among(origins, origin)) else {
                    return;
                };
                origin.clone()
            }
        };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }

    /// Whether what is added to answers depends on who asks.
    pub(crate) fn depends_on_origin(&self) -> bool {
        matches!(self.origins, Origins::These(_))
    }

    /// The answer to a preflight, if the request is one. What [`apply`](Self::apply) adds comes on top.
    ///
    /// # Errors
    /// `preflight-refused`, with the origin, method or header that is not allowed.
    pub(crate) fn preflight(
        &self,
        method: &Method,
        request: &HeaderMap,
    ) -> Result<Option<HttpResponse>, Problem> {
        if method != Method::OPTIONS || matches!(self.origins, Origins::None) {
            return Ok(None);
        }
        let (Some(origin), Some(wanted)) = (
            request.get(ORIGIN),
            request.get(ACCESS_CONTROL_REQUEST_METHOD),
        ) else {
            return Ok(None);
        };
        self.check_preflight(origin, wanted, request)
            .inspect_err(|problem| {
                tracing::debug!(origin = %shown(origin), reason = %problem, "preflight refused");
            })?;
        Ok(Some(
            HttpResponse::Ok()
                .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS.join(", ")))
                .insert_header((
                    ACCESS_CONTROL_ALLOW_HEADERS,
                    self.request_headers.join(", "),
                ))
                .insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE_S))
                .finish(),
        ))
    }

    fn check_preflight(
        &self,
        origin: &HeaderValue,
        wanted: &HeaderValue,
        request: &HeaderMap,
    ) -> Result<(), Problem> {
        if let Origins::These(origins) = &self.origins
            && !is_among(origins, origin)
        {
            return Err(refused(format!(
                "The origin {} is not among http.cors_allowed_origins.",
                shown(origin)
            )));
        }
        if !METHODS.iter().any(|method| wanted == method) {
            return Err(refused(format!(
                "The method {} is not allowed to pages: {} are.",
                shown(wanted),
                METHODS.join(", ")
            )));
        }
        for value in request.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
            for name in String::from_utf8_lossy(value.as_bytes()).split(',') {
                let name = name.trim();
                let is_allowed = |allowed: &String| allowed.eq_ignore_ascii_case(name);
                if !name.is_empty() && !self.request_headers.iter().any(is_allowed) {
                    return Err(refused(format!(
                        "The request header {} is not allowed to pages: {} are, and http.cors_allowed_headers adds more.",
                        echo(name),
                        self.request_headers.join(", ")
                    )));
                }
            }
        }
        Ok(())
    }
}

fn refused(detail: String) -> Problem {
    Problem::new(ProblemCode::PreflightRefused).detail(detail)
}

/// A header's value for a message.
fn shown(value: &HeaderValue) -> String {
    echo(&String::from_utf8_lossy(value.as_bytes()))
}

/// Whether an origin, as a browser sends it, is one of those that the settings name. `*` names none.
#[must_use]
pub fn is_among(origins: &[String], origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    origins.iter().any(|allowed| {
        // `http://localhost:*` leaves `http://localhost:`.
        let Some(base) = allowed.strip_suffix(ANY_PORT) else {
            return allowed == origin;
        };
        match origin.strip_prefix(base) {
            Some(port) => !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()),
            // The default port is left out.
            None => base.strip_suffix(':') == Some(origin),
        }
    })
}

/// Adds `Origin` to the answer's `Vary`.
fn vary_by_origin(answer: &mut HeaderMap) {
    let before = answer.get(VARY).and_then(|value| value.to_str().ok());
    let vary = before.map(|before| HeaderValue::try_from(format!("{before}, Origin")));
    let vary = match vary {
        Some(Ok(vary)) => vary,
        _ => HeaderValue::from_static("Origin"),
    };
    answer.insert(VARY, vary);
}
