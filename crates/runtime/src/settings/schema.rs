//! The settings as a JSON Schema (2020-12): for editors, and for whatever checks settings before a service does.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::reference::{Kind, SettingDoc, reference};
use super::service_name::ServiceName;
use super::values;

/// An object in the order of `defaults.toml`.
struct Ordered<'a, T>(Vec<(&'a str, T)>);

impl<T: Serialize> Serialize for Ordered<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The whole document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(rename = "$schema")]
    dialect: &'static str,
    title: String,
    description: &'static str,
    #[serde(flatten)]
    sections: Object<'a, Object<'a, Setting<'a>>>,
}

/// All settings, or a section of them.
#[derive(Serialize)]
#[serde(tag = "type", rename = "object", rename_all = "camelCase")]
struct Object<'a, T> {
    additional_properties: bool,
    properties: Ordered<'a, T>,
}

/// One setting. What begins with `x-` is ours: the variable of the environment, and another default.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Setting<'a> {
    title: &'a str,
    description: String,
    #[serde(flatten)]
    values: Values<'a>,
    default: Value,
    #[serde(
        rename = "x-default-vote-results",
        skip_serializing_if = "Option::is_none"
    )]
    default_results: Option<Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    write_only: bool,
    #[serde(rename = "x-env")]
    env: &'a str,
}

/// What values a setting takes.
#[derive(Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Values<'a> {
    Integer {
        minimum: u64,
        maximum: u64,
    },
    Boolean,
    Array {
        items: Items,
    },
    String {
        #[serde(rename = "enum", skip_serializing_if = "Option::is_none")]
        words: Option<&'a [String]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        max_length: Option<usize>,
    },
}

/// The items of a list.
#[derive(Serialize)]
struct Items {
    #[serde(rename = "type")]
    kind: &'static str,
}

/// The schema of all settings.
///
/// # Errors
/// A default in `defaults.toml` that is no JSON; a test finds that.
pub fn schema_json() -> serde_json::Result<String> {
    let mut sections = Object::new();
    for doc in reference() {
        let (section, key) = doc.name.split_once('.').unwrap_or_default();
        let known = &mut sections.properties.0;
        if known.last().is_none_or(|(last, _)| *last != section) {
            known.push((section, Object::new()));
        }
        if let Some((_, section)) = known.last_mut() {
            section.properties.0.push((key, Setting::new(doc)?));
        }
    }
    let (ingest, results) = (ServiceName::Ingest, ServiceName::Results);
    let document = Document {
        dialect: "https://json-schema.org/draft/2020-12/schema",
        title: format!("Settings of {ingest} and {results}"),
        description: "A settings file, in TOML, YAML or JSON. Both services read the same settings, so one file \
                      serves both. An empty text means: not set.",
        sections,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

impl<T> Object<'_, T> {
    const fn new() -> Self {
        Self {
            additional_properties: false,
            properties: Ordered(Vec::new()),
        }
    }
}

impl<'a> Setting<'a> {
    fn new(doc: &'a SettingDoc) -> serde_json::Result<Self> {
        let taken = match &doc.kind {
            Kind::Integer { min, max } => Values::Integer {
                minimum: *min,
                maximum: *max,
            },
            Kind::Boolean => Values::Boolean,
            Kind::List => Values::Array {
                items: Items { kind: "string" },
            },
            Kind::OneOf(words) => Values::string(Some(words), None),
            Kind::Text { max_bytes } => Values::string(None, *max_bytes),
            Kind::Secret => Values::string(None, None),
        };
        let default_results = doc.default_results.as_ref().map(|text| match doc.kind {
            Kind::List => values::items(text).collect(),
            _ => Value::from(text.as_str()),
        });
        Ok(Self {
            title: &doc.name,
            description: format!("{} Takes: {}.", doc.doc, doc.takes),
            values: taken,
            // Numbers, texts and lists are written alike in TOML and JSON.
            default: serde_json::from_str(&doc.default)?,
            default_results,
            write_only: doc.is_secret(),
            env: &doc.env,
        })
    }
}

impl<'a> Values<'a> {
    fn string(words: Option<&'a [String]>, max_length: Option<usize>) -> Self {
        Self::String { words, max_length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_every_setting_with_what_it_takes() {
        let schema = schema_json().expect("defaults are JSON");
        let schema: Value = serde_json::from_str(&schema).expect("JSON");
        for doc in reference() {
            let pointer = format!("/properties/{}", doc.name.replace('.', "/properties/"));
            let setting = schema.pointer(&pointer).expect(&doc.name);
            assert_eq!(setting["x-env"], doc.env.as_str());
            assert_eq!(setting["writeOnly"].is_null(), !doc.is_secret());
            if let Kind::Integer { min, max } = doc.kind {
                assert_eq!(
                    (&setting["minimum"], &setting["maximum"]),
                    (&min.into(), &max.into())
                );
                assert!(
                    setting["default"]
                        .as_u64()
                        .is_some_and(|value| (min..=max).contains(&value))
                );
            }
        }
        let origins = &schema["properties"]["http"]["properties"]["cors_allowed_origins"];
        assert_eq!(origins["default"], serde_json::json!([]));
        assert_eq!(origins["x-default-vote-results"], serde_json::json!(["*"]));
        let format = &schema["properties"]["log"]["properties"]["format"];
        assert_eq!(
            format["enum"],
            serde_json::json!(["auto", "json", "pretty"])
        );
    }
}
