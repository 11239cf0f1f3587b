//! The words that the page's script needs, as JSON for an attribute: it writes what the server would have written.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use vote_domain::Language;
use vote_site::words::Words;

/// The texts of a state that the stream may bring, of a vote, and of a receipt.
const NAMES: [&str; 45] = [
    "vote_eliminate",
    "vote_save",
    "confirm_eliminate",
    "confirm_save",
    "confirm_do_eliminate",
    "confirm_do_save",
    "by_channel",
    "channel_elsewhere",
    "channel_insecure",
    "no_channel",
    "back",
    "state_not_open",
    "state_open",
    "state_paused",
    "state_closed",
    "state_final",
    "state_void",
    "hidden",
    "held",
    "nobody",
    "withdrawn",
    "total",
    "closes_in",
    "opens_in",
    "as_of",
    "proving",
    "proof_failed",
    "proof_again",
    "sending",
    "offline",
    "retrying",
    "accepted",
    "already_accepted",
    "unknown",
    "receipt",
    "receipt_link",
    "again",
    "live",
    "not_live",
    "receipt_in",
    "receipt_final",
    "receipt_waiting",
    "receipt_missing",
    "receipt_void",
    "tag",
];

/// Problems that a vote of the page may meet.
const PROBLEMS: [&str; 15] = [
    "poll-not-open",
    "poll-paused",
    "poll-closed",
    "poll-void",
    "candidate-withdrawn",
    "vote-limit-reached",
    "eligibility-not-available",
    "proof-required",
    "unknown-poll",
    "idempotency-key-reused",
    "outcome-unknown",
    "rate-limited",
    "overloaded",
    "not-recorded",
    "other",
];

static JSON: LazyLock<[String; 3]> = LazyLock::new(|| {
    [Language::Pt, Language::En, Language::Es].map(|language| json_of(language).to_string())
});

/// Those of a language.
pub(crate) fn json(language: Language) -> &'static str {
    let [pt, en, es] = &*JSON;
    match language {
        Language::Pt => pt,
        Language::En => en,
        Language::Es => es,
    }
}

fn json_of(language: Language) -> Value {
    let words = Words::of(language);
    let named = words.all().filter(|(name, _)| NAMES.contains(name));
    let mut texts: Map<String, Value> = named
        .map(|(name, text)| (name.to_owned(), text.into()))
        .collect();
    let problems = PROBLEMS.map(|code| {
        let advice = words.advice(code);
        (code.to_owned(), json!([advice.title, advice.what]))
    });
    texts.insert(
        "problems".to_owned(),
        Value::Object(problems.into_iter().collect()),
    );
    Value::Object(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_that_is_named_is_there() {
        for language in Language::ALL {
            let texts = json_of(*language);
            for name in NAMES {
                assert!(texts[name].is_string(), "{language} {name}");
            }
            assert_eq!(
                texts["problems"].as_object().map(Map::len),
                Some(PROBLEMS.len())
            );
        }
    }
}
