//! The OpenAPI document: served, printed, completed with what both services have, and the source of
//! `Allow` headers. Also the Swagger UI and the table of problems.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read as _;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue, IF_NONE_MATCH};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use flate2::read::GzDecoder;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use vote_domain::{Direction, Eligibility};

use crate::exposition::takes_gzip;
use crate::problem::{Problem, ProblemCode, ProblemDocument, ProblemEntry};
use crate::query::QueryProblems;

mod clients;

#[derive(OpenApi)]
#[openapi(
    paths(crate::health::healthz, crate::health::readyz, openapi_json, problems, problem),
    components(schemas(ProblemDocument, ProblemCode, Direction, Eligibility)),
    tags(
        (name = "health", description = "For load balancers and orchestrators."),
        (name = "documentation", description = "This document and the table of problems."),
    )
)]
struct Common;

/// Adds what both services have to a service's document: health, `/openapi.json` and `/problems`.
#[must_use]
pub fn complete(mut document: Document) -> Document {
    document.merge(Common::openapi());
    clients::complete(&mut document);
    document
}

/// The text of the document as it is served and checked in: indented JSON and a newline.
#[must_use]
pub fn to_json(document: &Document) -> String {
    // A document that was made by derive macros always serialises.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The document as it is served.
#[derive(Clone)]
pub(crate) struct ServedDocument {
    body: Bytes,
    etag: HeaderValue,
}

impl ServedDocument {
    pub(crate) fn new(document: &Document) -> Self {
        let body: Bytes = to_json(document).into();
        // All processes of one build agree on it, which is all that a cache needs.
        let mut hasher = DefaultHasher::new();
        hasher.write(&body);
        let etag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()))
            .unwrap_or(HeaderValue::from_static("\"0\""));
        Self { body, etag }
    }
}

/// The methods of every path, for `Allow`.
#[derive(Clone)]
pub(crate) struct AllowTable(Arc<[(String, HeaderValue)]>);

impl AllowTable {
    pub(crate) fn new(document: &Document) -> Self {
        let rows = document.paths.paths.iter().map(|(path, item)| {
            let methods = [
                (Method::GET, item.get.is_some()),
                (Method::PUT, item.put.is_some()),
                (Method::POST, item.post.is_some()),
                (Method::DELETE, item.delete.is_some()),
                (Method::OPTIONS, item.options.is_some()),
                (Method::PATCH, item.patch.is_some()),
            ];
            let methods: Vec<Method> = methods
                .into_iter()
                .filter_map(|(method, is_taken)| is_taken.then_some(method))
                .collect();
            (path.clone(), allow(&methods))
        });
        Self(rows.collect())
    }

    /// The `Allow` header of the pattern that the request's path matches. What no document has takes what actix has `given`
    /// for it, else it is a page: it is read.
    pub(crate) fn of(
        &self,
        request: &HttpRequest,
        given: Option<&HeaderValue>,
    ) -> Option<HeaderValue> {
        let pattern = request.match_pattern()?;
        let found = self.0.iter().find(|(path, _)| *path == pattern);
        let found = found.map(|(_, allow)| allow).or(given);
        let page = || allow(&[Method::GET]);
        Some(match found {
            Some(methods) if methods == "GET" => page(),
            Some(methods) => methods.clone(),
            None => page(),
        })
    }
}

/// The `Allow` header of a list of methods, with HEAD wherever there is GET: the edge answers it.
fn allow(methods: &[Method]) -> HeaderValue {
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if names.contains(&"GET") && !names.contains(&"HEAD") {
        names.push("HEAD");
    }
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// The OpenAPI document of this service
#[utoipa::path(
    operation_id = "getOpenApi",
    tag = "documentation",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of a copy that the client has.")),
    responses(
        (status = 200, description = "The document.", body = serde_json::Value, content_type = "application/json",
         example = json!({ "openapi": "3.1.0", "info": { "title": "vote-ingest", "version": "0.1.0" }, "paths": {} })),
        (status = 304, description = "The client's copy is the newest."),
        QueryProblems,
    )
)]
#[get("/openapi.json")]
pub(crate) async fn openapi_json(
    request: HttpRequest,
    document: web::Data<ServedDocument>,
) -> HttpResponse {
    let known = request.headers().get(IF_NONE_MATCH);
    let mut response = if known == Some(&document.etag) {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((header::ETAG, document.etag.clone()))
        .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
        .content_type("application/json");
    if known == Some(&document.etag) {
        response.finish()
    } else {
        response.body(document.body.clone())
    }
}

/// All kinds of problems
///
/// Every error answer names one of them in `code` and `type`.
#[utoipa::path(
    operation_id = "listProblems",
    tag = "documentation",
    responses(
        (status = 200, description = "The table of problems.", body = Vec<ProblemEntry>,
        example = json!([{ "code": "unknown-poll", "status": 404, "title": "Unknown poll", "type": "/problems/unknown-poll", "description": "There is no poll of that id." }])),
        QueryProblems,
    )
)]
#[get("/problems")]
pub(crate) async fn problems() -> HttpResponse {
    let table: Vec<ProblemEntry> = ProblemCode::ALL.iter().copied().map(Into::into).collect();
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
        .json(table)
}

/// One kind of problem
#[utoipa::path(
    operation_id = "getProblem",
    tag = "documentation",
    params(("code" = String, Path, description = "The stable code of a problem.", example = "unknown-poll")),
    responses(
        (status = 200, description = "What the problem means and what to do.", body = ProblemEntry,
         example = json!({ "code": "unknown-poll", "status": 404, "title": "Unknown poll", "type": "/problems/unknown-poll", "description": "There is no poll of that id." })),
        (status = 404, description = "There is no such problem.", body = ProblemDocument, content_type = "application/problem+json",
         example = json!({ "type": "/problems/not-found", "title": "Not found", "status": 404, "code": "not-found",
             "detail": "There is nothing at this path. The operations are listed in /openapi.json." })),
        QueryProblems,
    )
)]
#[get("/problems/{code}")]
pub(crate) async fn problem(code: web::Path<String>) -> Result<HttpResponse, Problem> {
    let code = ProblemCode::from_name(&code).ok_or(ProblemCode::NotFound)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
        .json(ProblemEntry::from(code)))
}

#[get("/swagger-ui")]
pub(crate) async fn swagger_ui_redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/swagger-ui/"))
        .finish()
}

#[get("/swagger-ui/{file:.*}")]
pub(crate) async fn swagger_ui(
    request: HttpRequest,
    file: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let config = Arc::new(utoipa_swagger_ui::Config::from("/openapi.json"));
    let file = utoipa_swagger_ui::serve(&file, config)
        .map_err(Problem::internal)?
        .ok_or_else(|| Problem::new(ProblemCode::NotFound))?;
    let mut response = HttpResponse::Ok();
    response.content_type(file.content_type);
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    if !file.gzpipped {
        return Ok(response.body(bytes));
    }
    response.insert_header((header::VARY, "Accept-Encoding"));
    if takes_gzip(&request) {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
        return Ok(response.body(bytes));
    }
    let mut text = Vec::with_capacity(4 * bytes.len());
    GzDecoder::new(&*bytes)
        .read_to_end(&mut text)
        .map_err(Problem::internal)?;
    Ok(response.body(text))
}
