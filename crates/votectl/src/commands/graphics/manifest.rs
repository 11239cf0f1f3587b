//! The manifest of an OGraf graphic (EBU, version 1).

use serde_json::{Value, json};
use vote_domain::PollId;

const SCHEMA: &str = "https://ograf.ebu.io/v1/specification/json-schemas/graphics/schema.json";

/// The graphic's id. Of two polls' packages on one server none hides the other; and since a known server defines the
/// custom element by it, it is a name for one: lower case, with a hyphen.
pub(super) fn id(poll: &PollId, layout: &str) -> String {
    format!("br.tv.paredao-{poll}-{layout}")
}

/// The file of the graphic's class.
pub(super) fn main(layout: &str) -> String {
    format!("{layout}.mjs")
}

/// The manifest of one layout.
pub(super) fn manifest(poll: &PollId, layout: &str, shows: &str) -> Value {
    json!({
        "$schema": SCHEMA,
        "id": id(poll, layout),
        "version": env!("CARGO_PKG_VERSION"),
        "name": format!("Paredão {poll}: {layout}"),
        "description": format!("{shows}. Figures come from the results service, and only those that may go on air."),
        "author": { "name": "Paredão" },
        "main": main(layout),
        "supportsRealTime": true,
        // The figures are those of now.
        "supportsNonRealTime": false,
        "stepCount": 1,
        "schema": data(),
        "customActions": [{
            "id": "sort",
            "name": "Sort",
            "description": "Puts the candidates into another order",
            "schema": {
                "type": "object",
                "properties": { "by": choice("By", &[("rank", "Rank"), ("candidate", "The poll's own")], "rank") },
                "required": ["by"],
            },
        }],
        "renderRequirements": [{
            "resolution": { "width": { "ideal": 1920 }, "height": { "ideal": 1080 } },
            "frameRate": { "ideal": 50 },
        }],
    })
}

/// What `load` and `updateAction` take. All of it may be absent, and no figure is in it.
fn data() -> Value {
    let line = |title: &str, description: &str| json!({ "type": "string", "title": title, "description": description, "gddType": "single-line" });
    json!({
        "type": "object",
        "properties": {
            "poll": line("Poll", "Another poll's id; empty: the package's own"),
            "candidates": line("Candidates", "Only these, by their ids with commas between; empty: all"),
            "sort": choice("Order", &[("candidate", "The poll's own"), ("rank", "Rank")], "candidate"),
            "lang": choice("Language", &[("pt-BR", "Português"), ("en", "English"), ("es", "Español")], "pt-BR"),
        },
    })
}

fn choice(title: &str, of: &[(&str, &str)], default: &str) -> Value {
    let values: Vec<&str> = of.iter().map(|(value, _)| *value).collect();
    let labels: serde_json::Map<String, Value> = of
        .iter()
        .map(|(value, label)| ((*value).to_owned(), json!(label)))
        .collect();
    json!({
        "type": "string",
        "title": title,
        "enum": values,
        "default": default,
        "gddType": "select",
        "gddOptions": { "labels": labels },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vote_overlay::LAYOUTS;

    #[test]
    fn ids_are_names_of_custom_elements_and_each_its_own() {
        let polls = ["a", "paredao-01", "x-9"].map(|id| PollId::parse(id).expect("an id"));
        let ids = polls
            .iter()
            .flat_map(|poll| LAYOUTS.map(|(layout, _)| id(poll, layout)));
        let mut ids: Vec<String> = ids.collect();
        for id in &ids {
            assert!(id.starts_with(|first: char| first.is_ascii_lowercase()) && id.contains('-'));
            let is_part =
                |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || "-.".contains(one);
            assert!(id.chars().all(is_part), "{id}");
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), polls.len() * LAYOUTS.len());
    }
}
