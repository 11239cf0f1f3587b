//! Sets of keys: what is left out, and what that does to the rest.

use serde_json::{Value, json};

use super::signers::Signer;
use super::{Service, claims, key};
use crate::Algorithm;
use crate::jwks::{JwksError, KeySet};
use crate::mint::SigningKey;

fn parse(keys: &[Value]) -> Result<KeySet, JwksError> {
    let text = json!({ "keys": keys }).to_string();
    KeySet::parse(text.as_bytes(), &Algorithm::ALL)
}

fn set(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

#[test]
fn keys_of_no_use_are_left_out_and_say_why() {
    let ed = Signer::of(Algorithm::EdDsa).jwk("ed");
    let ec = Signer::of(Algorithm::Es256).jwk("ec");
    let rsa = Signer::of(Algorithm::Rs256).jwk("rsa");
    let weak = "x_Re-S2a4GqwR8FILU5Mh-fgU_R2ygiucbm33xDsmeaDQSkD6vtqvtO_bhdB4y8i3hUuRgE4hSy98Z-bUl-GsnM-Qh2agryHQQU2GXad8uQIE2-lbsVnZJtxCxm8OyQyx2yYGdsjSkUkCtJF_rCuAyVAYNvtKlk7FkHQFoQpe8E";
    let cases = [
        (json!({ "kty": "oct", "k": "AAAA" }), "shared secret"),
        (set(ed.clone(), "use", json!("enc")), "not for signatures"),
        (
            set(ed.clone(), "key_ops", json!(["sign"])),
            "not to verify with",
        ),
        (set(ed.clone(), "kid", json!(7)), "a kid that is no text"),
        (
            set(ed.clone(), "alg", json!("ES256")),
            "an algorithm that the settings",
        ),
        (
            set(ed.clone(), "alg", json!("HS256")),
            "an algorithm that the settings",
        ),
        (set(ed.clone(), "crv", json!("X25519")), "another curve"),
        (set(ed.clone(), "x", json!("AAAA")), "not of 32 bytes"),
        (set(ed.clone(), "x", json!("*")), "no base64url"),
        (set(ed.clone(), "x", json!(1)), "another type"),
        (set(ec.clone(), "crv", json!("P-384")), "another curve"),
        (
            set(ec.clone(), "y", Value::Null),
            "lacks one of its numbers",
        ),
        (set(rsa.clone(), "n", json!(weak)), "fewer than 2048 bits"),
        (
            json!({ "kty": "RSA", "x5c": ["AA"] }),
            "lacks one of its numbers",
        ),
        (json!({ "kty": "AKP", "pub": "AA" }), "not known here"),
        (json!({ "kid": "a" }), "another type"),
        (json!("key"), "another type"),
    ];
    for (bad, reason) in cases {
        let alone = parse(std::slice::from_ref(&bad))
            .expect_err("no key")
            .to_string();
        assert!(alone.contains(reason), "{alone}: {bad}");
        let both = parse(&[bad, ec.clone()]).expect("one is good");
        assert_eq!(
            (both.len(), both.left_out.len(), both.left_out[0].0),
            (1, 1, 1)
        );
    }
    assert_eq!(parse(&[ed, ec, rsa]).expect("all are good").len(), 3);
}

#[test]
fn what_others_write_differently_is_read() {
    let ed = Signer::of(Algorithm::EdDsa).jwk("ed");
    let padded = format!("{}=", ed["x"].as_str().expect("text"));
    assert!(parse(&[set(ed.clone(), "x", json!(padded))]).is_ok());
    let ops = set(ed, "key_ops", json!(["verify"]));
    assert!(parse(&[set(ops, "x5c", json!(["AA"]))]).is_ok());
    let rsa = Signer::of(Algorithm::Rs256).jwk("rsa");
    let n = data_encoding::BASE64URL_NOPAD
        .decode(rsa["n"].as_str().expect("text").as_bytes())
        .expect("base64");
    let zero = data_encoding::BASE64URL_NOPAD.encode(&[&[0], &n[..]].concat());
    assert!(parse(&[set(rsa, "n", json!(zero))]).is_ok());
}

#[test]
fn what_is_no_set_is_refused() {
    let many = vec![Signer::of(Algorithm::EdDsa).jwk("k"); 65];
    assert_eq!(parse(&many).expect_err("too many"), JwksError::TooMany);
    for text in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        "<html>",
        &"[".repeat(100_000),
    ] {
        let refused = KeySet::parse(text.as_bytes(), &Algorithm::ALL);
        assert_eq!(refused.expect_err("no set"), JwksError::NoSet, "{text:.20}");
    }
    let none = parse(&[]).expect_err("none");
    assert_eq!(none.to_string(), "none of 0 can verify a token");
}

#[tokio::test]
async fn keys_of_one_name_are_all_tried_and_those_of_another_algorithm_are_not() {
    let keys: Vec<SigningKey> = (1..=6).map(|n| SigningKey::from_seed([n; 32])).collect();
    let named = |key: &SigningKey, kid: Option<&str>| {
        let set: Value = serde_json::from_str(&key.public_jwks()).expect("JSON");
        set_kid(set["keys"][0].clone(), kid)
    };
    let ec = Signer::of(Algorithm::Es256);
    let mut all = vec![ec.jwk("same")];
    all.extend(keys[..5].iter().map(|key| named(key, Some("same"))));
    let jwks = json!({ "keys": all }).to_string();
    let service = Service::with(&jwks, |_| {}).await;
    let header = json!({ "alg": "EdDSA", "kid": "same" }).to_string();
    let text = claims().to_string();
    for (place, key) in keys.iter().enumerate() {
        let taken = service
            .subject(&key.sign_parts(&header, &text))
            .await
            .is_ok();
        // Four are tried, and no more.
        assert_eq!(taken, place < 4, "{place}");
    }
    let token = ec.sign(&json!({ "alg": "ES256", "kid": "same" }), &claims());
    assert!(service.subject(&token).await.is_ok());
    // Without a name, none of those that have one is meant: there are several.
    let token = keys[0].sign_parts(r#"{"alg":"EdDSA"}"#, &text);
    assert!(service.subject(&token).await.is_err());
}

fn set_kid(mut jwk: Value, kid: Option<&str>) -> Value {
    match kid {
        Some(kid) => jwk["kid"] = json!(kid),
        None => {
            jwk.as_object_mut().expect("an object").remove("kid");
        }
    }
    jwk
}

#[tokio::test]
async fn keys_without_a_name_or_an_algorithm_verify_what_fits_their_type() {
    let ec = Signer::of(Algorithm::Es256);
    let rsa = Signer::of(Algorithm::Rs256);
    let keys = [set_kid(ec.jwk(""), None), set_kid(rsa.jwk(""), None)];
    let jwks = json!({ "keys": keys }).to_string();
    let service = Service::with(&jwks, |_| {}).await;
    for (signer, alg, kid, is_taken) in [
        (&ec, "ES256", None, true),
        (&rsa, "RS256", None, true),
        (&Signer::of(Algorithm::Ps256), "PS256", None, true),
        (&ec, "RS256", None, false),
        // A name that no key has is no name of a key without one.
        (&ec, "ES256", Some("x"), false),
    ] {
        let mut header = json!({ "alg": alg });
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        let taken = service.subject(&signer.sign(&header, &claims())).await;
        assert_eq!(taken.is_ok(), is_taken, "{header}");
    }
    // The only key is meant also where the token does not name it.
    let service = Service::of(&key()).await;
    let token = key().sign_parts(r#"{"alg":"EdDSA"}"#, &claims().to_string());
    assert!(service.subject(&token).await.is_ok());
}
