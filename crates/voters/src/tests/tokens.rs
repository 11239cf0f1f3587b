//! Tokens: good ones of each algorithm, and hostile ones of every kind.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{DecodingKey, Validation, decode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::signers::Signer;
use super::{NOW, Service, claims, key, with, without};
use crate::mint::SigningKey;
use crate::{Algorithm, Refused};

#[tokio::test]
async fn tokens_of_each_algorithm_name_their_voter() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::of(algorithm);
        let jwks = json!({ "keys": [signer.jwk("k")] }).to_string();
        let service = Service::with(&jwks, |config| config.algorithms = vec![algorithm]).await;
        let header = json!({ "alg": algorithm.to_string(), "kid": "k" });
        let token = signer.sign(&header, &claims());
        assert_eq!(
            service.subject(&token).await,
            Ok("maria".to_owned()),
            "{algorithm}"
        );
        let altered = token.replacen('.', ".e", 1);
        assert_eq!(service.subject(&altered).await, Err(Refused::Invalid));
        // Of this algorithm alone, although the key could verify the other one of its type.
        for other in Algorithm::ALL
            .into_iter()
            .filter(|other| *other != algorithm)
        {
            let header = json!({ "alg": other.to_string(), "kid": "k" });
            let token = Signer::of(other).sign(&header, &claims());
            assert_eq!(
                service.subject(&token).await,
                Err(Refused::Invalid),
                "{other}"
            );
        }
    }
}

#[tokio::test]
async fn claims_are_looked_at_one_by_one() {
    let service = Service::of(&key()).await;
    let cases = [
        (claims(), Ok(())),
        (with("aud", json!(["other", "paredao"])), Ok(())),
        (with("exp", json!(NOW as f64 + 0.25)), Ok(())),
        (with("nbf", json!(NOW)), Ok(())),
        (with("nbf", json!(NOW + 30)), Ok(())),
        // A clock that is 30 s off is nobody's fault.
        (with("exp", json!(NOW - 29)), Ok(())),
        (with("exp", json!(NOW - 30)), Err(Refused::Expired)),
        (with("exp", json!(0)), Err(Refused::Expired)),
        (with("nbf", json!(NOW + 31)), Err(Refused::NotYetValid)),
        (with("aud", json!("other")), Err(Refused::WrongAudience)),
        (with("aud", json!([])), Err(Refused::WrongAudience)),
        (
            with("aud", json!({ "paredao": 1 })),
            Err(Refused::WrongAudience),
        ),
        (without("aud"), Err(Refused::WrongAudience)),
        (
            with("iss", json!("https://evil.example")),
            Err(Refused::WrongAudience),
        ),
        (without("iss"), Err(Refused::WrongAudience)),
        (without("exp"), Err(Refused::Invalid)),
        (with("exp", json!(NOW * 1000)), Err(Refused::Invalid)),
        (with("exp", json!(-1)), Err(Refused::Invalid)),
        (with("exp", json!("2099")), Err(Refused::Invalid)),
        (with("exp", json!(1e300)), Err(Refused::Invalid)),
        (with("nbf", json!(NOW * 1000)), Err(Refused::Invalid)),
        (
            with("iss", json!(["https://id.example"])),
            Err(Refused::Invalid),
        ),
        (without("sub"), Err(Refused::Invalid)),
        (with("sub", json!("")), Err(Refused::Invalid)),
        (with("sub", json!(12_345)), Err(Refused::Invalid)),
        (with("sub", json!("x".repeat(256))), Err(Refused::Invalid)),
        (json!([]), Err(Refused::Invalid)),
    ];
    for (claims, expected) in cases {
        let token = key().sign(&claims);
        let taken = service.subject(&token).await.map(|_| ());
        assert_eq!(taken, expected, "{claims}");
    }
    let twice = key().sign_parts(
        r#"{"alg":"EdDSA"}"#,
        &claims().to_string().replacen('{', r#"{"sub":"joana","#, 1),
    );
    assert_eq!(service.subject(&twice).await, Err(Refused::Invalid));
}

#[tokio::test]
async fn who_asks_for_no_audience_takes_no_token_that_is_for_somebody() {
    let jwks = key().public_jwks();
    let service = Service::with(&jwks, |config| config.audience = None).await;
    let token = key().sign(&claims());
    assert_eq!(service.subject(&token).await, Err(Refused::WrongAudience));
    let token = key().sign(&without("aud"));
    assert!(service.subject(&token).await.is_ok());
}

/// A token of an HMAC with a public key as the secret: what a verifier that believes the header takes.
fn confused(secret: &[u8], header: &Value) -> String {
    let algorithm = match header["alg"].as_str() {
        Some("HS256") => ring::hmac::HMAC_SHA256,
        Some("HS384") => ring::hmac::HMAC_SHA384,
        _ => ring::hmac::HMAC_SHA512,
    };
    let part = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(&claims()));
    let key = ring::hmac::Key::new(algorithm, secret);
    let tag = ring::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

#[tokio::test]
async fn a_public_key_is_no_secret_in_whichever_form_it_is() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::of(algorithm);
        let jwks = json!({ "keys": [signer.jwk("k")] }).to_string();
        let service = Service::with(&jwks, |_| {}).await;
        let mut secrets = signer.public_forms();
        secrets.push(jwks.into_bytes());
        // The key itself is a good one.
        let header = json!({ "alg": algorithm.to_string(), "kid": "k" });
        let good = signer.sign(&header, &claims());
        assert!(service.subject(&good).await.is_ok(), "{algorithm}");
        for alg in ["HS256", "HS384", "HS512"] {
            for header in [
                json!({ "alg": alg, "typ": "JWT" }),
                json!({ "alg": alg, "kid": "k" }),
            ] {
                for secret in &secrets {
                    let token = confused(secret, &header);
                    let taken = service.subject(&token).await;
                    assert_eq!(taken, Err(Refused::Invalid), "{algorithm}: {header}");
                    // Nor where it says to be signed as the key can.
                    let parts: Vec<&str> = token.split('.').collect();
                    let header = json!({ "alg": algorithm.to_string(), "kid": "k" });
                    let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
                    let renamed = format!("{header}.{}.{}", parts[1], parts[2]);
                    let taken = service.subject(&renamed).await;
                    assert_eq!(taken, Err(Refused::Invalid), "{algorithm}: {renamed}");
                }
            }
        }
    }
}

#[tokio::test]
async fn hostile_tokens_are_refused_without_a_word_of_why() {
    let service = Service::of(&key()).await;
    let good = key().sign(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let text = claims().to_string();
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let headed = |header: &str| key().sign_parts(header, &text);
    let none = |alg: &str| {
        let header = BASE64URL_NOPAD.encode(format!(r#"{{"alg":"{alg}"}}"#).as_bytes());
        [
            format!("{header}.{}.", parts[1]),
            format!("{header}.{}.AA", parts[1]),
        ]
    };
    let mut hostile = vec![
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "a.b.c".to_owned(),
        "\u{e9}.\u{e9}.\u{e9}".to_owned(),
        format!("{good}."),
        format!("{good}.{}", parts[2]),
        format!("{good} "),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], &parts[2][1..]),
        format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
        // Forged: of another key, under our key's name.
        SigningKey::from_seed([2; 32]).sign_parts(
            std::str::from_utf8(&BASE64URL_NOPAD.decode(parts[0].as_bytes()).expect("base64"))
                .expect("text"),
            &text,
        ),
        // Spliced: a good signature under other claims.
        format!(
            "{}.{}.{}",
            parts[0],
            BASE64URL_NOPAD.encode(with("sub", json!("joana")).to_string().as_bytes()),
            parts[2]
        ),
        headed(r#"{"alg":"HS256"}"#),
        headed(r#"{"alg":"ES256"}"#),
        headed(r#"{"alg":"Ed25519"}"#),
        headed(r#"{"alg":["EdDSA"]}"#),
        headed(r#"{"alg":"EdDSA","crit":["exp"]}"#),
        headed(r#"{"alg":"EdDSA","crit":[]}"#),
        headed(r#"{"alg":"EdDSA","alg":"EdDSA"}"#),
        headed(r#"{"alg":"EdDSA","kid":7}"#),
        headed(r#"{"alg":"EdDSA","kid":"another"}"#),
        headed(r#"{"alg":"EdDSA","kid":"../../../dev/null"}"#),
        headed("{}"),
        headed("null"),
        headed(&deep(1000)),
        headed(&format!(r#"{{"alg":"EdDSA","kid":{}}}"#, deep(200))),
        key().sign_parts(r#"{"alg":"EdDSA"}"#, &deep(1000)),
        key().sign_parts(
            r#"{"alg":"EdDSA"}"#,
            &text.replacen('{', &format!(r#"{{"aud":{},"#, deep(500)), 1),
        ),
    ];
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        hostile.extend(none(alg));
    }
    for token in hostile {
        assert_eq!(
            service.subject(&token).await,
            Err(Refused::Invalid),
            "{token}"
        );
    }
    assert!(service.subject(&headed(r#"{"alg":"EdDSA"}"#)).await.is_ok());
    assert!(service.subject(&good).await.is_ok());
}

#[tokio::test]
async fn a_key_that_a_token_brings_along_is_not_used() {
    let service = Service::of(&key()).await;
    let theirs = SigningKey::from_seed([2; 32]);
    let jwks: Value = serde_json::from_str(&theirs.public_jwks()).expect("JSON");
    for header in [
        json!({ "alg": "EdDSA", "jwk": jwks["keys"][0] }),
        json!({ "alg": "EdDSA", "jku": "https://evil.example/keys" }),
        json!({ "alg": "EdDSA", "x5u": "https://evil.example/cert", "x5c": ["AA"] }),
    ] {
        let token = theirs.sign_parts(&header.to_string(), &claims().to_string());
        assert_eq!(
            service.subject(&token).await,
            Err(Refused::Invalid),
            "{header}"
        );
    }
}

#[tokio::test]
async fn a_huge_token_is_not_read() {
    let service = Service::of(&key()).await;
    let token = key().sign(&with("more", json!("x".repeat(4096))));
    assert_eq!(service.subject(&token).await, Err(Refused::TooLong));
    let huge = "x".repeat(10 * 1024 * 1024);
    assert_eq!(service.subject(&huge).await, Err(Refused::TooLong));
    // What is deep and in a field that nobody reads does no harm.
    let text = claims().to_string();
    let deep = format!(r#"{{"more":{}{},"#, "[".repeat(900), "]".repeat(900));
    let token = key().sign_parts(r#"{"alg":"EdDSA"}"#, &text.replacen('{', &deep, 1));
    let _either_way = service.subject(&token).await;
}

#[tokio::test]
async fn a_token_seen_before_is_not_verified_again_and_ends_with_its_time() {
    let service = Service::of(&key()).await;
    let token = key().sign(&claims());
    for _ in 0..3 {
        assert!(service.subject(&token).await.is_ok());
    }
    let metrics = service.metrics();
    assert!(
        metrics.contains("vote_voter_tokens_total{result=\"verified\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("vote_voter_tokens_total{result=\"seen\"} 2"),
        "{metrics}"
    );
    assert!(!metrics.contains("maria"));
    service.clock.advance(std::time::Duration::from_secs(630));
    assert_eq!(service.subject(&token).await, Err(Refused::Expired));
}

#[tokio::test]
async fn nobody_is_shown() {
    let service = Service::of(&key()).await;
    let voter = service
        .voters
        .verify(&key().sign(&claims()))
        .await
        .expect("good");
    assert_eq!(format!("{voter:?}"), "[voter]");
    assert_eq!(voter.issued_at(), Some(NOW - 5));
}

#[test]
fn the_key_of_a_trial_is_found_in_its_file_again() {
    let key = key();
    let again = SigningKey::from_private_jwk(key.to_private_jwk().as_bytes()).expect("a key");
    assert_eq!(key.public_jwks(), again.public_jwks());
    assert!(SigningKey::from_private_jwk(key.public_jwks().as_bytes()).is_err());
    assert!(SigningKey::from_private_jwk(b"").is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_is_taken(token in "[A-Za-z0-9_.={}\"-]{0,200}") {
        crate::provider::install().expect("the trial succeeds");
        prop_assert!(crate::header::Header::parse(&token).is_none() || token.len() > 20);
        let key = key();
        let validation = Validation::new(jsonwebtoken::Algorithm::EdDSA);
        let key = DecodingKey::from_ed_der(key.public_key());
        prop_assert!(decode::<Value>(&token, &key, &validation).is_err());
    }
}
