//! Idempotency keys that somebody has chosen to be kept in one place.

use futures_util::future::join_all;
use vote_domain::KeyDigest;
use vote_store::VoteToCast;

use crate::support::{ANA, Show, is_accepted, vote};

const KEYS: usize = 400;

/// Anybody can work out digests of keys, and keep those with some bytes alike: some 260,000 attempts for each that shares 18 bits. A field
/// of a thousand records takes Redis many times as long as one of four, and all votes wait for it.
#[tokio::test]
async fn keys_that_are_alike_are_spread_among_fields() {
    let show = Show::open().await;
    let voting = show.voting().await;
    let votes = (0..KEYS).map(|number| {
        let mut bytes = [7; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        voting.cast(VoteToCast {
            key: Some(KeyDigest::from_bytes(bytes)),
            ..vote(ANA)
        })
    });
    let outcomes = join_all(votes).await;
    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");
    let mut redis = show.redis.connection().await;
    let fields: usize = redis::cmd("HLEN")
        .arg("vote:{paredao-01/0}:seen")
        .query_async(&mut redis)
        .await
        .expect("a length");
    assert!(fields > KEYS - 10, "{fields}");
    assert!(show.audit().await.passed);
}
