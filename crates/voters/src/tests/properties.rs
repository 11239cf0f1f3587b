//! Whatever comes: tokens that were changed, and sets of keys that are none.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::signers::Signer;
use super::{Service, claims};
use crate::Algorithm;
use crate::jwks::{JwksError, KeySet};

/// A service that knows a key of each algorithm, for all cases.
static SERVICE: LazyLock<(Runtime, Service)> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let keys: Vec<Value> = Algorithm::ALL
        .iter()
        .map(|one| Signer::of(*one).jwk(&one.to_string()))
        .collect();
    let service = runtime.block_on(Service::with(&json!({ "keys": keys }).to_string(), |_| {}));
    (runtime, service)
});

/// A good token of each algorithm.
static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tokens = Algorithm::ALL.iter().map(|one| {
        let header = json!({ "alg": one.to_string(), "kid": one.to_string() });
        Signer::of(*one).sign(&header, &claims())
    });
    tokens.collect()
});

/// Whom that token names, if it is taken.
fn subject(token: &str) -> Option<String> {
    let (runtime, service) = &*SERVICE;
    runtime.block_on(service.subject(token)).ok()
}

/// A set with one key of each type.
static KEYS: LazyLock<String> = LazyLock::new(|| {
    let keys: Vec<Value> = Algorithm::ALL
        .iter()
        .map(|one| Signer::of(*one).jwk("k"))
        .collect();
    json!({ "keys": keys }).to_string()
});

/// Any JSON, of some depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,6}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_no_token(text in prop_oneof!["\\PC{0,300}", "[A-Za-z0-9_-]{0,200}(\\.[A-Za-z0-9_-]{0,200}){0,4}"]) {
        prop_assert_eq!(subject(&text), None);
    }

    /// What is changed in any part is refused, or is the same token written otherwise.
    #[test]
    fn a_token_that_was_changed_names_nobody_else(which in any::<Index>(), place in any::<Index>(), byte in any::<u8>()) {
        let token = which.get(&TOKENS);
        let mut bytes = token.clone().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(text) = String::from_utf8(bytes) && text != *token {
            prop_assert!(matches!(subject(&text).as_deref(), None | Some("maria")));
        }
    }

    #[test]
    fn a_token_that_was_cut_or_spliced_names_nobody(
        one in any::<Index>(), other in any::<Index>(), from in any::<Index>(), to in any::<Index>(),
    ) {
        let (one, other) = (one.get(&TOKENS), other.get(&TOKENS));
        let spliced = format!("{}{}", &one[..from.index(one.len())], &other[to.index(other.len())..]);
        prop_assert!(matches!(subject(&spliced).as_deref(), None | Some("maria")));
    }

    /// What is signed and is no object of claims is refused, however it is nested.
    #[test]
    fn whatever_is_signed_has_to_be_claims(claimed in any_json()) {
        let header = json!({ "alg": "EdDSA", "kid": "EdDSA" });
        let token = Signer::of(Algorithm::EdDsa).sign(&header, &claimed);
        prop_assert_eq!(subject(&token), None);
    }

    #[test]
    fn any_bytes_are_no_set(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert_eq!(KeySet::parse(&bytes, &Algorithm::ALL).err(), Some(JwksError::NoSet));
    }

    #[test]
    fn any_keys_are_left_out_or_known(keys in prop::collection::vec(any_json(), 0..10)) {
        let text = json!({ "keys": keys }).to_string();
        let refused = KeySet::parse(text.as_bytes(), &Algorithm::ALL).expect_err("none is one");
        let is_none = matches!(refused, JwksError::None { .. });
        prop_assert!(is_none, "{}", refused);
    }

    /// A set of which a byte was changed is none, or one of as many keys, none of which verifies more than its type can.
    #[test]
    fn a_set_that_was_changed_harms_nobody(place in any::<Index>(), byte in any::<u8>()) {
        let mut bytes = KEYS.clone().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(set) = KeySet::parse(&bytes, &[Algorithm::EdDsa]) {
            prop_assert!(set.len() == 1 && set.len() + set.left_out.len() <= Algorithm::ALL.len());
            prop_assert_eq!(set.candidates(Some("k"), Algorithm::Rs256).count(), 0);
        }
    }
}
