//! Schemas and their examples.

use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::fixtures::{at, poll_after, tally};
use crate::{
    Candidate, CandidateStanding, Channel, Percent, PollState, Standing, Status, Transition,
    standing,
};

fn schema<T: PartialSchema>() -> Value {
    serde_json::to_value(T::schema()).expect("serialises")
}

#[test]
fn the_documented_standing_is_one_that_a_tally_makes() {
    let poll = poll_after(&[Transition::Open]);
    let votes = tally(&[&[935, 265], &[200, 600]]);
    let read = at("2026-11-24T01:02:03.250Z");
    let standing = standing(&poll, &votes, read, 815, Status::Provisional);
    let example = &schema::<Standing>()["examples"][0];
    assert_eq!(
        *example,
        serde_json::to_value(standing).expect("serialises")
    );
}

#[test]
fn counts_are_whole_numbers_that_may_be_absent_but_not_null() {
    let schema = schema::<CandidateStanding>();
    let votes = &schema["properties"]["votes"];
    assert_eq!(votes["type"], "integer");
    assert_eq!(votes["minimum"], 0);
    let required: Vec<&str> = schema["required"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(required, ["id", "name"]);
}

#[test]
fn ids_percentages_and_names_say_what_they_take() {
    assert_eq!(schema::<Percent>()["maximum"], 100);
    assert_eq!(schema::<Percent>()["type"], "number");
    assert_eq!(schema::<crate::PollId>()["maxLength"], 64);
    assert_eq!(
        schema::<PollState>()["enum"],
        json!(["draft", "open", "paused", "closed", "sealed", "void"])
    );
    assert_eq!(
        schema::<Channel>()["properties"]["weight"]["maximum"],
        1_000_000
    );
    assert_eq!(
        schema::<Candidate>()["properties"]["image_url"]["format"],
        "uri"
    );
}

#[test]
fn every_schema_that_a_standing_refers_to_comes_with_it() {
    let mut found = Vec::new();
    Standing::schemas(&mut found);
    let mut names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(
        names,
        [
            "CandidateId",
            "CandidateStanding",
            "ChannelId",
            "ChannelStanding",
            "Direction",
            "Kind",
            "Percent",
            "PollId",
            "PollState",
            "RecordedCandidate",
            "RecordedChannel",
            "RecordedVotes",
            "Status",
        ]
    );
}
