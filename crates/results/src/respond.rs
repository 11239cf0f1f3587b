//! How a body is answered with: negotiated, conditional, and with what caches may do.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, VARY,
};
use actix_web::{HttpRequest, HttpResponse};

use crate::access::Audience;
use crate::body::{Body, Coding};
use crate::metrics::ReadCounters;
use crate::negotiate::{choose, is_known};

/// Answers with a body, or with 304 where the client has it.
pub(crate) fn respond(
    request: &HttpRequest,
    body: &Body,
    audience: Audience,
    reads: &ReadCounters,
) -> HttpResponse {
    let (coding, variant) = choose(request, body);
    let is_known = is_known(request, variant);
    reads.count(coding, is_known);
    let mut response = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    let cache_control = match audience {
        Audience::Public => body.cache_control().clone(),
        Audience::Staff => HeaderValue::from_static("private, no-store"),
    };
    // A cache must not give the public's view to production.
    let depends_on = HeaderValue::from_static("Accept-Encoding, Authorization");
    response
        .insert_header((ETAG, variant.etag.clone()))
        .insert_header((CACHE_CONTROL, cache_control))
        .insert_header((VARY, depends_on));
    if is_known {
        return response.finish();
    }
    if coding != Coding::Identity {
        response.insert_header((CONTENT_ENCODING, HeaderValue::from_static(coding.as_str())));
    }
    response
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(variant.bytes.clone())
}
