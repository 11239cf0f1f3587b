//! What makes a vote suspect, as far as one request says it by itself. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vote_http::SentHeader;

/// The shortest `User-Agent` that a browser or an app sends, in characters.
const SHORTEST_AGENT: usize = 4;
/// The characters at a key's end that are left off when keys are compared: sequential ones have the same beginning then, and random
/// ones don't, whether they begin with the time (UUID version 7, ULID) or not.
const OWN_END: usize = 4;
/// Shorter keys are not compared.
const SHORTEST_KEY: usize = 6;

/// Whether a client says of itself what every browser and every app says.
pub(super) fn is_plausible(user_agent: SentHeader<'_>) -> bool {
    match user_agent {
        // A text in another encoding is odd, and known of real devices.
        SentHeader::NoText => true,
        SentHeader::Missing | SentHeader::Repeated => false,
        SentHeader::Once(text) => {
            let text = text.trim();
            text.len() >= SHORTEST_AGENT && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        }
    }
}

/// What a key has in common with those that were made in turn with it.
pub(super) fn beginning(key: SentHeader<'_>) -> Option<&str> {
    let SentHeader::Once(key) = key else {
        return None;
    };
    let key = key.trim().trim_matches('"');
    let end = key.len().checked_sub(OWN_END)?;
    (key.len() >= SHORTEST_KEY)
        .then(|| key.get(..end))
        .flatten()
}

/// A challenge can't be of a time to come, but for the clocks of two processes. Where they are further apart than this, somebody has
/// just set one, and nothing is known of how long a proof took.
const CLOCKS_APART: SignedDuration = SignedDuration::from_millis(100);

/// Whether a proof was made in less time than the quickest device takes: so long for each thousand of cost.
pub(super) fn is_too_fast(taken: SignedDuration, cost: u32, of_thousand: Duration) -> bool {
    let least = of_thousand.saturating_mul(cost) / 1_000;
    taken >= -CLOCKS_APART && SignedDuration::try_from(least).is_ok_and(|least| taken < least)
}

/// Whether a token was made longer ago than pages make them, or is of a time to come.
pub(super) fn is_odd_age(
    issued_at: Option<i64>,
    received_at: Timestamp,
    oldest: Duration,
    skew: Duration,
) -> bool {
    let Some(issued_at) = issued_at else {
        // The claim is optional.
        return false;
    };
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let age = received_at.as_second().saturating_sub(issued_at);
    age > seconds(oldest) || age < -seconds(skew)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + ms).expect("a time")
    }

    #[test]
    fn a_client_says_who_it_is() {
        for (agent, is) in [
            (SentHeader::Once("Mozilla/5.0 (Linux; Android 14)"), true),
            (SentHeader::Once("curl/8"), true),
            (SentHeader::NoText, true),
            (SentHeader::Missing, false),
            (SentHeader::Repeated, false),
            (SentHeader::Once(""), false),
            (SentHeader::Once(" - "), false),
            (SentHeader::Once("1234.5"), false),
        ] {
            assert_eq!(is_plausible(agent), is, "{agent:?}");
        }
    }

    #[test]
    fn keys_made_in_turn_have_one_beginning_and_random_ones_don_t() {
        let of = |key| beginning(SentHeader::Once(key));
        assert_eq!(of("\"vote-000001\""), Some("vote-00"));
        assert_eq!(of("vote-000002"), of("vote-009999"));
        // Version 7, of the same millisecond.
        let one = of("018fd4b1-1f4a-7a3c-9e21-8e03978e40d5");
        assert_ne!(one, of("018fd4b1-1f4a-7b99-8c01-57f932440d51"));
        for short in ["", "a", "12345", "\"12345\""] {
            assert_eq!(of(short), None, "{short}");
        }
        assert_eq!(beginning(SentHeader::Missing), None);
    }

    #[test]
    fn a_proof_is_too_fast_below_what_its_cost_takes_and_not_at_it() {
        let of_thousand = Duration::from_millis(20);
        let too_fast = |taken_ms, cost| {
            let taken = SignedDuration::from_millis(taken_ms);
            is_too_fast(taken, cost, of_thousand)
        };
        assert!(too_fast(99, 5_000) && !too_fast(100, 5_000));
        assert!(too_fast(799, 40_000) && !too_fast(800, 40_000));
        assert!(too_fast(-100, 5_000), "two clocks, as good as they are");
        assert!(!too_fast(-101, 5_000), "a clock that was set");
    }

    #[test]
    fn a_token_is_odd_when_it_is_old_or_of_a_time_to_come() {
        let hour = Duration::from_secs(3_600);
        let skew = Duration::from_secs(60);
        let odd = |age: i64| is_odd_age(Some(at(0).as_second() - age), at(0), hour, skew);
        assert!(!odd(0) && !odd(3_600) && odd(3_601));
        assert!(!odd(-60) && odd(-61));
        assert!(!is_odd_age(None, at(0), hour, skew));
        assert!(is_odd_age(Some(i64::MIN), at(0), hour, skew));
    }
}
