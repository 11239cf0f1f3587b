//! How many of what: candidates, channels, weights, votes, shards.

use std::fmt::Write as _;

use super::wrong_with;
use crate::PollDefinition;
use crate::fixtures::{PAREDAO, paredao_with, wrong};

#[test]
fn one_candidate_is_too_few_and_65_too_many() {
    let one = PAREDAO.replace("  - { id: bia, name: Bia }\n", "");
    assert_eq!(
        wrong(&one),
        ["candidates: must have 2 to 64 entries, has 1"]
    );

    let file = |candidates: usize| {
        let list = (0..candidates).fold(String::new(), |mut list, i| {
            writeln!(list, "  - {{ id: c{i}, name: C {i} }}").expect("written");
            list
        });
        let rest = PAREDAO.replace("  - { id: bia, name: Bia }\n", "");
        rest.replace("  - { id: ana, name: Ana }\n", &list)
    };
    assert_eq!(
        wrong(&file(65)),
        ["candidates: must have 2 to 64 entries, has 65"]
    );
    assert_eq!(wrong(&file(0)), ["candidates: must not be null"]);
    let most = PollDefinition::parse_yaml(&file(64)).expect("64 are allowed");
    assert_eq!(most.candidates().len(), 64);
}

#[test]
fn repeated_ids_are_refused_and_both_places_named() {
    let file = PAREDAO
        .replace("id: bia", "id: ana")
        .replace("id: unico", "id: torcida");
    assert_eq!(
        wrong(&file),
        [
            "candidates[1].id: must be unique, `ana` is that of candidates[0]",
            "channels[1].id: must be unique, `torcida` is that of channels[0]",
        ]
    );
}

#[test]
fn weights_are_1_to_a_million() {
    for (weight, shown) in [
        ("0", "the number 0"),
        ("-1", "the number -1"),
        ("1000001", "the number 1000001"),
        ("30.5", "the number 30.5"),
        ("99999999999999999999", "the number 99999999999999999999"),
        ("'30'", "the text `30`"),
        ("true", "the truth value true"),
        ("[30]", "a list"),
    ] {
        assert_eq!(
            wrong(&PAREDAO.replace("weight: 30", &format!("weight: {weight}"))),
            [format!(
                "channels[0].weight: must be a whole number from 1 to 1000000, is {shown}"
            )]
        );
    }
}

#[test]
fn there_are_1_to_8_channels() {
    let beginning = &PAREDAO[..PAREDAO.find("channels:").expect("there")];
    assert_eq!(
        wrong(&format!("{beginning}channels: []\n")),
        ["channels: must have 1 to 8 entries, has 0"]
    );
    let nine = (0..9).fold(format!("{beginning}channels:\n"), |mut file, i| {
        writeln!(file, "  - {{ id: c{i}, weight: 1, eligibility: open }}").expect("written");
        file
    });
    assert_eq!(wrong(&nine), ["channels: must have 1 to 8 entries, has 9"]);
}

#[test]
fn votes_per_voter_needs_voters() {
    let file = PAREDAO.replace("eligibility: voter", "eligibility: proof_of_work");
    assert_eq!(
        wrong(&file),
        ["channels[1].votes_per_voter: is only possible with eligibility voter or gateway"]
    );
    let file = PAREDAO.replace("votes_per_voter: 1", "votes_per_voter: 0");
    assert_eq!(
        wrong(&file),
        [
            "channels[1].votes_per_voter: must be a whole number from 1 to 4294967295, is the number 0"
        ]
    );
    let file = PAREDAO.replace(", votes_per_voter: 1", "");
    assert!(
        PollDefinition::parse_yaml(&file).is_ok(),
        "voters without a limit are allowed"
    );
}

#[test]
fn votes_can_be_counted_by_the_hour_or_the_day() {
    let with =
        |per: &str| PAREDAO.replace("votes_per_voter: 1", &format!("votes_per_voter: 10, {per}"));
    let json = |file: &str| {
        let definition = PollDefinition::parse_yaml(file).expect("legal");
        serde_json::to_value(&definition.channels()[1]).expect("JSON")
    };
    assert_eq!(json(&with("per: hour"))["per"], "hour");
    assert_eq!(json(&with("per: day"))["per"], "day");
    // As if it was not said: documents from before there were periods are the same, to the byte.
    assert!(json(&with("per: poll")).get("per").is_none());
    assert_eq!(
        wrong(&with("per: week")),
        ["channels[1].per: must be one of poll, hour, day; is `week`"]
    );
    let file = PAREDAO.replace("votes_per_voter: 1", "per: hour");
    assert_eq!(
        wrong(&file),
        ["channels[1].per: is only possible with votes_per_voter"]
    );
}

#[test]
fn a_proof_costs_a_thousand_to_a_hundred_thousand() {
    let with = |cost: &str| {
        PAREDAO.replace(
            "weight: 30, eligibility: open",
            &format!("weight: 30, eligibility: proof_of_work, proof_cost: {cost}"),
        )
    };
    for cost in ["999", "100001", "-1"] {
        assert_eq!(
            wrong(&with(cost)),
            [format!(
                "channels[0].proof_cost: must be a whole number from 1000 to 100000, is the number {cost}"
            )]
        );
    }
    let poll = PollDefinition::parse_yaml(&with("20000")).expect("legal");
    assert_eq!(poll.channels()[0].least_proof_cost(), 20_000);
    assert_eq!(poll.channels()[1].least_proof_cost(), 5_000);
}

#[test]
fn what_is_asked_for_together_is_a_list_of_the_two() {
    for (list, field) in [
        ("[]", "must be one word, or the list [voter, proof_of_work]"),
        (
            "[open, voter]",
            "must be one word, or the list [voter, proof_of_work]",
        ),
        (
            "[voter, voter]",
            "must be one word, or the list [voter, proof_of_work]",
        ),
        ("[voter, 1]", "must be a text (in quotes), is the number 1"),
    ] {
        let file = PAREDAO.replace(
            "weight: 30, eligibility: open",
            &format!("weight: 30, eligibility: {list}"),
        );
        assert_eq!(wrong(&file), [format!("channels[0].eligibility: {field}")]);
    }
}

#[test]
fn shards_are_1_to_256() {
    for (shards, shown) in [("0", "0"), ("257", "257"), ("70000", "70000"), ("-1", "-1")] {
        assert_eq!(
            wrong_with("shards", &format!("shards: {shards}")),
            [format!(
                "shards: must be a whole number from 1 to 256, is the number {shown}"
            )]
        );
    }
    let most = PollDefinition::parse_yaml(&paredao_with("shards", "shards: 256"));
    assert_eq!(most.expect("allowed").shards(), 256);
}
