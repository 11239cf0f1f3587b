//! What a token costs, for whoever wants to know: `cargo test -p vote-voters --release cost -- --ignored --nocapture`.

use std::time::Instant;

use serde_json::json;

use super::signers::Signer;
use super::{Service, claims, with};
use crate::Algorithm;

#[tokio::test]
#[ignore = "measures, and asserts nothing"]
async fn the_cost_of_a_token() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::of(algorithm);
        let jwks = json!({ "keys": [signer.jwk("k")] }).to_string();
        let service = Service::with(&jwks, |_| {}).await;
        let header = json!({ "alg": algorithm.to_string(), "kid": "k" });
        let tokens: Vec<String> = (0..1000)
            .map(|n| signer.sign(&header, &with("sub", json!(n.to_string()))))
            .collect();
        let began = Instant::now();
        for token in &tokens {
            service.voters.verify(token).await.expect("good");
        }
        let new = began.elapsed() / 1000;
        let token = signer.sign(&header, &claims());
        let length = token.len();
        let began = Instant::now();
        for _ in 0..10_000 {
            service.voters.verify(&token).await.expect("good");
        }
        let seen = began.elapsed() / 10_000;
        println!("{algorithm}: {length} bytes, new {new:?}, seen {seen:?}");
    }
}
