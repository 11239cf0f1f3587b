//! What is a receipt, and what is none.

use super::*;
use proptest::prelude::*;

fn key() -> ReceiptKey {
    ReceiptKey::from_bytes([42; 32])
}

fn receipt() -> Receipt {
    Receipt {
        poll: PollId::parse("paredao-01").expect("legal"),
        writer: WriterId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8]),
        shard: 3,
        sequence: 815,
        place: 4711,
        is_repeat: false,
        at: wire_time::parse("2026-11-24T01:02:03.250Z").expect("legal"),
    }
}

#[test]
fn has_a_form_that_never_changes() {
    assert_eq!(
        receipt().sign(&key()),
        "v1.AQIDBAUGBwgAAwAAAAAAAAMvAAASZwAAAaILEvvycGFyZWRhby0wMQ.JzeqgwfZ_Y9gcTArmWY6BA"
    );
}

#[test]
fn the_longest_is_well_below_what_is_looked_at() {
    let mut receipt = receipt();
    receipt.poll = PollId::parse(&"p".repeat(64)).expect("legal");
    let text = receipt.sign(&key());
    assert_eq!(text.len(), 152);
    assert_eq!(Receipt::verify(&text, &key()), Ok(receipt));
}

#[test]
fn keeps_milliseconds() {
    let mut fine = receipt();
    fine.at += jiff::SignedDuration::from_micros(999);
    assert_eq!(fine.sign(&key()), receipt().sign(&key()));
}

#[test]
fn no_single_byte_can_be_changed_dropped_or_doubled() {
    let text = receipt().sign(&key());
    for at in 0..text.len() {
        let mut dropped = text.clone();
        let c = dropped.remove(at);
        let mut doubled = text.clone();
        doubled.insert(at, c);
        assert!(Receipt::verify(&dropped, &key()).is_err(), "{dropped}");
        assert!(Receipt::verify(&doubled, &key()).is_err(), "{doubled}");
        for other in 0..=127_u8 {
            let mut changed = text.clone().into_bytes();
            if changed[at] == other {
                continue;
            }
            changed[at] = other;
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(Receipt::verify(&changed, &key()).is_err(), "{changed}");
        }
    }
}

#[test]
fn what_has_not_the_form_of_one_is_refused() {
    let genuine = receipt().sign(&key());
    for text in [
        "",
        ".",
        "..",
        "v1",
        "v1.",
        "v1..",
        "v1.a.b",
        "v1.é.é",
        "../x",
        "v1.AAAA.AAAA",
        &genuine[3..],
        &format!("{genuine}."),
        &format!(" {genuine}"),
        &format!("{genuine}="),
        &"x".repeat(301),
        &"v1.".repeat(400_000),
        &"A".repeat(1 << 20),
    ] {
        assert!(
            matches!(
                Receipt::verify(text, &key()),
                Err(ReceiptError::Malformed | ReceiptError::Version)
            ),
            "{:.40}",
            text
        );
    }
    assert_eq!(
        Receipt::verify(&genuine.replacen("v1", "v2", 1), &key()),
        Err(ReceiptError::Version)
    );
}

#[test]
fn another_key_does_not_verify() {
    let text = receipt().sign(&key());
    let other = ReceiptKey::from_bytes([43; 32]);
    assert_eq!(Receipt::verify(&text, &other), Err(ReceiptError::Forged));
}

#[test]
fn a_genuine_signature_over_nonsense_is_refused() {
    let key = key();
    let mut payload = vec![0_u8; FIXED];
    payload.extend_from_slice(b"../x");
    let text = format!(
        "v1.{}.{}",
        BASE64URL_NOPAD.encode(&payload),
        BASE64URL_NOPAD.encode(&key.mac(&payload))
    );
    assert_eq!(Receipt::verify(&text, &key), Err(ReceiptError::Malformed));
}

#[test]
fn the_key_is_not_shown() {
    assert_eq!(format!("{:?}", key()), "ReceiptKey([secret])");
}

proptest! {
    #[test]
    fn what_is_signed_verifies(
        poll in "[a-z0-9][a-z0-9_-]{0,63}",
        writer in any::<[u8; 8]>(),
        shard in any::<u16>(),
        sequence in any::<u64>(),
        place in 0..1_u32 << 31,
        is_repeat in any::<bool>(),
        ms in -62_000_000_000_000_i64..253_000_000_000_000,
        secret in any::<[u8; 32]>(),
    ) {
        let receipt = Receipt {
            poll: PollId::parse(&poll).expect("legal"),
            writer: WriterId::from_bytes(writer),
            shard,
            sequence,
            place,
            is_repeat,
            at: Timestamp::from_millisecond(ms).expect("in range"),
        };
        let key = ReceiptKey::from_bytes(secret);
        let text = receipt.sign(&key);
        prop_assert!(text.len() <= 152);
        prop_assert_eq!(Receipt::verify(&text, &key), Ok(receipt));
    }

    #[test]
    fn no_text_panics(text in ".{0,320}") {
        prop_assert!(Receipt::verify(&text, &key()).is_err());
    }
}
