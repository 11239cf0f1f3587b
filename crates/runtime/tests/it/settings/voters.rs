//! Tokens of voters: a vote waits for their keys, and for all else, while its repeat is surely found.

use super::{load, refused};

const URL: (&str, &str) = ("VOTE__VOTERS__JWKS_URL", "https://id.example/keys");
const FILE: (&str, &str) = ("VOTE__VOTERS__JWKS_FILE", "/etc/keys.json");
const TIMEOUT: (&str, &str) = ("VOTE__VOTERS__JWKS_TIMEOUT_MS", "3000");
const REPLAY: (&str, &str) = ("VOTE__COMMIT__REPLAY_WINDOW_S", "1");

fn window(seconds: &str) -> (&str, &str) {
    ("VOTE__COMMIT__IDEMPOTENCY_WINDOW_S", seconds)
}

#[test]
fn a_vote_waits_for_keys_no_longer_than_its_repeat_is_found() {
    // 2 s of commit.accept_timeout_ms, and 3 of this.
    for keys in [URL, FILE] {
        assert!(load(None, &[keys, TIMEOUT, REPLAY, window("20")]).is_ok());
        let error = refused(&[keys, TIMEOUT, REPLAY, window("19")]);
        for said in [
            "voters.jwks_timeout_ms (VOTE__VOTERS__JWKS_TIMEOUT_MS)",
            "and commit.accept_timeout_ms together are more than a quarter of commit.idempotency_window_s",
            "is not recorded",
        ] {
            assert!(error.contains(said), "{said}: {error}");
        }
        assert!(!error.contains("judge.time_limit_ms"), "{error}");
    }
    assert!(
        load(None, &[TIMEOUT, REPLAY, window("19")]).is_ok(),
        "nobody waits for keys"
    );
    let long = ("VOTE__VOTERS__JWKS_TIMEOUT_MS", "15000");
    assert!(refused(&[URL, long, REPLAY, window("10")]).contains("voters.jwks_timeout_ms"));
}

#[test]
fn a_suspect_vote_waits_for_keys_and_for_the_judge() {
    let judge = ("VOTE__JUDGE__URL", "https://judge.example/siteverify");
    let secret = ("VOTE__JUDGE__SECRET", "hunter2");
    // One second more.
    let all = |seconds| [URL, TIMEOUT, REPLAY, judge, secret, window(seconds)];
    assert!(load(None, &all("24")).is_ok());
    let error = refused(&all("23"));
    let said = "and commit.accept_timeout_ms and judge.time_limit_ms together are more than";
    assert!(
        error.contains("voters.jwks_timeout_ms") && error.contains(said),
        "{error}"
    );
}
