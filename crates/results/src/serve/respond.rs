//! How a page is answered with: negotiated, conditional, and with what caches may do.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, VARY,
};
use actix_web::{HttpMessage, HttpResponse};
use vote_http::{Problem, ProblemCode};

use crate::metrics::ReadCounters;
use crate::pages::body::{Body, Coding};
use crate::pages::confirmation::{CONFIRMED_AT, Confirmation};
use crate::pages::page::{PageKey, Pages, Subject};
use crate::serve::access::Audience;
use crate::serve::negotiate::{VARY_BY, choose, choose_format, is_known};

/// Answers with one of the pages.
///
/// # Errors
/// `snapshot-unavailable`, where there is no such page.
pub(crate) fn respond(
    request: &impl HttpMessage,
    pages: &Pages,
    subject: Subject,
    audience: Audience,
    reads: &ReadCounters,
    confirmed: &Confirmation,
) -> Result<HttpResponse, Problem> {
    let key = PageKey {
        subject,
        format: choose_format(request),
    };
    let body = pages.get(key).ok_or(ProblemCode::SnapshotUnavailable)?;
    Ok(respond_with(request, body, audience, reads, confirmed))
}

/// Answers with a body, or with 304 where the client has it.
pub(crate) fn respond_with(
    request: &impl HttpMessage,
    body: &Body,
    audience: Audience,
    reads: &ReadCounters,
    confirmed: &Confirmation,
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
        Audience::Public => body.cache_control.clone(),
        Audience::Staff => HeaderValue::from_static("private, no-store"),
        // It may be kept where it was asked for, to be asked again whether it is still the newest.
        Audience::Feed => HeaderValue::from_static("private, no-cache"),
    };
    response
        .insert_header((ETAG, variant.etag.clone()))
        .insert_header((CACHE_CONTROL, cache_control))
        .insert_header((CONFIRMED_AT, confirmed.header()))
        .insert_header((VARY, HeaderValue::from_static(VARY_BY)));
    if is_known {
        return response.finish();
    }
    if coding != Coding::Identity {
        response.insert_header((CONTENT_ENCODING, HeaderValue::from_static(coding.as_str())));
    }
    response
        .insert_header((CONTENT_TYPE, body.content_type.clone()))
        .body(variant.bytes.clone())
}
