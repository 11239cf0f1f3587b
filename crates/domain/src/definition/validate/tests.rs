//! The rules of a poll file, field by field: each violation names field and rule.

mod numbers;
mod texts;
mod times;

use crate::fixtures::{PAREDAO, at, paredao, paredao_with, wrong};
use crate::{Direction, Eligibility, Kind, PollDefinition, Visibility};

/// What is wrong with the documented poll file after one line of it is replaced.
fn wrong_with(beginning: &str, line: &str) -> Vec<String> {
    wrong(&paredao_with(beginning, line))
}

const ID_RULE: &str =
    "must have 1 to 64 characters of a-z, 0-9, `-` and `_`, the first a letter or digit; is ";

#[test]
fn the_documented_poll_file_is_read_as_it_says() {
    let poll = paredao();
    assert_eq!(poll.id().as_str(), "paredao-01");
    assert_eq!(poll.title(), "Paredão 1");
    assert_eq!(poll.direction(), Direction::Eliminate);
    assert_eq!(poll.kind(), Kind::Live);
    assert_eq!(poll.opens_at(), at("2026-11-24T00:00:00Z"));
    assert_eq!(poll.closes_at(), at("2026-11-26T02:00:00Z"));
    assert_eq!(poll.timezone(), "America/Sao_Paulo");
    assert_eq!(poll.zone().iana_name(), Some("America/Sao_Paulo"));
    assert_eq!(poll.visibility(), Visibility::Public);
    assert_eq!(poll.shards(), 1);
    assert_eq!(poll.candidate_index("bia"), Some(1));
    assert_eq!(poll.candidate_index("caio"), None);
    assert_eq!(poll.channel_index("unico"), Some(1));
    assert_eq!(poll.channel_index(""), None);
    let unico = &poll.channels()[1];
    assert_eq!(
        (unico.weight, unico.eligibility, unico.votes_per_voter),
        (70, Eligibility::Voter, Some(1))
    );
}

#[test]
fn what_is_left_out_has_its_default() {
    let poll = PollDefinition::parse_yaml(
        "{id: p, title: P, direction: save, opens_at: 2026-01-01T00:00:00Z, \
         closes_at: 2026-01-02T00:00:00-03:00, timezone: America/Sao_Paulo, \
         candidates: [{id: a, name: A}, {id: b, name: B}]}",
    )
    .expect("complete");
    assert_eq!(poll.kind(), Kind::Live);
    assert_eq!(poll.visibility(), Visibility::Public);
    assert_eq!(poll.shards(), 1);
    let [geral] = poll.channels() else {
        panic!("one channel")
    };
    assert_eq!(
        (
            geral.id.as_str(),
            geral.weight,
            geral.eligibility,
            geral.votes_per_voter
        ),
        ("geral", 1, Eligibility::Open, None)
    );
    assert_eq!(poll.closes_at(), at("2026-01-02T03:00:00Z"));
}

#[test]
fn has_a_json_form_that_never_changes_and_reads_back() {
    let json = serde_json::to_string(&paredao()).expect("serialises");
    assert_eq!(
        json,
        concat!(
            r#"{"id":"paredao-01","title":"Paredão 1","direction":"eliminate","kind":"live","#,
            r#""opens_at":"2026-11-24T00:00:00.000Z","closes_at":"2026-11-26T02:00:00.000Z","#,
            r#""timezone":"America/Sao_Paulo","visibility":"public","shards":1,"#,
            r#""candidates":[{"id":"ana","name":"Ana"},{"id":"bia","name":"Bia"}],"#,
            r#""channels":[{"id":"torcida","weight":30,"eligibility":"open"},"#,
            r#"{"id":"unico","weight":70,"eligibility":"voter","votes_per_voter":1}]}"#,
        )
    );
    assert_eq!(PollDefinition::parse_json(json.as_bytes()), Ok(paredao()));
    assert_eq!(
        serde_json::from_str::<PollDefinition>(&json).expect("reads"),
        paredao()
    );
}

#[test]
fn reading_a_stored_definition_checks_it_too() {
    let json = serde_json::to_string(&paredao()).expect("serialises");
    let json = json.replace(r#""weight":30"#, r#""weight":0"#);
    let error = serde_json::from_str::<PollDefinition>(&json)
        .expect_err("weight 0")
        .to_string();
    assert!(
        error.contains("channels[0].weight: must be a whole number from 1 to 1000000"),
        "{error}"
    );
}

#[test]
fn unknown_missing_repeated_and_null_fields_are_named() {
    assert_eq!(
        wrong_with("visibility", "visibilty: public"),
        [
            "visibilty: is unknown; takes id, title, direction, kind, opens_at, closes_at, timezone, \
          visibility, release, language, shards, candidates, channels"
        ]
    );
    assert_eq!(
        wrong(&PAREDAO.replace("name: Bia", "nome: Bia")),
        [
            "candidates[1].nome: is unknown; takes id, name, image_url, color",
            "candidates[1].name: is missing",
        ]
    );
    assert_eq!(wrong_with("direction", ""), ["direction: is missing"]);
    for (name, shown) in [
        ("''", "\"\""),
        ("'a b'", "\"a b\""),
        ("\"a\\n\"", r#""a\n""#),
    ] {
        let file = format!("{PAREDAO}{name}: 2\n");
        let [error] = &wrong(&file)[..] else {
            panic!("one violation")
        };
        assert!(
            error.starts_with(&format!("{shown}: is unknown")),
            "{error}"
        );
    }
    assert_eq!(
        wrong(&format!("{PAREDAO}shards: 2\n")),
        ["shards: must not be given twice"]
    );
    for field in [
        "title",
        "direction",
        "kind",
        "timezone",
        "visibility",
        "release",
        "language",
        "shards",
        "channels:",
    ] {
        let name = field.trim_end_matches(':');
        let file = if matches!(name, "release" | "language") {
            format!("{PAREDAO}{name}: ~\n")
        } else if name == "channels" {
            format!(
                "{}channels: null\n",
                &PAREDAO[..PAREDAO.find("channels:").expect("there")]
            )
        } else {
            paredao_with(field, &format!("{name}: ~"))
        };
        assert_eq!(wrong(&file), [format!("{name}: must not be null")]);
    }
    assert_eq!(
        wrong_with("direction", "direction: evict"),
        ["direction: must be one of eliminate, save; is `evict`"]
    );
    for (line, rule) in [
        (
            "release: yes",
            "release: must be one of manual, auto; is `yes`",
        ),
        (
            "release: released",
            "release: must be one of manual, auto; is `released`",
        ),
        (
            "language: pt-BR",
            "language: must be one of pt, en, es; is `pt-BR`",
        ),
    ] {
        let file = format!("{PAREDAO}{line}\n");
        assert_eq!(wrong(&file), [rule]);
    }
}
