//! What is refused as a backup.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use vote_store::{Backup, BackupError};

use crate::backup::{taken, voted};

/// As an edited backup, its digest made anew.
fn edited(
    backup: &Backup,
    edit: impl FnOnce(&mut serde_json::Value),
) -> Result<Backup, BackupError> {
    let json = backup.to_json().expect("JSON");
    let mut value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    edit(&mut value);
    let claimed = value["sha256"].as_str().expect("a text").to_owned();
    match Backup::parse(value.to_string().as_bytes()) {
        Err(BackupError::Digest { actual, recorded }) => {
            assert_eq!(claimed, recorded);
            value["sha256"] = actual.into();
            Backup::parse(value.to_string().as_bytes())
        }
        parsed => parsed,
    }
}

#[tokio::test]
async fn an_edited_backup_is_refused_even_with_its_digest_made_anew() {
    let show = voted(2).await;
    let backup = taken(&show).await;
    let json = backup.to_json().expect("JSON");
    type Edit = fn(&mut serde_json::Value);
    let edits: BTreeMap<&str, Edit> = [
        (
            "tally",
            (|v| v["shards"][0]["tally"][0][0] = 99.into()) as Edit,
        ),
        ("ledger", |v| {
            v["shards"][1]["writers"][0]["votes"] = 99.into();
        }),
        ("totals", |v| v["totals"]["votes"] = 99.into()),
        ("poll.withdrawn: the poll has no candidate zoe", |v| {
            v["poll"]["withdrawn"] =
                serde_json::json!([{ "candidate": "zoe", "at": "2025-11-24T01:02:03.000Z" }]);
        }),
        ("in order", |v| {
            v["shards"].as_array_mut().expect("a list").reverse();
        }),
        ("once each", |v| {
            v["shards"].as_array_mut().expect("a list").pop();
        }),
        ("shards[0].late", |v| {
            v["shards"][0]["late"] = serde_json::json!([[1]]);
        }),
        ("when the poll took none", |v| {
            let minutes = &mut v["shards"][0]["minutes"];
            let (old, votes) = minutes
                .as_object()
                .and_then(|minutes| minutes.iter().next())
                .map(|(minute, votes)| (minute.clone(), votes.clone()))
                .expect("a minute");
            minutes.as_object_mut().expect("a map").remove(&old);
            minutes["1"] = votes;
        }),
        ("the fence says", |v| {
            v["shards"][1]["fence"]["closes_at_ms"] = 1.into();
        }),
        ("more than can be counted", |v| {
            for place in ["tally", "late"] {
                v["shards"][0][place][0][0] = u64::MAX.into();
            }
        }),
        ("the writers' sequences", |v| {
            v["shards"][0]["writers"][0]["last_sequence"] = u64::MAX.into();
        }),
        ("(65 characters)", |v| {
            v["poll"]["definition"]["id"] = "x".repeat(65).into();
        }),
        ("poll.definition", |v| {
            v["poll"]["definition"]["id"] = "../{x}".into();
        }),
        ("hexadecimal", |v| {
            v["shards"][0]["writers"][0]["writer"] = "a/b\r\nFLUSHALL".into();
        }),
        ("surprise", |v| v["surprise"] = 1.into()),
        ("no minute", |v| {
            v["shards"][0]["minutes"][i64::MAX.to_string()] = serde_json::json!([[0, 0], [0, 0]]);
        }),
        ("votes", |v| v["shards"][0]["tally"][0][0] = (-1).into()),
    ]
    .into_iter()
    .collect();
    for (says, edit) in edits {
        let error = edited(&backup, edit).expect_err(says).to_string();
        let at = if says == "votes" {
            "shards[0].tally"
        } else {
            says
        };
        assert!(error.contains(at), "{says}: {error}");
    }
    // Damage.
    let damaged = json.replacen("\"votes\":", "\"votes\": 1", 1);
    assert!(matches!(
        Backup::parse(damaged.as_bytes()),
        Err(BackupError::Digest { .. } | BackupError::Syntax(_))
    ));
    for cut in [1, 2, json.len() / 2, json.len() - 2] {
        let error = Backup::parse(&json.as_bytes()[..cut]).expect_err("cut off");
        assert!(error.to_string().contains("cut off"), "{cut}: {error}");
    }
    assert_eq!(Backup::parse(b" \n"), Err(BackupError::Empty));
}

#[tokio::test]
async fn a_backup_of_which_any_byte_was_changed_is_refused_or_the_same() {
    let show = voted(2).await;
    let backup = taken(&show).await;
    let json = backup.to_json().expect("JSON").into_bytes();
    let changes = (any::<Index>(), any::<u8>());
    let checked = TestRunner::default().run(&changes, |(place, byte)| {
        let mut bytes = json.clone();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(read) = Backup::parse(&bytes) {
            prop_assert_eq!(&read, &backup, "byte {}", place);
        }
        // It ends with a line feed.
        let cut = Backup::parse(&json[..place.min(json.len() - 2)]);
        prop_assert!(cut.is_err(), "the first {} bytes", place);
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
}

proptest! {
    #[test]
    fn any_bytes_are_no_backup(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Backup::parse(&bytes).is_err());
    }
}
