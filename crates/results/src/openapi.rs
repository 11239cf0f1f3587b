//! The problems that operations answer with, by groups.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr};
use vote_http::ProblemCode;

/// Declares a group of problems that operations answer with.
macro_rules! problem_groups {
    ($($(#[$doc:meta])* $name:ident = [$($code:ident),+];)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                responses(&[$(ProblemCode::$code),+])
            }
        }
    )+};
}

problem_groups! {
    /// Of the list of polls.
    ListProblems = [Unauthorized, SnapshotUnavailable];
    /// Of every operation on one poll.
    PollProblems = [MalformedPollId, Unauthorized, UnknownPoll, SnapshotUnavailable];
    /// Of the standing.
    StandingProblems = [MalformedPollId, Unauthorized, FiguresRestricted, UnknownPoll, SnapshotUnavailable];
    /// Of the series.
    SeriesProblems = [
        MalformedPollId, InvalidQuery, InvalidTimeZone, Unauthorized, FiguresRestricted, UnknownPoll,
        TooManyRequests, SnapshotUnavailable
    ];
    /// Of receipts.
    ReceiptProblems = [InvalidReceipt, UnknownPoll, SnapshotUnavailable];
}

/// The answers of these problems, one a status, each problem as an example.
fn responses(codes: &[ProblemCode]) -> BTreeMap<String, RefOr<Response>> {
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
        (
            code.as_str(),
            ExampleBuilder::new().value(Some(body)).build(),
        )
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let mut response = ResponseBuilder::new()
        .description(description.join("\n\n"))
        .content("application/problem+json", content);
    let text = |description: &str| {
        HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .description(Some(description))
            .build()
    };
    if codes.iter().any(|code| code.retry_after_s().is_some()) {
        response = response.header("Retry-After", text("Seconds to wait before asking again."));
    }
    if codes.contains(&ProblemCode::Unauthorized) {
        response = response.header("WWW-Authenticate", text("`Bearer`."));
    }
    response.build()
}
