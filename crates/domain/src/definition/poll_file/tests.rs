//! Poll files as a whole: all violations at once, texts that are none, and hostile ones.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::definition::violation::Violation;
use crate::fixtures::{PAREDAO, wrong};

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let file = "
title: 7
kind: real
opens_at: 2026-11-26T02:00:00Z
closes_at: 2026-11-24T00:00:00Z
timezone: Mars/Olympus
visibility: null
shards: 257
extra: 1
candidates:
  - { id: ana, name: Ana, color: red }
  - { id: ana }
  - bia
channels:
  - { id: torcida, weight: 0, eligibility: open, votes_per_voter: 1 }
  - { id: ../x, eligibility: anyone }
";
    let violations = wrong(file);
    let fields: Vec<&str> = violations
        .iter()
        .map(|violation| violation.split_once(": ").expect("a field and a rule").0)
        .collect();
    assert_eq!(
        fields,
        [
            "extra",
            "id",
            "title",
            "direction",
            "kind",
            "timezone",
            "closes_at",
            "visibility",
            "shards",
            "candidates[0].color",
            "candidates[1].name",
            "candidates[2]",
            "candidates[1].id",
            "channels[0].weight",
            "channels[0].votes_per_voter",
            "channels[1].id",
            "channels[1].weight",
            "channels[1].eligibility",
        ]
    );
    let message = PollDefinition::parse_yaml(file)
        .expect_err("wrong")
        .to_string();
    assert!(
        violations
            .iter()
            .all(|violation| message.contains(violation)),
        "{message}"
    );
}

#[test]
fn what_is_no_poll_file_at_all_is_told_as_such() {
    let one = |error: Violations| -> Violation {
        let [violation] = error.as_slice() else {
            panic!("one violation")
        };
        assert!(error.to_string().contains(&violation.rule), "{error}");
        violation.clone()
    };
    let yaml = |text: &str| one(PollDefinition::parse_yaml(text).expect_err(text)).to_string();
    let json =
        |bytes: &[u8]| one(PollDefinition::parse_json(bytes).expect_err("wrong")).to_string();

    assert_eq!(yaml(""), "poll file: must not be empty");
    assert_eq!(yaml(" \n\t"), "poll file: must not be empty");
    assert_eq!(json(b""), "poll file: must not be empty");
    let mib = "x".repeat(1 << 20);
    let too_long = format!("poll file: must have at most {MAX_FILE_BYTES} bytes, has 1048576");
    assert_eq!(yaml(&mib), too_long);
    assert_eq!(json(mib.as_bytes()), too_long);
    assert_eq!(
        json(b"{\"id\": \"p\xff\"}"),
        "poll file: must be UTF-8 text, isn't from byte 9 on"
    );
    assert!(json(b"{\"id\": \"p\",}").starts_with("poll file: must be JSON: "));
    assert!(json(b"{} {}").starts_with("poll file: must be JSON: trailing"));
    assert!(json(b"{\"title\": \"x").starts_with("title: must be JSON: EOF"));
    assert!(
        yaml("a: [1").starts_with("a: must be YAML: "),
        "{}",
        yaml("a: [1")
    );
    assert!(yaml("--- {}\n--- {}\n").starts_with("poll file: must be YAML: "));
    for (text, what) in [("[]", "a list"), ("null", "null"), ("7", "the number 7")] {
        let error = format!(
            "poll file: must be a mapping of id, title, direction, kind, opens_at, \
            closes_at, timezone, visibility, release, language, shards, candidates, channels, is {what}"
        );
        assert_eq!(yaml(text), error);
        assert_eq!(json(text.as_bytes()), error);
    }
    assert_eq!(yaml("# only a comment").matches("is null").count(), 1);
}

#[test]
fn a_byte_order_mark_is_ignored_in_both_formats() {
    let read = PollDefinition::parse_yaml(PAREDAO).expect("legal");
    let marked = format!("\u{feff}{PAREDAO}");
    assert_eq!(PollDefinition::parse_yaml(&marked).as_ref(), Ok(&read));
    let json = serde_json::to_string(&read).expect("serialises");
    let marked = format!("\u{feff}{json}");
    assert_eq!(PollDefinition::parse_json(marked.as_bytes()), Ok(read));
    let twice = format!("\u{feff}{marked}");
    assert!(PollDefinition::parse_json(twice.as_bytes()).is_err());
}

#[test]
fn hostile_files_are_refused_quickly() {
    let deep = "[".repeat(100_000);
    assert!(PollDefinition::parse_json(deep.as_bytes()).is_err());
    assert!(PollDefinition::parse_yaml(&deep).is_err());
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (this, last) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        writeln!(
            laughs,
            "{this}: &{this} [{}*{last}]",
            format!("*{last}, ").repeat(8)
        )
        .expect("written");
    }
    assert!(PollDefinition::parse_yaml(&laughs).is_err());
    let fields = (0..20_000).fold("{".to_owned(), |mut file, i| {
        write!(file, "\"f{i}\":1,").expect("written");
        file
    });
    let error = PollDefinition::parse_json(format!("{fields}\"z\":1}}").as_bytes())
        .expect_err("unknown fields");
    assert_eq!(error.as_slice().len(), 20_001 + 7);
    assert!(
        error.to_string().ends_with("; and 19958 more"),
        "the message is bounded"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = PollDefinition::parse_yaml(&text);
        let _ = PollDefinition::parse_json(&bytes);
    }

    #[test]
    fn a_file_with_some_bytes_changed_never_panics_and_names_what_is_wrong(
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[ -~\n]"), 1..6)
    ) {
        let mut file: Vec<char> = PAREDAO.chars().collect();
        for (at, by) in changes {
            let at = at.index(file.len());
            file[at] = by.chars().next().expect("one");
        }
        let file: String = file.into_iter().collect();
        if let Err(error) = PollDefinition::parse_yaml(&file) {
            prop_assert!(!error.as_slice().is_empty());
            prop_assert!(error.as_slice().iter().all(|v| !v.field.is_empty() && !v.rule.is_empty()));
        }
    }

    #[test]
    fn whatever_is_read_survives_the_wire(
        title in "[^\\p{C}\\p{Zl}\\p{Zp}]{1,100}", shards in 1_u16..=256, weight in 1_u32..=1_000_000, ms in 1_i64..=366 * 86_400_000
    ) {
        prop_assume!(crate::line::is_visible(&title));
        let json = serde_json::json!({
            "id": "p", "title": title, "direction": "save", "shards": shards, "timezone": "America/Sao_Paulo",
            "opens_at": crate::wire_time::format(jiff::Timestamp::UNIX_EPOCH),
            "closes_at": crate::wire_time::format(jiff::Timestamp::from_millisecond(ms).expect("in range")),
            "candidates": [{"id": "a", "name": "A"}, {"id": "b", "name": "B"}],
            "channels": [{"id": "c", "weight": weight, "eligibility": "open"}],
        });
        let read = PollDefinition::parse_json(json.to_string().as_bytes()).expect("legal");
        let written = serde_json::to_vec(&read).expect("serialises");
        prop_assert_eq!(PollDefinition::parse_json(&written), Ok(read));
    }
}

#[test]
fn a_file_that_was_written_is_read_as_the_same_poll() {
    let mut hostile = PAREDAO.to_owned();
    for (name, wrong) in [("Ana", "'yes'"), ("Bia", "'1e3'")] {
        assert!(hostile.contains(&format!("name: {name}")), "{name}");
        hostile = hostile.replace(&format!("name: {name}"), &format!("name: {wrong}"));
    }
    for title in [
        "'# no: comment'",
        "'- [x] {y}: &a *b !c | > %'",
        r#""\u2028 \u00a0 \ufeff""#,
        r#""~""#,
        r#""2026-11-24T00:00:00Z""#,
        r#""0x1F""#,
        r#"" 'both' \"quotes\" \\ ""#,
    ] {
        let text = hostile.replace("title: Paredão 1", &format!("title: {title}"));
        assert_ne!(text, hostile);
        // What a later rule refuses can't come to be written.
        let Ok(poll) = PollDefinition::parse_yaml(&text) else {
            continue;
        };
        let written = poll.to_yaml().expect("it is written");
        let read = PollDefinition::parse_yaml(&written)
            .unwrap_or_else(|error| panic!("{error} in {written}"));
        assert_eq!(read, poll, "{written}");
    }
    let poll = PollDefinition::parse_yaml(PAREDAO).expect("it is right");
    let written = poll.to_yaml().expect("it is written");
    assert!(
        written.contains("release: manual") && written.contains("language: pt"),
        "{written}"
    );
    assert_eq!(PollDefinition::parse_yaml(&written), Ok(poll));
}

#[test]
fn a_file_does_not_take_the_id_by_which_readers_find_the_poll_that_is_on() {
    let taken = PAREDAO.replace("id: paredao-01", "id: current");
    let error = PollFile::parse_yaml(&taken).expect_err("taken").to_string();
    assert!(error.contains("id: must not be `current`"), "{error}");
    let near = PAREDAO.replace("id: paredao-01", "id: current-1");
    assert!(PollFile::parse_yaml(&near).is_ok());
    // A poll that has it since before goes on.
    let there = PollDefinition::parse_yaml(PAREDAO).expect("legal");
    let document = serde_json::to_string(&there).expect("JSON");
    let document = document.replace("\"paredao-01\"", "\"current\"");
    let read: PollDefinition = serde_json::from_str(&document).expect("reads");
    assert_eq!(read.id().as_str(), "current");
}
