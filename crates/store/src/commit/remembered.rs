//! How a shard remembers idempotency keys: which field of `seen` has a key's record, and of when it is.

use std::time::Duration;

use siphasher::sip::SipHasher13;
use vote_domain::{KeyDigest, Poll};

/// Into so many parts a key window is told apart. `commit.lua` finds a record until it is 19 of them old.
const PARTS: i64 = 16;

/// The fields of all shards of a poll together, as a power of two; up to twice as many where its shards are no power of two. A show of 48 hours and 1.5 billion votes has five records in each
/// then, of 30 bytes, and its minute of 60,000 votes per second fourteen, of 22. More fields would take more memory, and fewer more time and a longer
/// append-only file, since a field is written whole.
const ALL_FIELDS: u32 = 18;

/// Those that a shard has at least: of a poll of so many shards that there would be fewer, since so many are for more votes than one master
/// takes. A million votes per second over 96 shards have fifty records in each.
const FIELDS_OF_A_SHARD: u32 = 15;

/// Among so many fields the keys of a shard are spread, of a poll of so many shards. A vote writes its key's field whole, so that each further
/// record of a field costs the append-only file, and each replica, 16 bytes a vote.
#[must_use]
pub fn fields_of_a_shard(shards: u16) -> u32 {
    let shared = ALL_FIELDS.saturating_sub(u32::from(shards.max(1)).ilog2());
    1 << shared.max(FIELDS_OF_A_SHARD)
}

/// A key window in milliseconds, with room for what is reckoned from it.
pub(super) fn window_ms(window: Duration) -> i64 {
    i64::try_from(window.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Where and for how long a shard's keys are remembered.
#[derive(derive_more::Debug)]
pub(super) struct Remembered {
    mask: u32,
    window_ms: i64,
    /// Has the seed in it.
    #[debug(skip)]
    spread: SipHasher13,
}

impl Remembered {
    /// Of a shard of a poll, which remembers a key for so many milliseconds.
    pub(super) fn new(poll: &Poll, window_ms: i64) -> Self {
        // Polls of tests, and those from before there were seeds.
        let seed = poll.key_seed.map_or([0; 16], |seed| *seed.expose());
        Self {
            mask: fields_of_a_shard(poll.definition.shards()) - 1,
            window_ms,
            spread: SipHasher13::new_with_key(&seed),
        }
    }

    /// The field of a key's record, and what that ends with: 96 bits of those that share a field have to be equal for two keys to be
    /// taken for one. Anybody can work out a key's digest, and choose keys by it, so the field follows from it by a keyed hash: of
    /// 24,000 keys in one field each took Redis 1.9 ms in the end, where 4 µs are usual.
    pub(super) fn place(&self, key: &KeyDigest) -> ([u8; 3], [u8; 12]) {
        let [held @ .., _, _, _, _] = *key.as_bytes();
        let [.., high, middle, low] = self.spread.hash(key.as_bytes()).to_be_bytes();
        let field = u32::from_be_bytes([0, high, middle, low]) & self.mask;
        let [_, field @ ..] = field.to_be_bytes();
        (field, held)
    }

    /// Among so few fields, a power of two, that many keys share theirs.
    #[cfg(test)]
    pub(super) fn among(mut self, fields: u32) -> Self {
        self.mask = fields - 1;
        self
    }

    /// Keys of one field, as somebody would choose them who knew where keys go.
    #[cfg(test)]
    pub(super) fn keys_of_one_field(&self) -> impl Iterator<Item = KeyDigest> {
        let field = |key: &KeyDigest| self.place(key).0;
        let numbered = |number: u32| {
            let mut bytes = [7; 16];
            bytes[4..8].copy_from_slice(&number.to_be_bytes());
            KeyDigest::from_bytes(bytes)
        };
        let first = field(&numbered(0));
        (0..).map(numbered).filter(move |key| field(key) == first)
    }

    /// Which part of a key window a time is of: the low 16 bits of its number since the epoch, big-endian.
    pub(super) fn stamp(&self, now_ms: i64) -> [u8; 2] {
        let part = i128::from(now_ms) * i128::from(PARTS) / i128::from(self.window_ms.max(1));
        let [.., high, low] = part.to_be_bytes();
        [high, low]
    }

    /// How long Redis keeps the fields after the latest key: until the last record can't be found any more.
    pub(super) const fn lifetime_ms(&self) -> i64 {
        self.window_ms + self.window_ms / 4
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use vote_domain::KeySeed;
    use vote_testkit::fixtures::demo_poll;

    use super::*;

    /// Of a poll of so many shards, with a seed of so many equal bytes.
    fn remembered(shards: u16, seed: Option<u8>) -> Remembered {
        let mut poll = demo_poll().shards(shards).draft();
        poll.key_seed = seed.map(|byte| KeySeed::from_bytes([byte; 16]));
        Remembered::new(&poll, 160_000)
    }

    /// Keys of whose digests the first and the last bytes are the same.
    fn chosen() -> impl Iterator<Item = KeyDigest> {
        (0..1_000_u16).map(|number| {
            let mut bytes = [7; 16];
            bytes[4..6].copy_from_slice(&number.to_be_bytes());
            KeyDigest::from_bytes(bytes)
        })
    }

    #[test]
    fn all_shards_together_have_about_as_many_fields_unless_they_are_many() {
        let fields = fields_of_a_shard;
        assert_eq!(fields(1), 1 << 18);
        assert_eq!(fields(2) * 2, 1 << 18);
        assert_eq!(fields(8) * 8, 1 << 18);
        assert_eq!(fields(12) * 8, 1 << 18);
        for many in [16, 48, 256] {
            assert_eq!(fields(many), 1 << 15, "{many}");
            assert_eq!(remembered(many, None).mask, 0x7fff, "{many}");
        }
    }

    #[test]
    fn a_key_is_a_field_and_twelve_bytes() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xff, 0xff, 0xff, 16];
        let key = KeyDigest::from_bytes(bytes);
        let ([high, ..], held) = remembered(1, None).place(&key);
        assert!(high < 4);
        assert_eq!(held, bytes[..12]);
        let ([high, middle, _], _) = remembered(256, None).place(&key);
        assert!(high == 0 && middle < 128);
    }

    #[test]
    fn keys_that_somebody_has_chosen_are_spread_as_any() {
        for seed in [None, Some(1), Some(2)] {
            let places = remembered(256, seed);
            let fields: BTreeSet<_> = chosen().map(|key| places.place(&key).0).collect();
            // Of a thousand, 15 share a field with another by chance.
            assert!(fields.len() > 960, "{}", fields.len());
        }
    }

    #[test]
    fn keys_of_one_field_without_a_seed_are_of_many_with_one() {
        let (without, with) = (remembered(256, None), remembered(256, Some(1)));
        let keys = without.keys_of_one_field().take(16);
        let fields: BTreeSet<_> = keys.map(|key| with.place(&key).0).collect();
        assert!(fields.len() > 12, "{}", fields.len());
        assert!(!format!("{with:?}").contains("spread"));
    }

    #[test]
    fn where_keys_go_follows_from_the_seed_alone() {
        let fields = |seed| {
            let places = remembered(1, seed);
            chosen().map(|key| places.place(&key).0).collect::<Vec<_>>()
        };
        let same = |one: &[[u8; 3]], other: &[[u8; 3]]| {
            let pairs = one.iter().zip(other);
            pairs.filter(|(one, other)| one == other).count()
        };
        let (none, one, two) = (fields(None), fields(Some(1)), fields(Some(2)));
        assert_eq!(one, fields(Some(1)));
        for (one, other) in [(&none, &one), (&one, &two), (&two, &none)] {
            assert!(same(one, other) < 5);
        }
    }

    #[test]
    fn times_are_told_apart_by_sixteenths_of_a_window() {
        let places = remembered(1, None);
        assert_eq!(places.stamp(0), [0, 0]);
        assert_eq!(places.stamp(9_999), [0, 0]);
        assert_eq!(places.stamp(10_000), [0, 1]);
        assert_eq!(places.stamp(65_536 * 10_000 + 2_570_000), [1, 1]);
        assert_eq!(places.lifetime_ms(), 200_000);
    }
}
