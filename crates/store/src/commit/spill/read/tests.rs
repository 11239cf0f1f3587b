use std::time::Duration;

use proptest::prelude::*;
use vote_domain::{PollId, WriterId};

use super::*;

const WRITER: WriterId = WriterId::from_bytes([7; 8]);
const MINUTE_MS: i64 = 1_763_949_600_000;

fn at() -> Timestamp {
    "2026-11-28T23:00:00.123Z".parse().expect("a time")
}

fn fields() -> Vec<String> {
    ["torcida/ana", "torcida/bia", "unico/ana", "unico/bia"]
        .map(str::to_owned)
        .to_vec()
}

fn batch(sequence: u64, plain: u64, checked: &[(u8, Option<u8>, Option<u8>)]) -> SpilledBatch {
    let mut batch = Batch::starting(MINUTE_MS);
    batch.latest_ms = MINUTE_MS + 59_999;
    if plain > 0 {
        batch.plain.push((1, 1, plain));
    }
    batch.checked = checked
        .iter()
        .map(|&(candidate, key, voter)| CheckedVote {
            channel: 0,
            candidate,
            key: key.map(|byte| KeyDigest::from_bytes([byte; 16])),
            voter: voter.map(|byte| VoterDigest::from_bytes([byte; 16])),
            is_withdrawn: false,
            quarantine: None,
        })
        .collect();
    SpilledBatch {
        sequence,
        counted: batch.votes(),
        batch,
        origins: vec![(WriterId::from_bytes([1; 8]), 9)],
    }
}

fn lane(shard: u16, batches: Vec<SpilledBatch>) -> SpilledLane {
    SpilledLane {
        poll: PollId::parse("paredao-01").expect("valid"),
        shard,
        writer: WRITER,
        last_sequence: batches.last().map_or(1, |last| last.sequence),
        redis_last: None,
        predecessors: vec![WriterId::from_bytes([2; 8])],
        fields: fields(),
        candidates: 2,
        batches,
    }
}

fn spill(lanes: Vec<SpilledLane>) -> Spill {
    Spill::new(lanes, Duration::from_secs(120))
}

fn written(spill: &Spill) -> Vec<u8> {
    let mut bytes = Vec::new();
    spill
        .write(&mut bytes, at(), "vote-ingest 0")
        .expect("written");
    bytes
}

fn example() -> Spill {
    let batches = vec![
        batch(4, 3, &[]),
        batch(5, 0, &[(0, Some(1), None), (1, None, Some(2))]),
        batch(6, 0, &[]),
    ];
    spill(vec![lane(0, batches.clone()), lane(1, batches)])
}

fn refused(bytes: &[u8]) -> String {
    WrittenSpill::parse(bytes)
        .expect_err("it is refused")
        .to_string()
}

/// The example's text with another line in place of one, counted from 1, and the digest of that.
fn with_line(number: usize, change: impl Fn(&str) -> String) -> Vec<u8> {
    let text = String::from_utf8(written(&example())).expect("text");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.pop();
    lines[number - 1] = change(&lines[number - 1]);
    let body = lines.join("\n") + "\n";
    let sha256 = HEXLOWER.encode(&Sha256::digest(body.as_bytes()));
    let end = format!(r#"{{"end":{{"lanes":2,"batches":6,"votes":10,"sha256":"{sha256}"}}}}"#);
    (body + &end + "\n").into_bytes()
}

#[test]
fn what_is_written_is_read_back() {
    let spill = example();
    let read = WrittenSpill::parse(&written(&spill)).expect("it is whole");
    assert_eq!(read.spill, spill);
    assert_eq!(read.head.at, at());
    assert_eq!(read.spill.votes(), 10);
    assert_eq!(read.spill.lanes()[0].batches(), 3);
}

#[test]
fn votes_that_are_set_aside_are_set_aside_again() {
    let mut set_aside = batch(4, 3, &[(0, Some(1), None), (1, None, None)]);
    set_aside.batch.checked[1].quarantine = Some(QuarantineReason::FastProof);
    let spill = spill(vec![lane(0, vec![set_aside])]);
    let text = String::from_utf8(written(&spill)).expect("text");
    assert!(
        text.contains(r#""quarantined":[[1,"fast_proof"]]"#),
        "{text}"
    );
    let read = WrittenSpill::parse(text.as_bytes()).expect("it is whole");
    assert_eq!(read.spill, spill);
}

#[test]
fn its_form_stays_what_it_is() {
    let text = String::from_utf8(written(&example())).expect("text");
    assert_eq!(text, include_str!("example.jsonl"));
}

#[test]
fn what_redis_had_confirmed_is_in_it_and_not_counted() {
    let mut spill = example();
    spill.lanes[0].redis_last = Some(4);
    let read = WrittenSpill::parse(&written(&spill)).expect("it is whole");
    assert_eq!(read.spill.votes(), 7);
    assert!(read.spill.lanes()[0].is_certain() && !read.spill.lanes()[1].is_certain());
}

#[test]
fn it_holds_digests_and_no_more_of_anybody() {
    let text = String::from_utf8(written(&example())).expect("text");
    assert!(text.contains(&"01".repeat(16)) && text.contains(&"02".repeat(16)));
    assert!(!text.contains("password") && !text.contains("redis://"));
}

#[test]
fn a_file_that_was_cut_off_anywhere_is_refused() {
    let bytes = written(&example());
    for length in 0..bytes.len() - 1 {
        assert!(WrittenSpill::parse(&bytes[..length]).is_err(), "{length}");
    }
    let end = bytes
        .iter()
        .rposition(|byte| *byte == b'{')
        .expect("a line");
    assert!(refused(&bytes[..end - 10]).contains("cut off"));
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let whole: Vec<_> = lines.take(3).collect();
    assert!(refused(&whole.concat()).contains("cut off"));
}

#[test]
fn files_that_are_none_are_refused_with_the_reason() {
    let doubled = written(&example()).repeat(2);
    let in_one = [written(&example()), b"\n{}".to_vec()].concat();
    let other = br#"{"format":"vote-backup","version":1}"#;
    let newer = br#"{"format":"vote-spill","version":2,"novelty":true}"#;
    let large = vec![b' '; MAX_SPILL_BYTES + 1];
    for (bytes, says) in [
        (&b""[..], "it is empty"),
        (b" \n\n ", "it is empty"),
        (b"hello", "line 1"),
        (b"\xff\xfe\0\0", "line 1"),
        (b"[[[[[[", "line 1"),
        (other, r#"format: must be "vote-spill", is "vote-backup""#),
        (newer, "version: must be 1, is 2"),
        (&doubled, "two files in one"),
        (&in_one, "two files in one"),
        (&large, "larger than"),
    ] {
        let error = refused(bytes);
        assert!(error.contains(says), "{says}: {error}");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(1_000_000));
    assert!(refused(deep.as_bytes()).contains("line 1"));
}

#[test]
fn a_changed_figure_is_found() {
    let text = String::from_utf8(written(&example())).expect("text");
    let changed = text.replacen("[[3,3]]", "[[3,4]]", 1);
    assert_ne!(changed, text);
    assert!(refused(changed.as_bytes()).contains("sha256"));
    let unended = text.replacen("\"votes\":10", "\"votes\":11", 1);
    assert!(refused(unended.as_bytes()).contains("it says"));
}

#[test]
fn what_does_not_agree_is_refused_even_under_the_right_digest() {
    let change = |from: &'static str, to: &'static str| {
        move |line: &str| {
            assert!(line.contains(from), "{line}");
            line.replacen(from, to, 1)
        }
    };
    for (line, from, to, says) in [
        (1, "120000", "0", "key_window_ms"),
        (2, r#""votes":5"#, r#""votes":6"#, "says 6 votes, and has 5"),
        (2, "paredao-01", "../../x", "line 2"),
        (2, "unico/ana", "unico", "<channel>/<candidate>"),
        (2, "unico/ana", "unico/ze", "same candidates"),
        (2, r#""torcida/bia""#, r#""torcida/ana""#, "same candidates"),
        (
            2,
            r#""last_sequence":6"#,
            r#""last_sequence":5"#,
            "sequence: is 6",
        ),
        (3, r#""sequence":4"#, r#""sequence":0"#, "sequence: is 0"),
        (4, r#""sequence":5"#, r#""sequence":6"#, "sequence: is 6"),
        (3, "[[3,3]]", "[[4,3]]", "has 4 fields"),
        (3, "[[3,3]]", "[[3,9007199254740993]]", "is more than"),
        (3, "[[3,3]]", "[[3,-3]]", "line 3"),
        (3, r#""counted":3"#, r#""counted":4"#, "counted: is 4 of 3"),
        (3, "1763949600000", "1763949500000", "not of one minute"),
        (4, r#"[0,"0101"#, r#"[0,"01g1"#, "32 lower-case"),
        (4, r#"[0,"0101"#, r#"[0,"01"#, "32 lower-case"),
        (4, r#""before""#, r#""behind""#, "line 4"),
        (6, r#""shard":1"#, r#""shard":0"#, "is there twice"),
        (2, r#"{"lane""#, r#"{"novelty""#, "line 2"),
    ] {
        let error = refused(&with_line(line, change(from, to)));
        assert!(error.contains(says), "{from} → {to}: {error}");
    }
    let first = |_: &str| {
        r#"{"batch":{"sequence":1,"earliest_ms":0,"latest_ms":0,"counted":0,"before":[],"plain":[],"checked":[]}}"#.to_owned()
    };
    assert!(refused(&with_line(2, first)).contains("a batch of no lane"));
}

proptest! {
    #[test]
    fn every_spill_is_read_back_and_no_changed_byte_goes_unseen(
        batches in prop::collection::vec(
            (0_u64..1_000, prop::collection::vec((0_u8..2, any::<Option<u8>>(), any::<Option<u8>>()), 0..4)),
            1..6,
        ),
        first in 1_u64..1_000_000,
        shard in any::<u16>(),
        (place, byte) in (any::<prop::sample::Index>(), any::<u8>()),
    ) {
        let batches = (first..).zip(&batches);
        let batches = batches.map(|(n, (plain, checked))| batch(n, *plain, checked)).collect();
        let spill = spill(vec![lane(shard, batches)]);
        let mut bytes = written(&spill);
        let read = WrittenSpill::parse(&bytes);
        prop_assert_eq!(read.map(|read| read.spill), Ok(spill));
        let place = place.index(bytes.len());
        if bytes[place] != byte {
            bytes[place] = byte;
            // White space behind the last line, and between the parts of it, changes nothing.
            let is_last = !bytes[place + 1..].contains(&b'{');
            prop_assert!(is_last || WrittenSpill::parse(&bytes).is_err());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(WrittenSpill::parse(&bytes).is_err());
    }
}
