//! Polls that are created.

use crate::failure::Failure;
use anyhow::Error;
use jiff::Timestamp;
use vote_domain::{KeySeed, Poll, PollDefinition};
use vote_runtime::entropy;

/// A new draft, with a seed of its own, by which its idempotency keys will be spread.
///
/// # Errors
/// Where the operating system has no randomness to give.
pub(crate) fn new_poll(
    definition: PollDefinition,
    now: Timestamp,
    by: &str,
) -> Result<Poll, Failure> {
    let seed = entropy::random_bytes().map_err(Error::from)?;
    Ok(Poll::draft(definition, now, by).seeded(KeySeed::from_bytes(seed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::built_in::DEMO_FILE;
    use vote_testkit::fixtures::at;

    #[test]
    fn each_poll_has_a_seed_of_its_own() {
        let definition = PollDefinition::parse_yaml(DEMO_FILE).expect("the poll file is right");
        let at = at("2026-11-01T00:00:00Z");
        let seeds = [(); 2].map(|()| {
            let poll = new_poll(definition.clone(), at, "ines").expect("randomness");
            poll.key_seed.expect("a seed")
        });
        assert_ne!(seeds[0], seeds[1]);
    }
}
