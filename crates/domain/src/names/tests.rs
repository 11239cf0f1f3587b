//! Names in text and JSON.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    Direction, Eligibility, Kind, Phase, PollState, Status, Transition, UnknownName, Visibility,
};

fn all_agree<T>(all: &[T], names: &[&str], wire: &[&str])
where
    T: Copy
        + PartialEq
        + Debug
        + Display
        + FromStr<Err = UnknownName>
        + Serialize
        + DeserializeOwned,
{
    assert_eq!(names, wire);
    assert_eq!(all.len(), wire.len());
    for (value, &name) in all.iter().zip(wire) {
        assert_eq!(value.to_string(), name);
        assert_eq!(name.parse().as_ref(), Ok(value));
        let json = serde_json::to_string(value).expect("serialises");
        assert_eq!(json, format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<T>(&json).expect("reads"), *value);
    }
    for wrong in ["", "OPEN", "open ", "nonsense"] {
        let error = wrong.parse::<T>().expect_err(wrong).to_string();
        assert!(
            error.contains(&format!("must be one of {}", wire.join(", "))),
            "{error}"
        );
        assert!(serde_json::from_str::<T>(&format!("\"{wrong}\"")).is_err());
    }
}

macro_rules! names {
    ($($name:ident: $($wire:literal)+;)+) => { $(
        all_agree($name::ALL, $name::NAMES, &[$($wire),+]);
    )+ };
}

#[test]
fn every_name_is_the_same_in_text_and_json_and_nothing_else_is_one() {
    names! {
        Direction: "eliminate" "save";
        Kind: "live" "rehearsal";
        Visibility: "public" "percentages" "embargoed";
        Eligibility: "open" "proof_of_work" "voter" "voter_and_proof_of_work" "gateway";
        Status: "not_open" "provisional" "stale" "final" "void";
        PollState: "draft" "open" "paused" "closed" "sealed" "void";
        Transition: "open" "pause" "resume" "close" "seal" "void";
        Phase: "not_open" "open" "paused" "closed" "sealed" "void";
    }
}

#[test]
fn a_wrong_name_is_told_with_what_is_allowed() {
    assert_eq!(
        "evict".parse::<Direction>().expect_err("wrong").to_string(),
        "direction must be one of eliminate, save, is `evict`"
    );
}
