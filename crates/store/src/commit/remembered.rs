//! How a shard remembers idempotency keys: which field of `seen` has a key's record, and of when it is.

use vote_domain::KeyDigest;

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

/// Where and for how long a shard's keys are remembered.
#[derive(Debug)]
pub(super) struct Remembered {
    mask: u32,
    window_ms: i64,
}

impl Remembered {
    /// Of one of so many shards, which remembers a key for so many milliseconds.
    pub(super) fn new(shards: u16, window_ms: i64) -> Self {
        Self {
            mask: fields_of_a_shard(shards) - 1,
            window_ms,
        }
    }

    /// The field of a key's record, and what that ends with. The field is of bytes that the record lacks, and the shard follows
    /// from others: 96 bits of those that share a field have to be equal for two keys to be taken for one.
    pub(super) fn place(&self, key: &KeyDigest) -> ([u8; 3], [u8; 12]) {
        let [held @ .., high, middle, low, _] = key.as_bytes();
        let field = u32::from_be_bytes([0, *high, *middle, *low]) & self.mask;
        let [_, field @ ..] = field.to_be_bytes();
        (field, *held)
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
    use super::*;

    #[test]
    fn all_shards_together_have_about_as_many_fields_unless_they_are_many() {
        let fields = fields_of_a_shard;
        assert_eq!(fields(1), 1 << 18);
        assert_eq!(fields(2) * 2, 1 << 18);
        assert_eq!(fields(8) * 8, 1 << 18);
        assert_eq!(fields(12) * 8, 1 << 18);
        for many in [16, 48, 256] {
            assert_eq!(fields(many), 1 << 15, "{many}");
            assert_eq!(Remembered::new(many, 1).mask, 0x7fff, "{many}");
        }
    }

    #[test]
    fn a_key_is_a_field_and_twelve_other_bytes() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xff, 0xff, 0xff, 16];
        let key = KeyDigest::from_bytes(bytes);
        let (field, held) = Remembered::new(1, 1).place(&key);
        assert_eq!(field, [3, 0xff, 0xff]);
        assert_eq!(held, bytes[..12]);
    }

    #[test]
    fn times_are_told_apart_by_sixteenths_of_a_window() {
        let places = Remembered::new(1, 160_000);
        assert_eq!(places.stamp(0), [0, 0]);
        assert_eq!(places.stamp(9_999), [0, 0]);
        assert_eq!(places.stamp(10_000), [0, 1]);
        assert_eq!(places.stamp(65_536 * 10_000 + 2_570_000), [1, 1]);
        assert_eq!(places.lifetime_ms(), 200_000);
    }
}
