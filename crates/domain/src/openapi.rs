//! Schemas of the types whose wire form differs from their Rust form.

use std::borrow::Cow;

use utoipa::openapi::schema::{Schema, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::definition::slug::{CandidateId, ChannelId, PollId};
use crate::figures::percent::Percent;

macro_rules! slug_schema {
    ($($name:ident: $example:literal, $description:literal;)+) => { $(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($description))
                    .min_length(Some(1))
                    .max_length(Some(64))
                    .pattern(Some("^[a-z0-9][a-z0-9_-]{0,63}$"))
                    .examples([$example])
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )+ };
}

slug_schema! {
    PollId: "paredao-01", "Names a poll.";
    CandidateId: "ana", "Names a candidate within its poll.";
    ChannelId: "torcida", "Names a channel within its poll.";
}

impl PartialSchema for Percent {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .description(Some("A percentage with at most two decimals."))
            .minimum(Some(0))
            .maximum(Some(100))
            .examples([56.73])
            .into()
    }
}

impl ToSchema for Percent {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Percent")
    }
}

/// A standing as documentation shows it.
pub(crate) fn standing_example() -> serde_json::Value {
    let candidate = |id: &str, name: &str, votes: u64, hundredths: u16, rank: u8| serde_json::json!({ "id": id, "name": name, "votes": votes, "percent": Percent::from_hundredths(hundredths), "rank": rank });
    serde_json::json!({
        "poll": "paredao-01", "title": "Paredão 1", "kind": "live", "direction": "eliminate",
        "state": "open", "status": "provisional", "as_of": "2026-11-24T01:02:03.250Z", "revision": 815,
        "total_votes": 2000,
        "candidates": [
            candidate("ana", "Ana", 1135, 4088, 2),
            candidate("bia", "Bia", 865, 5912, 1),
        ],
        "channels": [
            {
                "id": "torcida", "weight": 30, "total_votes": 1200,
                "candidates": [candidate("ana", "Ana", 935, 7792, 1), candidate("bia", "Bia", 265, 2208, 2)],
            },
            {
                "id": "unico", "weight": 70, "total_votes": 800,
                "candidates": [candidate("ana", "Ana", 200, 2500, 2), candidate("bia", "Bia", 600, 7500, 1)],
            },
        ],
    })
}

#[cfg(test)]
mod tests;
