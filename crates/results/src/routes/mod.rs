//! The operations, one file each, and the OpenAPI document of all of them.

mod desk;
mod feed_parameters;
mod feed_query;
mod feeds;
pub(crate) mod hot;
mod overlay;
mod poll;
mod polls;
mod production;
mod receipt;
mod results;
mod series;
mod series_query;
mod site;
pub(crate) mod stream;

use actix_web::web::ServiceConfig;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use vote_http::MissingPage;

use crate::documents::series::SeriesBucket;

/// Adds all of them to an app.
pub(crate) fn configure(app: &mut ServiceConfig) {
    app.app_data(MissingPage(site::missing))
        .service(polls::list_polls)
        .service(poll::get_poll)
        .service(results::get_results)
        .service(stream::stream_results)
        .service(series::get_hourly)
        .service(series::get_minutely)
        .service(feeds::get_rows)
        .service(feeds::get_flat)
        .service(feeds::get_csv)
        .service(feeds::get_xml)
        .service(receipt::get_receipt)
        .service(desk::get_desk)
        .service(overlay::asset)
        .service(overlay::theme)
        .service(overlay::page)
        .service(site::asset)
        .service(site::home)
        .service(site::poll_page)
        .service(site::ask_to_confirm)
        .service(site::begin)
        .service(site::receipt_page)
        .service(production::desk_page);
}

/// The OpenAPI document of these operations.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "vote-results",
        description = "Publishes the polls' standings and series, and says what a receipt proves. Read-only.\n\n\
            Figures are read from the store a few times per second and made into bodies once; every \
            answer has a strong `ETag`. While the store can't be read, the last figures go on being \
            answered with `status: stale`; the field `Figures-Confirmed-At` says when they last were confirmed.\n\n\
            Every error is an `application/problem+json` whose `code` is listed at `/problems`.",
    ),
    paths(
        polls::list_polls,
        poll::get_poll,
        results::get_results,
        stream::stream_results,
        series::get_hourly,
        series::get_minutely,
        feeds::get_rows,
        feeds::get_flat,
        feeds::get_csv,
        feeds::get_xml,
        receipt::get_receipt,
        desk::get_desk,
    ),
    components(schemas(SeriesBucket<'_>)),
    tags(
        (name = "polls", description = "Which polls there are, and their state."),
        (name = "results", description = "Standings and series."),
        (name = "feeds", description = "What may go on air, for graphics systems that take only an address."),
        (name = "receipts", description = "What a vote's receipt proves."),
        (name = "production", description = "What only production sees."),
    ),
    modifiers(&Tokens)
)]
pub(crate) struct ApiDocument;

/// The name of the tokens' scheme.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "Token of production or of broadcast graphics. With it the figures of every poll are \
                 answered whole, and no cache keeps them. Without, the public's view.",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("reader_token", SecurityScheme::Http(scheme));
        let basic = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some(
                "Token of a feed as the password, with any user. A feed takes it as a bearer token too, or as \
                 `?token=` in its address.",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("feed_token", SecurityScheme::Http(basic));
    }
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::PathItem;

    use super::*;

    fn document() -> serde_json::Value {
        let document = vote_http::openapi::complete(ApiDocument::openapi());
        serde_json::from_str(&vote_http::openapi::to_json(&document)).expect("JSON")
    }

    #[test]
    fn every_operation_says_what_it_is_and_how_it_fails() {
        let document = ApiDocument::openapi();
        assert_eq!(document.paths.paths.len(), 12);
        for (path, item) in &document.paths.paths {
            let PathItem { get: Some(get), .. } = item else {
                panic!("{path} has no GET")
            };
            for text in [&get.operation_id, &get.summary, &get.description] {
                assert!(text.as_ref().is_some_and(|text| !text.is_empty()), "{path}");
            }
            let statuses: Vec<&str> = get.responses.responses.keys().map(String::as_str).collect();
            // A stream that can't begin yet says so within: browsers never come back after 503.
            let fails = if path.ends_with("/stream") {
                "429"
            } else {
                "503"
            };
            assert!(
                statuses.contains(&"200") && statuses.contains(&fails),
                "{path}"
            );
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &serde_json::Value, document: &serde_json::Value) {
            match value {
                serde_json::Value::Object(members) => {
                    if let Some(reference) = members.get("$ref") {
                        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
                        let target = pointer.and_then(|pointer| document.pointer(pointer));
                        assert!(target.is_some(), "{reference}");
                    }
                    members.values().for_each(|value| walk(value, document));
                }
                serde_json::Value::Array(list) => {
                    list.iter().for_each(|value| walk(value, document));
                }
                _ => {}
            }
        }
        let document = document();
        walk(&document, &document);
    }

    #[test]
    fn every_answer_of_figures_has_an_example() {
        let document = document();
        for path in ["", "/{poll}", "/{poll}/results", "/{poll}/results/hourly"] {
            let pointer = format!("/v1/polls{path}").replace('/', "~1");
            let pointer = format!("/paths/{pointer}/get/responses/200/content/application~1json");
            let content = document.pointer(&pointer).expect("a content");
            assert!(content.get("example").is_some(), "{path}");
        }
    }
}
