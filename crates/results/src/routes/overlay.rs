//! `GET /overlay/{poll}`: the page for browser sources, its assets and its themes.
//!
//! These are no operations of the API: their queries are the page's own, and they are documented in `docs/overlay.md`.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use vote_http::{Problem, ProblemCode};

use crate::api::Api;
use crate::pages::body::{Body, Coding};
use crate::serve::find::named_poll;
use crate::serve::negotiate::{choose, is_known};

/// Own scripts and styles alone, and pictures of candidates from wherever the poll's file says they are. Who may frame it
/// is left open: there is nothing in it to click, and multiviewers frame what they show.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    worker-src 'self'; font-src 'self'; img-src 'self' https: http: data:; base-uri 'none'; form-action 'none'";

/// The page of a poll. Whether the poll exists is the page's matter: CasparCG never asks again for a page that failed,
/// and a scene is built before its poll is applied.
#[get("/overlay/{poll}")]
pub(crate) async fn page(request: HttpRequest, api: Data<Api>) -> Result<HttpResponse, Problem> {
    named_poll(&request)?;
    Ok(answer(&request, api.overlay.page()))
}

/// A script or a style sheet of the page.
#[get("/overlay/assets/{version}/{file}")]
pub(crate) async fn asset(
    request: HttpRequest,
    path: Path<(String, String)>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (version, name) = path.as_ref();
    let file = api.overlay.file(version, name);
    Ok(answer(&request, file.ok_or(ProblemCode::NotFound)?))
}

/// A theme, or what belongs to one.
#[get("/overlay/themes/{file}")]
pub(crate) async fn theme(
    request: HttpRequest,
    name: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let file = api.themes.file(&name);
    Ok(answer(&request, file.ok_or(ProblemCode::NotFound)?))
}

fn answer(request: &HttpRequest, body: &Body) -> HttpResponse {
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
        .insert_header((CONTENT_SECURITY_POLICY, fixed(POLICY)))
        // The page's address may hold a token.
        .insert_header((REFERRER_POLICY, fixed("no-referrer")))
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
