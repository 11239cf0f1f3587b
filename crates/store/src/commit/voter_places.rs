//! Where a shard counts a voter of a channel: in which bucket, and under which name there.

use vote_domain::VoterDigest;

/// The buckets of a channel in all shards of a poll together, as a power of two. A bucket is a hash, which Redis keeps as one piece of
/// memory up to 512 voters. A voter takes 16 bytes of that, beside the share of the bucket's own 120 or so: with a million voters
/// 61 have a bucket, and each takes 20 bytes. More buckets would take more memory, and fewer more time, since one is searched from
/// its beginning.
const ALL_BUCKETS: u32 = 14;

/// The least of a shard, as a power of two: shards carry 1.8 million voters each, and one alone seven million. Beyond that Redis makes
/// tables of the buckets, in which a voter takes 60 to 80 bytes, and all stays as exact.
const LEAST_OF_SHARD: u32 = 12;

/// What a voter is known by within a bucket.
pub(super) const HELD: usize = 12;

/// The buckets of one shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct VoterPlaces {
    mask: u32,
}

impl VoterPlaces {
    /// Of one of so many shards.
    pub(super) fn new(shards: u16) -> Self {
        let shares = u32::from(shards.max(1)).ilog2();
        let bits = ALL_BUCKETS.saturating_sub(shares).max(LEAST_OF_SHARD);
        Self {
            mask: (1 << bits) - 1,
        }
    }

    /// The bucket of a voter, and what the voter is known by there. Of the second half of the digest, by which hours and days are told
    /// apart, nothing is lost: its last byte is in every bucket's number. Of the first, from which the shard follows, three bytes are:
    /// 104 bits have to be equal for two voters to be taken for one, which has a chance of 10^-15 among 200 million.
    pub(super) fn place(self, voter: &VoterDigest) -> (u32, [u8; HELD]) {
        let [_, _, _, held @ .., last] = *voter.as_bytes();
        let [.., high, middle, low] = held;
        (
            u32::from_be_bytes([high, middle, low, last]) & self.mask,
            held,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_shards_share_their_buckets_and_many_have_enough_each() {
        let buckets = |shards| VoterPlaces::new(shards).mask + 1;
        assert_eq!(buckets(1), 16_384);
        assert_eq!(buckets(2) * 2, 16_384);
        assert_eq!(buckets(4) * 4, 16_384);
        assert_eq!(buckets(8), 4_096);
        assert_eq!(buckets(256), 4_096);
    }

    #[test]
    fn a_voter_is_a_bucket_and_twelve_bytes() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff, 0xfe];
        let (bucket, held) = VoterPlaces::new(1).place(&VoterDigest::from_bytes(bytes));
        assert_eq!(bucket, 0x3ffe);
        assert_eq!(held, bytes[3..15]);
    }

    #[test]
    fn hours_of_a_voter_are_told_apart_by_each_bit_of_their_half() {
        let of = |bytes| VoterPlaces::new(256).place(&VoterDigest::from_bytes(bytes));
        let voter = [7; 16];
        for byte in 8..16 {
            for bit in 0..8 {
                let mut hour = voter;
                hour[byte] ^= 1 << bit;
                assert_ne!(of(hour), of(voter), "byte {byte}, bit {bit}");
            }
        }
    }
}
