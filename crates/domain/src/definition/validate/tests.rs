//! The rules of a poll file, field by field: each violation names field and rule.

use std::fmt::Write as _;

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
        ["channels[1].votes_per_voter: is only possible with eligibility voter"]
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
fn it_closes_after_it_opens() {
    for closes_at in ["2026-11-23T23:59:59Z", "2026-11-24T00:00:00Z"] {
        let [error] = &wrong_with("closes_at", &format!("closes_at: {closes_at}"))[..] else {
            panic!("one violation")
        };
        assert!(
            error.starts_with("closes_at: must be after opens_at (2026-11-24T00:00:00.000Z), is "),
            "{error}"
        );
    }
}

#[test]
fn only_a_rehearsal_may_leave_its_time_zone_out() {
    let without = PAREDAO.replace("timezone: America/Sao_Paulo\n", "");
    assert_eq!(
        wrong(&without),
        [
            "timezone: is missing: a live poll names the programme's, the IANA name of a time zone, such as \
             America/Sao_Paulo"
        ]
    );
    let rehearsal = without.replace("kind: live", "kind: rehearsal");
    let poll = PollDefinition::parse_yaml(&rehearsal).expect("a poll file");
    assert_eq!(poll.timezone(), "UTC");
    let local = rehearsal.replace(
        "opens_at: 2026-11-24T00:00:00Z",
        "opens_at: 2026-11-24T00:00",
    );
    assert!(wrong(&local)[0].starts_with("opens_at: has no offset"));
}

#[test]
fn a_time_is_local_to_the_polls_zone_unless_it_says_otherwise() {
    for text in [
        "2026-11-25T23:00",
        "2026-11-25 23:00",
        "2026-11-25T23:00:00-03:00",
        "2026-11-26T02:00:00Z",
    ] {
        let file = paredao_with("closes_at", &format!("closes_at: {text}"));
        let poll = PollDefinition::parse_yaml(&file).expect(text);
        assert_eq!(poll.closes_at(), at("2026-11-26T02:00:00Z"), "{text}");
    }
    assert_eq!(
        wrong_with("closes_at", "closes_at: 2026-11-25T23:00:00-02:00"),
        [
            "closes_at: has the offset -02, but America/Sao_Paulo has -03 then: give -03, no offset, or Z; is \
             `2026-11-25T23:00:00-02:00`"
        ]
    );
}

#[test]
fn instants_are_exact_to_the_millisecond_and_since_1970() {
    for text in [
        "2026-11-26",
        "20261126T020000Z",
        "amanhã",
        "''",
        "1969-12-31T23:59:59Z",
        "2026-11-26T02:00:00.0001Z",
    ] {
        let [error] = &wrong_with("closes_at", &format!("closes_at: {text}"))[..] else {
            panic!("one violation")
        };
        assert!(
            error.starts_with("closes_at: must be an RFC 3339 instant since 1970"),
            "{error}"
        );
    }
    assert_eq!(
        wrong_with("closes_at", "closes_at: 1764122400"),
        ["closes_at: must be a text (in quotes), is the number 1764122400"]
    );
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

#[test]
fn time_zones_are_those_of_the_database() {
    for zone in [
        "Brasil",
        "-03:00",
        "''",
        "../../etc/passwd",
        "America/Nowhere",
        "Etc/Unknown",
    ] {
        let [error] = &wrong_with("timezone", &format!("timezone: {zone}"))[..] else {
            panic!("one violation")
        };
        assert!(
            error.starts_with("timezone: must be the IANA name of a time zone"),
            "{error}"
        );
    }
    let file = paredao_with("timezone", "timezone: america/sao_paulo");
    let poll = PollDefinition::parse_yaml(&file).expect("names ignore case");
    assert_eq!(
        poll.timezone(),
        "America/Sao_Paulo",
        "and are kept as the database writes them"
    );
}

#[test]
fn colours_and_pictures_are_checked() {
    let ana = |more: &str| {
        PAREDAO.replace(
            "{ id: ana, name: Ana }",
            &format!("{{ id: ana, name: Ana, {more} }}"),
        )
    };
    for color in [
        "red", "#12345", "#1234567", "#12345g", "112233", "", "#é1234",
    ] {
        assert_eq!(
            wrong(&ana(&format!("color: '{color}'"))),
            [format!(
                "candidates[0].color: must be `#rrggbb` in hexadecimal, is `{color}`"
            )]
        );
    }
    for url in [
        "ana.png",
        "ftp://a/b",
        "javascript:alert(1)",
        "//host/x",
        "https://",
        "https:///x",
        "https://user:secret@host/",
        "https://host:99999/",
        "https://ho st/",
        "https://host/a b",
        "https://host/\"><script>",
        "https://hôst/",
        "https://[]/",
        "https://a[b/",
    ] {
        let [error] = &wrong(&ana(&format!("image_url: '{url}'")))[..] else {
            panic!("one violation")
        };
        assert!(
            error.starts_with("candidates[0].image_url: must "),
            "{error}"
        );
    }
    let long = format!("https://host/{}", "x".repeat(2036));
    assert!(
        wrong(&ana(&format!("image_url: '{long}'")))[0]
            .starts_with("candidates[0].image_url: must have at most 2048 characters, has 2049")
    );
    for url in [
        "https://host",
        "http://host:8080/a?b=c&d#e",
        "https://[::1]:80/",
        "https://a.b-c_d/%20",
        &long[..2048],
    ] {
        let file = ana(&format!("image_url: '{url}', color: '#aB09fF'"));
        let poll = PollDefinition::parse_yaml(&file).expect(url);
        assert_eq!(poll.candidates()[0].image_url.as_deref(), Some(url));
    }
    // In YAML an unquoted colour is a comment.
    let file = PAREDAO.replace(
        "{ id: ana, name: Ana }",
        "\n      id: ana\n      name: Ana\n      color: #aabbcc",
    );
    assert_eq!(wrong(&file), ["candidates[0].color: must not be null"]);
}

#[test]
fn ids_can_be_nothing_but_ids() {
    let long = "x".repeat(300);
    for (id, shown) in [
        ("../x", "`../x`".to_owned()),
        ("''", "``".to_owned()),
        (
            long.as_str(),
            format!("`{}…` (300 characters)", "x".repeat(40)),
        ),
        ("Paredao", "`Paredao`".to_owned()),
    ] {
        assert_eq!(
            wrong_with("id: paredao", &format!("id: {id}")),
            [format!("id: {ID_RULE}{shown}")]
        );
        assert_eq!(
            wrong(&PAREDAO.replace("id: bia", &format!("id: {id}"))),
            [format!("candidates[1].id: {ID_RULE}{shown}")]
        );
        assert_eq!(
            wrong(&PAREDAO.replace("id: unico", &format!("id: {id}"))),
            [format!("channels[1].id: {ID_RULE}{shown}")]
        );
    }
    assert_eq!(
        wrong_with("id: paredao", "id: 1"),
        ["id: must be a text (in quotes), is the number 1"]
    );
}

#[test]
fn titles_and_names_are_one_line_of_text() {
    for title in ["''", "'   '", &"x".repeat(201)] {
        let [error] = &wrong_with("title", &format!("title: {title}"))[..] else {
            panic!("one violation")
        };
        assert!(
            error.starts_with("title: must have 1 to 200 characters, not all blank"),
            "{error}"
        );
    }
    assert_eq!(
        wrong_with("title", r#"title: "a\nb\0""#),
        [r"title: must not hold control characters, is `a\nb\u{0}`"]
    );
    assert_eq!(
        wrong(&PAREDAO.replace("name: Ana", &format!("name: {}", "é".repeat(101)))),
        ["candidates[0].name: must have 1 to 100 characters, not all blank; has 101"]
    );
    assert!(
        PollDefinition::parse_yaml(&paredao_with(
            "title",
            &format!("title: {}", "é".repeat(200))
        ))
        .is_ok()
    );
}

#[test]
fn a_name_shows_something_and_turns_no_text() {
    let named = |name: &str| PAREDAO.replace("name: Ana", &format!("name: \"{name}\""));
    for name in [r"\u200B", r"\u200D\uFE0F", r"\u3164", r"\u2800", r"\uFEFF"] {
        assert_eq!(
            wrong(&named(name)),
            ["candidates[0].name: must have a character that can be seen; has only invisible ones"],
            "{name}"
        );
    }
    for code in [
        "2028", "2029", "202E", "202A", "2066", "2069", "200F", "061C",
    ] {
        assert_eq!(
            wrong(&named(&format!(r"A\u{code}B"))),
            [format!(
                "candidates[0].name: must be one line, without marks of text direction; has U+{code}"
            )]
        );
    }
    for (name, read) in [
        (r" \u00A0Ana\u3000 ", "Ana"),
        ("👩\u{200d}🚀", "👩\u{200d}🚀"),
        ("❤\u{fe0f} Bia", "❤\u{fe0f} Bia"),
        ("עדן", "עדן"),
    ] {
        let poll = PollDefinition::parse_yaml(&named(name)).expect("the name is right");
        assert_eq!(poll.candidates()[0].name, read);
    }
}

#[test]
fn unknown_missing_repeated_and_null_fields_are_named() {
    assert_eq!(
        wrong_with("visibility", "visibilty: public"),
        [
            "visibilty: is unknown; takes id, title, direction, kind, opens_at, closes_at, timezone, \
          visibility, shards, candidates, channels"
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
        "shards",
        "channels:",
    ] {
        let name = field.trim_end_matches(':');
        let file = if name == "channels" {
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
}
