//! `GET /overlay/{poll}`: the page for browser sources, its assets and its themes.
//!
//! These are no operations of the API: their queries are the page's own, and they are documented in `docs/overlay.md`.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use vote_http::{Problem, ProblemCode};

use crate::api::Api;
use crate::pages::body::Body;
use crate::serve::find::named_poll;
use crate::site::answer::answer as made_ahead;

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

/// As other pages and assets are answered, by the overlay's own policy.
fn answer(request: &HttpRequest, body: &Body) -> HttpResponse {
    let mut response = made_ahead(request, body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // The page's address may hold a token.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
