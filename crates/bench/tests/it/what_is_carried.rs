//! What votes carry in the main table is good, and each is another one: else nothing of a vote would be measured.

use std::collections::HashSet;

use vote_domain::{ChannelId, Clock as _, PollDefinition, PollId, ReceiptKey};
use vote_proof::{ChallengeKey, ForVote, verify};
use vote_runtime::SystemClock;

use crate::carried::{CHANNELS, Carried, Prepared};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The lines of the file that an argument of the script names.
fn lines(arguments: &[String], name: &str) -> Vec<String> {
    let path = arguments.iter().find_map(|it| it.strip_prefix(name));
    let text = std::fs::read_to_string(path.expect("a file is named")).expect("it is there");
    text.lines().map(str::to_owned).collect()
}

/// Of so few a second, as have come before.
fn prepared(carried: Carried, folder: &tempfile::TempDir) -> Prepared {
    let mut prepared = Prepared::new(carried, 1, "row", folder.path()).expect("a folder");
    prepared.note(20.0);
    prepared
}

#[test]
fn proofs_hold_under_the_key_that_the_server_is_given_and_each_is_another_vote() {
    let folder = folder();
    let prepared = prepared(Carried::Proofs, &folder);
    let settings = prepared.settings().expect("settings");
    let key = settings.iter().find(|it| it.0 == "VOTE__RECEIPTS__KEY");
    let key = data_encoding::HEXLOWER
        .decode(key.expect("a key").1.as_bytes())
        .expect("digits");
    let receipts = ReceiptKey::from_bytes(key.try_into().expect("32 bytes"));
    let key = ChallengeKey::new(receipts.for_proofs());
    let arguments = prepared.of_turn(1, 1).expect("proofs");
    let proofs = lines(&arguments, "proofs=");
    let (poll, channel) = (PollId::parse("bench"), ChannelId::parse("prova"));
    let vote = ForVote {
        poll: &poll.expect("an id"),
        channel: &channel.expect("an id"),
        key: None,
        asks_for_voter: false,
        received_at: SystemClock.now(),
    };
    let of = |proof: &String| verify(&key, proof, &vote).expect("it holds").identity;
    let votes: HashSet<_> = proofs.iter().map(of).collect();
    assert_eq!((proofs.len(), votes.len()), (60, 60));
    // The script takes the length of the first for that of all.
    assert!(proofs.iter().all(|proof| proof.len() == proofs[0].len()));
}

#[test]
fn tokens_are_new_in_each_turn_where_each_is_of_another_voter_and_the_same_where_they_were_seen() {
    let of = |carried| {
        let folder = folder();
        let prepared = prepared(carried, &folder);
        let turn = |turn| lines(&prepared.of_turn(turn, 1).expect("tokens"), "tokens=");
        (turn(1), turn(2))
    };
    let voters = |tokens: &[String]| -> HashSet<String> {
        let claims = tokens.iter().map(|token| {
            let claims = token.split('.').nth(1).expect("claims");
            data_encoding::BASE64URL_NOPAD
                .decode(claims.as_bytes())
                .expect("they are in Base64")
        });
        claims
            .map(|claims| {
                let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
                claims["sub"].as_str().expect("a voter").to_owned()
            })
            .collect()
    };
    let (one, other) = of(Carried::Tokens);
    assert_eq!(voters(&[one, other].concat()).len(), 120);
    let (one, other) = of(Carried::SeenTokens);
    assert_eq!(voters(&one).len(), 1_000);
    assert_eq!(voters(&one), voters(&other));
}

#[test]
fn the_poll_has_each_channel_that_votes_name() {
    let folder = folder();
    let text = crate::poll_text::poll_text("bench", 1, 1, SystemClock.now()).expect("a text");
    let poll = PollDefinition::parse_yaml(&(text + CHANNELS)).expect("a poll");
    for (carried, names) in [
        (Carried::Nothing, &[][..]),
        (Carried::Keys, &["keys"]),
        (Carried::Clients, &["clients"]),
        (Carried::Proofs, &["proofs", "channel"]),
        (Carried::Tokens, &["keys", "tokens", "channel"]),
        (Carried::SeenTokens, &["keys", "tokens", "again", "channel"]),
        (Carried::Lines, &["keys", "lines", "bearer", "channel"]),
    ] {
        let arguments = prepared(carried, &folder).of_turn(7, 1).expect("arguments");
        let arguments = arguments.iter().filter_map(|it| it.split_once('='));
        let (found, values): (Vec<_>, Vec<_>) = arguments.unzip();
        assert_eq!(found, names, "{carried:?}");
        if names.contains(&"channel") {
            let channel = values.last().expect("a channel");
            assert!(poll.channel_index(channel).is_some(), "{channel}");
        }
    }
}
