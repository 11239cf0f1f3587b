//! Problems as the OpenAPI documents describe them: the body of an error answer, and a row of their table.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Schema, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::code::ProblemCode;

/// The body of every error answer, as the OpenAPI documents describe it and tests read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(
    as = Problem,
    example = json!({
        "type": "/problems/unknown-poll",
        "title": "Unknown poll",
        "status": 404,
        "code": "unknown-poll",
        "detail": "There is no poll of that id."
    })
)]
pub struct ProblemDocument {
    /// Names the kind of problem, as a reference relative to this service.
    #[schema(format = "uri-reference")]
    pub r#type: String,
    /// A short summary, the same for every problem of its kind.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// The stable code: the last part of `type`.
    #[schema(value_type = ProblemCode)]
    pub code: String,
    /// What is wrong in this case, for people.
    pub detail: String,
    /// Members of this kind of problem.
    #[serde(flatten)]
    pub members: serde_json::Map<String, serde_json::Value>,
}

/// A row of the table at `/problems`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemEntry {
    /// The `type` of bodies of this kind.
    #[schema(example = "/problems/unknown-poll")]
    pub(crate) r#type: &'static str,
    /// The stable code.
    #[schema(value_type = ProblemCode, example = "unknown-poll")]
    pub(crate) code: &'static str,
    /// The HTTP status.
    #[schema(example = 404, minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// A short summary.
    #[schema(example = "Unknown poll")]
    pub(crate) title: &'static str,
    /// What happened and what to do.
    #[schema(example = "There is no poll of that id.")]
    pub(crate) description: &'static str,
}

impl From<ProblemCode> for ProblemEntry {
    fn from(code: ProblemCode) -> Self {
        Self {
            r#type: code.type_uri(),
            code: code.as_str(),
            status: code.status().as_u16(),
            title: code.title(),
            description: code.description(),
        }
    }
}

impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "The stable code of a problem. Codes are never renamed, but new ones come: go by the status \
                 where one is unknown.",
            ))
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .examples(["unknown-poll"])
            .into()
    }
}

impl ToSchema for ProblemCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ProblemCode")
    }
}
