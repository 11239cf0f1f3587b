//! How pages and assets are answered: with what keeps strangers' scripts out of them.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};

use crate::pages::body::{Body, Coding};
use crate::serve::negotiate::{choose, is_known};

/// The media type of pages.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Adds the fields that every page has.
///
/// The referrer is the bare origin, and not left out: with `no-referrer` browsers send forms with `Origin: null`, and ingest
/// could not tell this site's from a stranger's.
pub(crate) fn protect(headers: &mut HeaderMap, policy: HeaderValue) {
    let fixed = HeaderValue::from_static;
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(REFERRER_POLICY, fixed("strict-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(OPENER_POLICY, fixed("same-origin"));
    headers.insert(
        PERMISSIONS_POLICY,
        fixed("camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()"),
    );
}

/// Answers with a body that was made ahead, or with 304 where the client has it.
pub(crate) fn answer(request: &HttpRequest, body: &Body) -> HttpResponse {
    let (coding, variant) = choose(request, body);
    let is_known = is_known(request, variant);
    let mut response = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    let fixed = |text| HeaderValue::from_static(text);
    response
        .insert_header((ETAG, variant.etag.clone()))
        .insert_header((CACHE_CONTROL, body.cache_control.clone()))
        .insert_header((VARY, fixed("Accept-Encoding")))
        .insert_header((X_CONTENT_TYPE_OPTIONS, fixed("nosniff")));
    if is_known {
        return response.finish();
    }
    if coding != Coding::Identity {
        response.insert_header((CONTENT_ENCODING, fixed(coding.as_str())));
    }
    response
        .insert_header((CONTENT_TYPE, body.content_type.clone()))
        .body(variant.bytes.clone())
}
