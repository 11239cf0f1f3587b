//! Proofs that are genuine, and everything that is not.

use std::sync::LazyLock;

use altcha::{Payload, VerifySolutionOptions, verify_solution};
use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use vote_domain::{ChannelId, IdempotencyKey, KeyDigest, PollId};

use super::{ForVote, Proof, ProofError, verify};
use crate::{Asked, ChallengeKey, MAX_PAYLOAD, challenge, solve};

/// A cost that tests have the time for.
const COST: u32 = 10;

static KEY: LazyLock<ChallengeKey> = LazyLock::new(|| ChallengeKey::new(&[7; 32]));
static POLL: LazyLock<PollId> = LazyLock::new(|| PollId::parse("paredao-01").expect("an id"));
static CHANNEL: LazyLock<ChannelId> = LazyLock::new(|| ChannelId::parse("prova").expect("an id"));
/// One without a key, and one with the key `k`.
static PLAIN: LazyLock<String> = LazyLock::new(|| solved(&asked(None)));
static KEYED: LazyLock<String> = LazyLock::new(|| solved(&asked(Some(digest("k")))));
/// One that maria has asked for, with the key `k`.
static MARIAS: LazyLock<String> = LazyLock::new(|| solved(&asked_by("maria", Some(digest("k")))));

fn digest(key: &str) -> KeyDigest {
    KeyDigest::new(&POLL, &IdempotencyKey::parse(key).expect("a key"))
}

/// When all challenges here end. Far ahead, since the official library looks at the machine's clock.
fn end() -> Timestamp {
    "2200-01-01T00:00:00Z".parse().expect("a time")
}

/// When those with a key are asked for. The one without is of a process that says nothing of it.
fn asked_at() -> Timestamp {
    end() - SignedDuration::from_millis(12_345)
}

fn asked(key: Option<KeyDigest>) -> Asked<'static> {
    Asked {
        poll: &POLL,
        channel: &CHANNEL,
        key,
        voter: None,
        cost: COST,
        asked_at: key.map(|_| asked_at()),
        expires_at: end(),
    }
}

fn asked_by(voter: &str, key: Option<KeyDigest>) -> Asked<'static> {
    Asked {
        voter: Some(KEY.mark(&POLL, voter)),
        ..asked(key)
    }
}

fn solved(asked: &Asked<'_>) -> String {
    let challenge = challenge(&KEY, asked, [1, 3]).expect("a challenge");
    solve(&challenge).expect("solved")
}

fn vote(key: Option<KeyDigest>) -> ForVote<'static> {
    ForVote {
        poll: &POLL,
        channel: &CHANNEL,
        key,
        asks_for_voter: false,
        received_at: end() - SignedDuration::from_secs(1),
    }
}

fn json_of(payload: &str) -> Value {
    let bytes = BASE64.decode(payload.as_bytes()).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn payload_of(json: &Value) -> String {
    BASE64.encode(json.to_string().as_bytes())
}

/// A vote through a channel that asks who votes.
fn vote_of_somebody(key: Option<KeyDigest>) -> ForVote<'static> {
    ForVote {
        asks_for_voter: true,
        ..vote(key)
    }
}

/// The plain payload with one value of its challenge's parameters changed.
fn with(name: &str, value: Value) -> String {
    let mut json = json_of(&PLAIN);
    json["challenge"]["parameters"][name] = value;
    payload_of(&json)
}

fn error(payload: &str) -> Option<ProofError> {
    verify(&KEY, payload, &vote(None)).err()
}

#[test]
fn a_solved_challenge_is_a_proof_and_the_official_library_says_so_too() {
    for (payload, key, voter) in [
        (&*PLAIN, None, None),
        (&*KEYED, Some(digest("k")), None),
        (&*MARIAS, Some(digest("k")), Some(KEY.mark(&POLL, "maria"))),
    ] {
        let json = json_of(payload);
        let nonce = json["challenge"]["parameters"]["nonce"]
            .as_str()
            .expect("a nonce");
        let nonce = crate::payload::hex(nonce).expect("16 bytes");
        let vote = ForVote {
            asks_for_voter: voter.is_some(),
            ..vote(key)
        };
        let proof = verify(&KEY, payload, &vote);
        let identity = key.unwrap_or_else(|| KeyDigest::of_proof(&POLL, &nonce));
        let expected = Proof {
            identity,
            voter,
            cost: COST,
            asked_at: key.map(|_| asked_at()),
            expires_at: end(),
        };
        assert_eq!(proof, Ok(expected));
        let Payload {
            challenge,
            solution,
        } = serde_json::from_value(json).expect("a payload");
        // By the key's signature, and by deriving the key again.
        for by_signature in [true, false] {
            let mut options = VerifySolutionOptions::new(&challenge, &solution, &KEY.challenge);
            options.hmac_key_signature_secret = by_signature.then(|| KEY.derived.clone());
            assert!(verify_solution(options).expect("verified").verified);
        }
    }
}

#[test]
fn a_challenge_has_what_the_widget_takes_and_no_more() {
    let challenge = challenge(&KEY, &asked(Some(digest("k"))), [0, 0]).expect("a challenge");
    assert!(challenge.is_ascii());
    let challenge: Value = serde_json::from_slice(&challenge).expect("JSON");
    let parameters = challenge["parameters"].as_object().expect("an object");
    let names: Vec<_> = parameters.keys().map(String::as_str).collect();
    let mut expected = vec![
        "algorithm",
        "cost",
        "data",
        "expiresAt",
        "keyLength",
        "keyPrefix",
        "keySignature",
        "nonce",
        "salt",
    ];
    assert!(
        names.iter().all(|name| expected.contains(name)),
        "{names:?}"
    );
    expected.retain(|name| !names.contains(name));
    assert!(expected.is_empty(), "{expected:?}");
    assert_eq!(parameters["algorithm"], "PBKDF2/SHA-256");
    assert_eq!(
        (&parameters["keyLength"], &parameters["cost"]),
        (&json!(32), &json!(COST))
    );
    assert_eq!(parameters["expiresAt"], end().as_second());
    // A text: browsers round large numbers.
    let asked = asked_at().as_millisecond().to_string();
    assert_eq!(parameters["data"]["asked"], asked);
    assert_eq!(parameters["data"]["poll"], "paredao-01");
    assert_eq!(parameters["data"]["channel"], "prova");
    assert!(KEYED.len() < MAX_PAYLOAD / 2, "{}", KEYED.len());
}

#[test]
fn the_longest_payload_is_well_below_what_is_looked_at() {
    let long = "x".repeat(64);
    let (poll, channel) = (
        PollId::parse(&long).expect("an id"),
        ChannelId::parse(&long).expect("an id"),
    );
    let asked = Asked {
        poll: &poll,
        channel: &channel,
        key: Some(digest("k")),
        voter: Some(KEY.mark(&poll, "maria")),
        cost: COST,
        asked_at: Some(end()),
        expires_at: end(),
    };
    let challenge = challenge(&KEY, &asked, [0, 1]).expect("a challenge");
    let payload = solve(&challenge).expect("solved");
    assert!(payload.len() < 1_200, "{}", payload.len());
    let vote = ForVote {
        poll: &poll,
        channel: &channel,
        asks_for_voter: true,
        ..vote(Some(digest("k")))
    };
    assert!(verify(&KEY, &payload, &vote).is_ok());
}

#[test]
fn two_challenges_have_two_nonces() {
    let one = challenge(&KEY, &asked(None), [0, 0]).expect("a challenge");
    assert_ne!(
        one,
        challenge(&KEY, &asked(None), [0, 0]).expect("a challenge")
    );
}

#[test]
fn what_would_never_end_or_cost_nothing_is_not_asked() {
    let never = Asked {
        expires_at: Timestamp::UNIX_EPOCH,
        ..asked(None)
    };
    let free = Asked {
        cost: 0,
        ..asked(None)
    };
    assert!(challenge(&KEY, &never, [0, 0]).is_err());
    assert!(challenge(&KEY, &free, [0, 0]).is_err());
}

#[test]
fn a_proof_is_for_one_poll_one_channel_and_one_key() {
    let (poll, channel) = (
        PollId::parse("paredao-02").expect("an id"),
        ChannelId::parse("outra").expect("an id"),
    );
    let key = Some(digest("k"));
    for (payload, vote, expected) in [
        (
            &*PLAIN,
            ForVote {
                poll: &poll,
                ..vote(None)
            },
            ProofError::OtherPoll,
        ),
        (
            &*PLAIN,
            ForVote {
                channel: &channel,
                ..vote(None)
            },
            ProofError::OtherChannel,
        ),
        (&*PLAIN, vote(key), ProofError::NoKey),
        (&*KEYED, vote(None), ProofError::KeyMissing),
        (&*KEYED, vote(Some(digest("other"))), ProofError::OtherKey),
    ] {
        assert_eq!(verify(&KEY, payload, &vote), Err(expected));
    }
    assert_eq!(
        verify(&ChallengeKey::new(&[8; 32]), &PLAIN, &vote(None)),
        Err(ProofError::Invalid)
    );
}

#[test]
fn a_proof_is_for_the_voter_who_has_asked_for_it() {
    let key = Some(digest("k"));
    let proof = verify(&KEY, &MARIAS, &vote_of_somebody(key)).expect("a proof");
    assert_eq!(Some(proof.identity), key);
    let (maria, joao) = (KEY.mark(&POLL, "maria"), KEY.mark(&POLL, "joao"));
    assert_eq!(proof.check_voter(maria), Ok(()));
    assert_eq!(proof.check_voter(joao), Err(ProofError::OtherVoter));
    // From before the channel asked who votes.
    for (payload, key) in [(&*PLAIN, None), (&*KEYED, key)] {
        let refused = verify(&KEY, payload, &vote_of_somebody(key));
        assert_eq!(refused, Err(ProofError::NoVoter));
    }
    let open = verify(&KEY, &KEYED, &vote(key)).expect("a proof");
    assert_eq!(open.check_voter(maria), Err(ProofError::NoVoter));
    assert!(!MARIAS.contains("maria") && !json_of(&MARIAS).to_string().contains("maria"));
}

#[test]
fn a_voter_can_t_be_changed_taken_out_or_put_in() {
    let key = Some(digest("k"));
    let refused = |json: &Value| verify(&KEY, &payload_of(json), &vote_of_somebody(key)).err();
    let mut json = json_of(&MARIAS);
    let data =
        |json: &mut Value, voter: Value| json["challenge"]["parameters"]["data"]["voter"] = voter;
    for voter in [
        json!(KEY.mark(&POLL, "joao").hex()),
        json!(""),
        json!("maria"),
        json!("00"),
        Value::Null,
        json!(["x"]),
    ] {
        data(&mut json, voter.clone());
        assert_eq!(refused(&json), Some(ProofError::Invalid), "{voter}");
    }
    let parameters = json["challenge"]["parameters"]["data"].as_object_mut();
    parameters.expect("an object").remove("voter");
    assert_eq!(refused(&json), Some(ProofError::Invalid));
    let mut plain = json_of(&KEYED);
    data(&mut plain, json!(KEY.mark(&POLL, "maria").hex()));
    assert_eq!(refused(&plain), Some(ProofError::Invalid));
}

#[test]
fn when_a_challenge_was_asked_for_can_t_be_changed_taken_out_or_put_in() {
    let key = Some(digest("k"));
    let refused = |json: &Value| verify(&KEY, &payload_of(json), &vote(key)).err();
    let asked = |json: &mut Value, at: Value| json["challenge"]["parameters"]["data"]["asked"] = at;
    let mut json = json_of(&KEYED);
    let earlier = asked_at() - SignedDuration::from_millis(1);
    for at in [
        json!(earlier.as_millisecond().to_string()),
        json!(asked_at().as_millisecond()),
        json!(""),
        json!("-1"),
        json!("99999999999999999999"),
        Value::Null,
    ] {
        asked(&mut json, at.clone());
        assert_eq!(refused(&json), Some(ProofError::Invalid), "{at}");
    }
    let mut plain = json_of(&PLAIN);
    asked(&mut plain, json!(earlier.as_millisecond().to_string()));
    assert_eq!(error(&payload_of(&plain)), Some(ProofError::Invalid));
}

#[test]
fn a_proof_ends_with_its_second_and_is_told_so_only_where_it_was_genuine() {
    let at = |received_at| {
        verify(
            &KEY,
            &PLAIN,
            &ForVote {
                received_at,
                ..vote(None)
            },
        )
    };
    assert!(at(end()).is_ok());
    assert_eq!(
        at(end() + SignedDuration::from_millis(1)),
        Err(ProofError::Expired)
    );
    for moved in [
        json!(0),
        json!(1),
        json!(-1),
        json!(i64::MAX),
        json!(end().as_second() + 60),
    ] {
        assert_eq!(error(&with("expiresAt", moved)), Some(ProofError::Invalid));
    }
}

#[test]
fn whatever_is_changed_or_spliced_is_refused() {
    let other = json_of(&solved(&asked(None)));
    let mut changed = Vec::new();
    for (name, value) in other["challenge"]["parameters"]
        .as_object()
        .expect("an object")
    {
        if *value != json_of(&PLAIN)["challenge"]["parameters"][name] {
            changed.push(with(name, value.clone()));
        }
    }
    assert!(
        changed.len() >= 3,
        "nonce, salt and key differ: {changed:?}"
    );
    for (name, value) in [
        ("cost", json!(1)),
        ("cost", json!(0)),
        ("cost", json!(10.0)),
        ("cost", json!("10")),
        ("cost", json!(u64::MAX)),
        ("algorithm", json!("SHA-256")),
        ("keyLength", json!(64)),
        ("keyPrefix", json!("")),
        ("keyPrefix", json!("00\",\"x\":\"")),
        ("keySignature", json!("")),
        ("keySignature", Value::Null),
        ("nonce", json!("é")),
        ("memoryCost", json!(1)),
        ("data", json!({ "poll": "paredao-01", "channel": "outra" })),
        (
            "data",
            json!({ "poll": "paredao-01", "channel": "prova", "x": 1 }),
        ),
        ("data", json!(null)),
        (
            "data",
            json!({ "poll": "paredao-01", "channel": "prova", "key": "00" }),
        ),
    ] {
        changed.push(with(name, value));
    }
    let mut unsigned = json_of(&PLAIN);
    unsigned["challenge"]["signature"] = other["challenge"]["signature"].clone();
    changed.push(payload_of(&unsigned));
    unsigned["challenge"]
        .as_object_mut()
        .expect("an object")
        .remove("signature");
    changed.push(payload_of(&unsigned));
    let mut unsolved = json_of(&PLAIN);
    for derived in [
        other["solution"]["derivedKey"].clone(),
        json!(""),
        json!("00"),
        json!(0),
        Value::Null,
    ] {
        unsolved["solution"]["derivedKey"] = derived;
        changed.push(payload_of(&unsolved));
    }
    for payload in changed {
        assert_eq!(error(&payload), Some(ProofError::Invalid), "{payload}");
    }
}

#[test]
fn what_is_no_payload_is_refused() {
    let nested = BASE64.encode("[".repeat(1_500).as_bytes());
    let within = BASE64.encode(format!("{{\"challenge\":{}", "{\"x\":[".repeat(200)).as_bytes());
    let spaced = format!("{} ", &*PLAIN);
    let huge = "A".repeat(MAX_PAYLOAD + 4);
    let url_safe = PLAIN.replace('=', "");
    for payload in [
        "", "=", "AAAA", "e30=", "null", "[]", "é", "\0", &nested, &within, &spaced, &huge,
    ] {
        assert_eq!(error(payload), Some(ProofError::Invalid), "{payload}");
    }
    if url_safe != *PLAIN {
        assert_eq!(error(&url_safe), Some(ProofError::Invalid));
    }
}

#[test]
fn a_proof_written_otherwise_is_the_same_proof() {
    let mut json = json_of(&PLAIN);
    json["solution"]["counter"] = json!(4_000_000);
    json["solution"]["time"] = Value::Null;
    json["more"] = json!([{ "x": 1 }]);
    let text = format!(" {} ", json.to_string().replace('/', "\\/"));
    let again = BASE64.encode(text.as_bytes());
    assert_ne!(again, *PLAIN);
    let identity = |payload| verify(&KEY, payload, &vote(None)).map(|proof| proof.identity);
    assert_eq!(identity(&again), identity(&PLAIN));
    assert!(identity(&again).is_ok());
}

proptest! {
    #[test]
    fn no_text_panics_or_is_a_proof(text in ".{0,300}") {
        prop_assert_eq!(error(&text), Some(ProofError::Invalid));
    }

    #[test]
    fn no_bytes_panic_or_are_a_proof(bytes in proptest::collection::vec(any::<u8>(), 0..1_500)) {
        prop_assert_eq!(error(&BASE64.encode(&bytes)), Some(ProofError::Invalid));
    }

    /// Whatever byte is changed: it is refused, or it is the same proof written otherwise.
    #[test]
    fn no_changed_byte_makes_another_proof(place in any::<proptest::sample::Index>(), byte in any::<u8>(), which in 0..3_usize) {
        let key = (which > 0).then(|| digest("k"));
        let payload = [&*PLAIN, &*KEYED, &*MARIAS][which];
        let vote = ForVote { asks_for_voter: which == 2, ..vote(key) };
        let mut bytes = BASE64.decode(payload.as_bytes()).expect("base64");
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(proof) = verify(&KEY, &BASE64.encode(&bytes), &vote) {
            prop_assert_eq!(Ok(proof), verify(&KEY, payload, &vote));
        }
    }

    /// What is verified here and what the official library verifies is the same.
    #[test]
    fn a_changed_value_is_judged_as_by_the_official_library(
        name in proptest::sample::select(vec!["cost", "expiresAt", "keyPrefix", "keySignature", "nonce", "salt"]),
        text in "[0-9a-f]{0,64}", number in 1_u32..20,
    ) {
        let value = if name == "cost" || name == "expiresAt" { json!(number) } else { json!(text) };
        let payload = with(name, value);
        let official: Payload = serde_json::from_value(json_of(&payload)).expect("a payload");
        let mut options = VerifySolutionOptions::new(&official.challenge, &official.solution, &KEY.challenge);
        options.hmac_key_signature_secret = Some(KEY.derived.clone());
        let verified = verify_solution(options).is_ok_and(|result| result.verified);
        prop_assert_eq!(verified, error(&payload).is_none());
    }
}
