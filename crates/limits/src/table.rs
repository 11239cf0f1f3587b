//! What is remembered of who has come: a table whose size is set once, however many come.
//!
//! A slot has 16 bytes: two times of 48 bits, one for each class, and 32 bits by which its owner is known. Which slots can be
//! somebody's follows from a keyed hash: eight in one bucket and eight in another. A slot is free once both of its times have
//! passed, for that says no more than nothing. So nobody's state is forgotten while it says anything, whoever else comes: where
//! all sixteen are somebody's, the next one is not remembered, and is told so.
//!
//! Two are taken for one where place and 32 bits agree: with a million of them by a chance of two in a thousand that there is such a
//! pair at all.

use std::hash::{BuildHasher, Hash, RandomState};

use parking_lot::{Mutex, MutexGuard};

/// Slots of a bucket.
const SLOTS: usize = 8;

/// Two words a slot.
type Bucket = [u64; BUCKET_WORDS];

/// Words of a bucket.
const BUCKET_WORDS: usize = 2 * SLOTS;

/// Bytes of a bucket.
const BUCKET_BYTES: usize = size_of::<Bucket>();

/// Words of a line of the processor's cache.
const LINE_WORDS: usize = 64 / size_of::<u64>();

/// Parts with a lock each, as a power of two: threads seldom meet.
const SHARD_BITS: u32 = 6;
const SHARDS: usize = 1 << SHARD_BITS;

/// Parts that are counted in place of all.
const SAMPLED: usize = 8;

/// Bits of each word that are a part of the owner's.
const TAG_BITS: u32 = 16;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;

/// The latest time that a slot can hold: nearly nine years of microseconds.
pub(crate) const LATEST: u64 = u64::MAX >> TAG_BITS;

/// The times of those that have come.
pub(crate) struct Table<S = RandomState> {
    shards: Box<[Mutex<Buckets>]>,
    /// Of each shard.
    buckets: u64,
    hasher: S,
}

/// The buckets of a shard.
struct Buckets {
    words: Vec<u64>,
    /// Where the first begins: with a line of the cache, so that a bucket lies in two lines, and not in three.
    from: usize,
}

/// The slot of somebody; nobody else's changes meanwhile.
pub(crate) struct Place<'t> {
    shard: MutexGuard<'t, Buckets>,
    bucket: usize,
    slot: usize,
    tag: u32,
    /// Its times.
    pub(crate) times: [u64; 2],
}

impl Buckets {
    fn new(buckets: usize) -> Self {
        // Zeroed pages: the kernel gives them when they are first written.
        let words = vec![0; buckets * BUCKET_WORDS + LINE_WORDS];
        let from = words.as_ptr().align_offset(LINE_WORDS * size_of::<u64>());
        Self {
            words,
            from: from.min(LINE_WORDS),
        }
    }

    /// All of them.
    fn all(&self) -> &[Bucket] {
        let (buckets, _rest) = self.words[self.from..].as_chunks();
        buckets
    }

    fn slot(&mut self, bucket: usize, slot: usize) -> &mut [u64] {
        let at = self.from + bucket * BUCKET_WORDS + 2 * slot;
        &mut self.words[at..at + 2]
    }
}

impl Table {
    /// One of at most so many bytes, with what an allocator takes for it, whose hash nobody knows.
    pub(crate) fn new(bytes: usize) -> Self {
        Self::with_hasher(bytes, RandomState::new())
    }
}

impl<S: BuildHasher> Table<S> {
    fn with_hasher(bytes: usize, hasher: S) -> Self {
        // What an allocator takes beside that is some thousandths to a fortieth, measured: with it the process is larger by no more than was said.
        let bytes = bytes - bytes / 32;
        let buckets = (bytes / BUCKET_BYTES / SHARDS).max(2);
        let shard = || Mutex::new(Buckets::new(buckets));
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            buckets: buckets as u64,
            hasher,
        }
    }

    /// How many it can remember.
    pub(crate) fn slots(&self) -> usize {
        self.bytes() / BUCKET_BYTES * SLOTS
    }

    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        let buckets = usize::try_from(self.buckets).unwrap_or(usize::MAX);
        buckets * SHARDS * BUCKET_BYTES
    }

    /// About how many it remembers now: counted in a part of it, which the hash has made like all others.
    pub(crate) fn in_use(&self, now: u64) -> usize {
        let sampled = self.shards.iter().take(SAMPLED).map(|shard| {
            let shard = shard.lock();
            let slots = shard.all().iter().flat_map(|bucket| bucket.chunks_exact(2));
            slots.filter(|slot| is_active(slot, now)).count()
        });
        sampled.sum::<usize>() * (SHARDS / SAMPLED)
    }

    /// The slot of that key: its own, or a free one. `None` where there is neither.
    pub(crate) fn place(&self, key: impl Hash, now: u64) -> Option<Place<'_>> {
        let hash = self.hasher.hash_one(key);
        let (shard, [first, second], tag) = self.places(hash);
        let shard = self.shards[shard].lock();
        let buckets = shard.all();
        let own = |bucket: usize| own(&buckets[bucket], tag, now).map(|slot| (bucket, slot));
        // Most have theirs in the first, and the second is another line of the cache.
        let (bucket, slot, times) = if let Some((bucket, slot)) = own(first).or_else(|| own(second))
        {
            (bucket, slot, times_of(&buckets[bucket][2 * slot..]))
        } else {
            let free = |bucket: usize| free(&buckets[bucket], now).map(|slot| (slot, bucket));
            // Into the emptier one, so that both fill up evenly: the first free slot says about how many are taken, for it is taken next.
            let emptier = match (free(first), free(second)) {
                (Some(one), Some(other)) => Some(if one.0 <= other.0 { one } else { other }),
                (one, other) => one.or(other),
            };
            let (slot, bucket) = emptier?;
            (bucket, slot, [0; 2])
        };
        Some(Place {
            shard,
            bucket,
            slot,
            tag,
            times,
        })
    }

    /// Shard, buckets and tag of a hash. The second bucket follows from the first and the tag, so that who has the same tag is
    /// taken for another only where both of its buckets are the other's.
    fn places(&self, hash: u64) -> (usize, [usize; 2], u32) {
        const BITS: u32 = 32 - SHARD_BITS;
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let tag = hash as u32;
        let shard = hash >> (64 - SHARD_BITS);
        let first = (((hash >> 32) & ((1 << BITS) - 1)) * self.buckets) >> BITS;
        let mixed = u64::from(tag.wrapping_mul(0x9E37_79B1));
        let step = 1 + ((mixed * (self.buckets - 1)) >> 32);
        // Both are below the number of buckets: once around at most.
        let sum = first + step;
        let second = sum.checked_sub(self.buckets).unwrap_or(sum);
        // All are below a number that was a `usize`.
        let index = |number: u64| usize::try_from(number).unwrap_or_default();
        (index(shard), [index(first), index(second)], tag)
    }
}

/// The slot of that tag, if there is one that says anything. Tags are compared first: that costs the least, and hardly any other has it.
fn own(bucket: &Bucket, tag: u32, now: u64) -> Option<usize> {
    let [high, low] = halves(tag);
    let mut slots = bucket.chunks_exact(2);
    slots.position(|slot| {
        slot[0] & TAG_MASK == high && slot[1] & TAG_MASK == low && is_active(slot, now)
    })
}

/// The first free slot.
fn free(bucket: &Bucket, now: u64) -> Option<usize> {
    bucket
        .chunks_exact(2)
        .position(|slot| !is_active(slot, now))
}

/// The part of a tag in each of two words.
fn halves(tag: u32) -> [u64; 2] {
    [tag >> TAG_BITS, tag & 0xffff].map(u64::from)
}

fn times_of(slot: &[u64]) -> [u64; 2] {
    [slot[0] >> TAG_BITS, slot[1] >> TAG_BITS]
}

fn is_active(slot: &[u64], now: u64) -> bool {
    let [one, other] = times_of(slot);
    one.max(other) > now
}

impl Place<'_> {
    /// Keeps these times.
    pub(crate) fn keep(mut self, times: [u64; 2]) {
        let words = self.shard.slot(self.bucket, self.slot);
        let [high, low] = halves(self.tag);
        words[0] = (times[0].min(LATEST) << TAG_BITS) | high;
        words[1] = (times[1].min(LATEST) << TAG_BITS) | low;
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasherDefault, Hasher};

    use proptest::prelude::*;

    use super::*;

    const MIB: usize = 1 << 20;

    /// Gives the key itself: whoever knew the hash could choose places so.
    #[derive(Default)]
    struct Known(u64);

    impl Hasher for Known {
        fn finish(&self) -> u64 {
            self.0
        }

        fn write(&mut self, bytes: &[u8]) {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[..8]);
            self.0 = u64::from_le_bytes(word);
        }

        fn write_u128(&mut self, number: u128) {
            self.write(&number.to_le_bytes());
        }
    }

    fn known(bytes: usize) -> Table<BuildHasherDefault<Known>> {
        Table::with_hasher(bytes, BuildHasherDefault::default())
    }

    #[test]
    fn it_takes_what_it_was_given() {
        let table = Table::new(24 * MIB);
        assert_eq!(table.bytes(), 24 * MIB / 32 * 31);
        assert_eq!(table.slots(), table.bytes() / 16);
        assert!(Table::new(0).slots() > 0);
    }

    #[test]
    fn times_are_kept_until_both_have_passed() {
        let table = Table::new(MIB);
        let place = table.place(7_u128, 100).expect("room");
        assert_eq!(place.times, [0, 0]);
        place.keep([200, 300]);
        let times = |now| table.place(7_u128, now).expect("room").times;
        assert_eq!(times(100), [200, 300]);
        assert_eq!(times(299), [200, 300]);
        assert_eq!(times(300), [0, 0]);
        assert_eq!(table.place(8_u128, 100).expect("room").times, [0, 0]);
        table.place(9_u128, 0).expect("room").keep([u64::MAX, 0]);
        assert_eq!(table.place(9_u128, 1).expect("room").times, [LATEST, 0]);
    }

    #[test]
    fn whoever_chooses_places_pushes_nobody_out() {
        let table = known(MIB);
        // All of the same two buckets: the tag is what they differ by, and the second bucket follows from it.
        let tags = 0..10_000_u128;
        let same: Vec<u128> = tags
            .filter(|tag| table.places(hash(*tag)).1 == table.places(0).1)
            .collect();
        assert!(same.len() > 20, "{}", same.len());
        let (kept, turned_away) = same.split_at(16);
        for key in kept {
            table.place(*key, 0).expect("room").keep([1000, 0]);
        }
        for key in turned_away {
            assert!(table.place(*key, 0).is_none());
        }
        for key in kept {
            assert_eq!(table.place(*key, 999).expect("its own").times, [1000, 0]);
        }
        // Once they have passed there is room again.
        table
            .place(turned_away[0], 1000)
            .expect("room")
            .keep([2000, 0]);
    }

    fn hash(key: u128) -> u64 {
        u64::try_from(key).expect("small")
    }

    #[test]
    fn it_is_nearly_full_before_anybody_is_turned_away() {
        let table = Table::new(4 * MIB);
        let mut taken = 0_u128;
        while let Some(place) = table.place(taken, 0) {
            place.keep([10, 0]);
            taken += 1;
        }
        let share = 100 * usize::try_from(taken).expect("small") / table.slots();
        assert!(share >= 66, "{share} %");
    }

    #[test]
    fn counted_in_part_it_is_about_right() {
        let table = Table::new(4 * MIB);
        for key in 0..100_000_u128 {
            table.place(key, 0).expect("room").keep([10, 0]);
        }
        let counted = table.in_use(5);
        assert!((95_000..105_000).contains(&counted), "{counted}");
        assert_eq!(table.in_use(10), 0);
    }

    proptest! {
        /// Beside a map that forgets nothing.
        #[test]
        fn nothing_is_forgotten_before_its_time(
            steps in prop::collection::vec((0_u128..200, 0_u64..50, 0_u64..400, 0_u64..400), 1..400),
        ) {
            let table = Table::new(MIB);
            let mut model = std::collections::HashMap::new();
            let mut now = 0;
            for (key, passed, first, second) in steps {
                now += passed;
                let place = table.place(key, now).expect("room for all");
                let expected: [u64; 2] = model.get(&key).copied().unwrap_or_default();
                let is_active = expected.iter().any(|time| *time > now);
                prop_assert_eq!(place.times, if is_active { expected } else { [0; 2] });
                let times = [now + first, now + second];
                place.keep(times);
                model.insert(key, times);
            }
        }
    }
}
