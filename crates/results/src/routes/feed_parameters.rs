//! The parameters of every feed, for the OpenAPI document.

use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema as _};
use vote_domain::PollId;

/// What every feed takes.
pub(crate) struct FeedParameters;

impl IntoParams for FeedParameters {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let rows = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(64));
        let lang = text()
            .pattern(Some("^(pt|en|es)(-[A-Za-z0-9]+)*$"))
            .max_length(Some(35));
        let token = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)));
        vec![
            named(
                "poll",
                ParameterIn::Path,
                PollId::schema(),
                Some(json!("current")),
                "The poll's id, or `current`: the live poll that is open, or else the one that opened last.",
            ),
            named(
                "rows",
                ParameterIn::Query,
                rows.into(),
                Some(json!(4)),
                "So many rows exactly: blank ones follow where there are fewer candidates, so that a scene never keeps an old name. A row for each candidate where it is missing.",
            ),
            named(
                "sort",
                ParameterIn::Query,
                text().enum_values(Some(["candidate", "rank"])).into(),
                Some(json!("rank")),
                "`candidate`: the poll's order. `rank`: most votes first, equals in the poll's order.",
            ),
            named(
                "lang",
                ParameterIn::Query,
                lang.into(),
                Some(json!("pt-BR")),
                "Language of the texts; the poll's own where it is missing.",
            ),
            named(
                "token",
                ParameterIn::Query,
                token.into(),
                None,
                "Token of a feed, for systems that send no header. It is never logged.",
            ),
            named(
                "If-None-Match",
                ParameterIn::Header,
                text().into(),
                None,
                "`ETag`s of copies that the client has.",
            ),
        ]
    }
}

fn named(
    name: &str,
    place: ParameterIn,
    schema: RefOr<Schema>,
    example: Option<serde_json::Value>,
    description: &str,
) -> Parameter {
    let required = if place == ParameterIn::Path {
        Required::True
    } else {
        Required::False
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .schema(Some(schema))
        .example(example)
        .description(Some(description))
        .build()
}
