//! Values as files and variables give them, before they have a type.

use config::{Value, ValueKind};

use super::reference::Kind;

/// A longer value is cut in messages.
const SHOWN_CHARACTERS: usize = 80;

/// The items of a list that is written as one text.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// The value of a setting of that kind that is written as a text, as a variable has it.
pub(super) fn of_text(kind: &Kind, text: &str) -> ValueKind {
    match kind {
        Kind::List => ValueKind::Array(items(text).map(|item| Value::new(None, item)).collect()),
        _ => ValueKind::from(text),
    }
}

/// Whether a value is of that kind. A variable gives every value as a text.
pub(super) fn fits(kind: &Kind, value: &ValueKind) -> bool {
    match (kind, value) {
        (Kind::Integer { min, max }, value) => {
            let number = match value {
                ValueKind::I64(number) => u64::try_from(*number).ok(),
                ValueKind::U64(number) => Some(*number),
                ValueKind::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    text.parse().ok()
                }
                _ => None,
            };
            number.is_some_and(|number| (*min..=*max).contains(&number))
        }
        (Kind::Boolean, ValueKind::Boolean(_)) => true,
        (Kind::Boolean, ValueKind::String(text)) => text == "true" || text == "false",
        (Kind::OneOf(words), ValueKind::String(text)) => words.contains(text),
        (Kind::List, ValueKind::Array(items)) => items
            .iter()
            .all(|item| matches!(item.kind, ValueKind::String(_))),
        (Kind::Text { max_bytes }, ValueKind::String(text)) => {
            max_bytes.is_none_or(|most| text.len() <= most)
        }
        (Kind::Secret, ValueKind::String(_)) => true,
        _ => false,
    }
}

/// A value for a message.
pub(super) fn show(kind: &ValueKind) -> String {
    match kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::String(text) => quoted(text),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Table(_) => "a section".to_owned(),
        other => cut(other.to_string()),
    }
}

/// A text for a message: in quotes, and cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    cut(format!("{text:?}"))
}

fn cut(text: String) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
