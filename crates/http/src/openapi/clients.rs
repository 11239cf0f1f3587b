//! What generated clients need of a document, and derive macros don't say.

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::server::ServerBuilder;
use utoipa::openapi::{OpenApi as Document, PathItem, RefOr};

use crate::problem::members;

/// Completes the document: where the service is, the members of problems, and no `null` that is never sent.
pub(super) fn complete(document: &mut Document) {
    let here = ServerBuilder::new()
        .url("/")
        .description(Some(
            "The service that serves this document. A client made from a file names its base URL itself.",
        ))
        .build();
    document.servers.get_or_insert_with(|| vec![here]);
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter {
                    parameter.schema.iter_mut().for_each(never_null);
                }
            }
        }
    }
    for (name, schema) in document
        .components
        .iter_mut()
        .flat_map(|components| &mut components.schemas)
    {
        let RefOr::T(Schema::Object(object)) = schema else {
            continue;
        };
        if name == "Problem" {
            members::declare(object);
        }
        for (name, property) in &mut object.properties {
            if !object.required.contains(name) {
                never_null(property);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.options,
        &mut item.head,
        &mut item.patch,
        &mut item.trace,
    ]
    .into_iter()
    .flatten()
}

/// What a parameter or a member may lack is left out, and never `null`: `Option` would say both.
fn never_null(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(object)) = schema
        && let SchemaType::Array(types) = &mut object.schema_type
    {
        types.retain(|kind| *kind != Type::Null);
        if let [only] = types.as_slice() {
            object.schema_type = SchemaType::Type(only.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::openapi::{InfoBuilder, OpenApiBuilder, PathsBuilder};

    use crate::problem::ProblemCode;

    /// What both services' documents have.
    fn document() -> Value {
        let empty = OpenApiBuilder::new()
            .info(InfoBuilder::new().title("t").version("1").build())
            .paths(PathsBuilder::new())
            .build();
        serde_json::to_value(crate::openapi::complete(empty)).expect("JSON")
    }

    #[test]
    fn a_code_is_one_of_the_table() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        let codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(schemas["ProblemCode"]["enum"], json!(codes));
        for schema in ["Problem", "ProblemEntry"] {
            let code = &schemas[schema]["properties"]["code"]["$ref"];
            assert_eq!(code, "#/components/schemas/ProblemCode", "{schema}");
        }
    }

    #[test]
    fn members_of_problems_are_typed_and_say_with_which_code() {
        let document = document();
        let problem = &document["components"]["schemas"]["Problem"];
        let properties = &problem["properties"];
        assert_eq!(
            properties["opens_at"],
            json!({
                "type": "string", "format": "date-time",
                "description": "With `poll-not-open`: When the poll opens, where that is known."
            })
        );
        assert_eq!(properties["limit_bytes"]["format"], "int64");
        let direction = &properties["direction"]["$ref"];
        assert_eq!(direction, "#/components/schemas/Direction");
        let standard = json!(["type", "title", "status", "code", "detail"]);
        assert_eq!(problem["required"], standard);
        for name in ["poll", "closed_at", "eligibility"] {
            assert!(properties[name].is_object(), "{name}");
        }
    }

    #[test]
    fn a_document_names_its_server() {
        assert_eq!(document()["servers"][0]["url"], "/");
    }

    #[test]
    fn nothing_that_may_be_left_out_may_be_null() {
        let document = document();
        let parameter = &document["paths"]["/openapi.json"]["get"]["parameters"][0];
        assert_eq!(parameter["name"], "If-None-Match");
        assert_eq!(parameter["schema"], json!({ "type": "string" }));
        assert!(!document.to_string().contains(r#""null""#));
    }
}
