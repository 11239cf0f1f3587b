//! A spill in the log, for want of a volume: its text in parts, each a field of a line.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::document::MAX_SPILL_BYTES;
use super::error::SpillError;

/// The longest text of a part: with all that a line holds besides, it is below what containers' logs take in one.
const PART_BYTES: usize = 6_000;

/// A part of a spill's text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SpillPart {
    /// Of which spill: the first half of the SHA-256 of its text.
    #[serde(rename = "spill.id")]
    pub id: String,
    /// Which part, from 1.
    #[serde(rename = "spill.part")]
    pub part: usize,
    /// Of how many.
    #[serde(rename = "spill.parts")]
    pub parts: usize,
    /// Its text.
    #[serde(rename = "spill.text")]
    pub text: String,
}

impl SpillPart {
    /// The parts of a spill's text.
    #[must_use]
    pub fn of(text: &str) -> Vec<Self> {
        let id = HEXLOWER.encode(&Sha256::digest(text)[..16]);
        let mut texts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.floor_char_boundary(PART_BYTES));
            texts.push(part);
            rest = after;
        }
        let parts = texts.len();
        (1..)
            .zip(texts)
            .map(|(part, text)| Self {
                id: id.clone(),
                part,
                parts,
                text: text.to_owned(),
            })
            .collect()
    }

    /// The texts of all spills in a log of JSON lines; what else is in it is passed over.
    ///
    /// # Errors
    /// [`SpillError::Parts`] where a part is missing, or two of them differ.
    pub fn texts_in(log: &[u8]) -> Result<Vec<String>, SpillError> {
        if log.len() > MAX_SPILL_BYTES {
            return Err(SpillError::TooLarge);
        }
        let mut spills: BTreeMap<String, (usize, BTreeMap<usize, String>)> = BTreeMap::new();
        for line in log.split(|byte| *byte == b'\n') {
            let Ok(found) = serde_json::from_slice::<Self>(line) else {
                continue;
            };
            let (parts, texts) = spills
                .entry(found.id)
                .or_insert((found.parts, BTreeMap::new()));
            let before = texts.insert(found.part, found.text);
            let is_same = before.is_none_or(|before| texts.get(&found.part) == Some(&before));
            if !is_same || *parts != found.parts || found.part == 0 || found.part > *parts {
                return Err(SpillError::Parts("they contradict each other".to_owned()));
            }
        }
        let whole = spills.into_values().map(|(parts, texts)| {
            if texts.len() == parts {
                return Ok(texts.into_values().collect());
            }
            let missing = parts - texts.len();
            let first = (1..=parts).find(|part| !texts.contains_key(part));
            Err(SpillError::Parts(format!(
                "{missing} of {parts} are missing, the first of them is {}",
                first.unwrap_or_default()
            )))
        });
        whole.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(part: &SpillPart) -> String {
        serde_json::json!({
            "level": "ERROR", "message": "m", "spill.id": part.id, "spill.part": part.part,
            "spill.parts": part.parts, "spill.text": part.text,
        })
        .to_string()
    }

    /// More than two parts, with what JSON and UTF-8 write at length.
    fn text() -> String {
        "{\"a\":\"ã\"}\n".repeat(1_500)
    }

    #[test]
    fn a_text_is_put_together_from_its_parts_in_any_order_and_among_other_lines() {
        let parts = SpillPart::of(&text());
        assert!(parts.len() > 2);
        assert!(parts.iter().all(|part| line(part).len() < 16_000));
        let mut lines: Vec<String> = parts.iter().rev().map(line).collect();
        lines.push(lines[0].clone());
        lines.insert(1, r#"{"message":"other"}"#.to_owned());
        lines.insert(2, "no JSON".to_owned());
        lines.extend(SpillPart::of("another").iter().map(line));
        let mut found = SpillPart::texts_in(lines.join("\n").as_bytes()).expect("whole");
        found.sort();
        assert_eq!(found, ["another".to_owned(), text()]);
        assert_eq!(SpillPart::texts_in(b"{}\nx"), Ok(Vec::new()));
    }

    #[test]
    fn a_part_that_is_missing_or_contradicts_is_said() {
        let parts = SpillPart::of(&text());
        let lines: Vec<String> = parts.iter().map(line).collect();
        let error = SpillPart::texts_in(lines[1..].join("\n").as_bytes()).expect_err("a gap");
        let says = format!("1 of {} are missing, the first of them is 1", parts.len());
        assert!(error.to_string().contains(&says), "{error}");
        for wrong in [
            SpillPart {
                text: "x".to_owned(),
                ..parts[0].clone()
            },
            SpillPart {
                parts: 1,
                ..parts[0].clone()
            },
            SpillPart {
                part: 0,
                ..parts[0].clone()
            },
            SpillPart {
                part: parts.len() + 1,
                ..parts[0].clone()
            },
        ] {
            let log = [lines[0].clone(), line(&wrong)].join("\n");
            let error = SpillPart::texts_in(log.as_bytes()).expect_err("a contradiction");
            assert!(error.to_string().contains("contradict"), "{error}");
        }
    }
}
