//! What the OpenAPI documents say of an operation's problems, from the table of problems.

use std::collections::BTreeMap;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr};

use super::code::ProblemCode;
use super::error::PROBLEM_JSON;

/// Answers by their status, as an operation's `responses` take them.
pub type ProblemResponses = BTreeMap<String, RefOr<Response>>;

/// The problems that an operation answers with; made by [`problem_groups!`](crate::problem_groups).
pub trait ProblemGroup {
    /// All of them.
    const CODES: &'static [ProblemCode];
}

/// Declares groups of problems, each a type to be named among an operation's `responses(…)`.
#[macro_export]
macro_rules! problem_groups {
    ($($(#[$doc:meta])* $vis:vis $name:ident = [$($code:ident),+ $(,)?];)+) => {$(
        $(#[$doc])*
        $vis struct $name;

        impl $crate::problem::ProblemGroup for $name {
            const CODES: &'static [$crate::ProblemCode] = &[$($crate::ProblemCode::$code),+];
        }

        impl ::utoipa::IntoResponses for $name {
            fn responses() -> $crate::problem::ProblemResponses {
                $crate::problem::responses(<Self as $crate::problem::ProblemGroup>::CODES)
            }
        }
    )+};
}

/// The answers of these problems, one per status, each problem as an example.
#[must_use]
pub fn responses(codes: &[ProblemCode]) -> ProblemResponses {
    let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
    for code in codes {
        by_status
            .entry(code.status().as_u16())
            .or_default()
            .push(*code);
    }
    by_status
        .into_iter()
        .map(|(status, codes)| (status.to_string(), response(&codes).into()))
        .collect()
}

const REQUEST_ID: &str = "The id of the request, by which the log is searched: the one that it had, if it was of 16 to 64 letters, digits, `-` and \
    `_`, or else a new one.";

fn response(codes: &[ProblemCode]) -> Response {
    let description: Vec<String> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.as_str(), code.description()))
        .collect();
    let examples = codes.iter().map(|code| {
        let body = serde_json::json!({
            "type": code.type_uri(), "title": code.title(), "status": code.status().as_u16(),
            "code": code.as_str(), "detail": code.description(),
        });
        let example = ExampleBuilder::new().value(Some(body)).build();
        (code.as_str(), example)
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let mut response = ResponseBuilder::new()
        .description(description.join("\n\n"))
        .content(PROBLEM_JSON, content)
        .header("X-Request-Id", text_header(REQUEST_ID));
    if codes.iter().any(|code| code.retry_after_s().is_some()) {
        let retry_after = text_header("Seconds to wait before asking again.");
        response = response.header("Retry-After", retry_after);
    }
    if codes.contains(&ProblemCode::RateLimited) {
        let policy = text_header(
            "The limit that is reached, such as `\"address-burst\";q=60;w=10`: so many in so many seconds.",
        );
        let rate = text_header(
            "What is left of it, and for how many seconds, such as `\"address-burst\";r=0;t=3`.",
        );
        response = response.header("RateLimit-Policy", policy);
        response = response.header("RateLimit", rate);
    }
    if codes.iter().any(|code| code.challenge().is_some()) {
        let what = "`Bearer`, with `error=\"invalid_token\"` where there was one.";
        response = response.header("WWW-Authenticate", text_header(what));
    }
    if codes.contains(&ProblemCode::UnsupportedContentEncoding) {
        let accept = text_header("`identity`, where it was the body's coding that was refused.");
        response = response.header("Accept-Encoding", accept);
    }
    response.build()
}

fn text_header(description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some(description))
        .build()
}
