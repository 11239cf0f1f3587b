//! Tokens that were verified a moment ago: a voter sends the same one with each vote.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::voter::Voter;

/// Threads of the web server rarely want the same part at a time.
const PARTS: usize = 16;

/// What a token is known by. Of a digest that is no secret and no checksum: whoever finds another token of the same digest has
/// broken SHA-256.
pub(crate) type TokenDigest = [u8; 32];

/// A verified token.
#[derive(Clone)]
struct Entry {
    voter: Voter,
    /// Until when it holds, in seconds since 1970.
    until: f64,
    /// The set of keys that it was verified with: of another one, it has to be verified anew.
    generation: u64,
}

/// At most as many tokens as was said, and half of that at least where so many come.
pub(crate) struct Seen {
    parts: Vec<Mutex<Part>>,
    /// Half of the most of a part.
    most: usize,
}

/// When the young are enough, they become the old, and who was old is forgotten.
#[derive(Default)]
struct Part {
    young: HashMap<TokenDigest, Arc<Entry>>,
    old: HashMap<TokenDigest, Arc<Entry>>,
}

impl Seen {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            most: most / PARTS / 2,
        }
    }

    /// Whom the token names, if it is known, and holds now by this set of keys.
    pub(crate) fn get(&self, digest: &TokenDigest, now: f64, generation: u64) -> Option<Voter> {
        let mut part = self.part(digest).lock();
        let entry = match part.young.get(digest) {
            Some(entry) => Arc::clone(entry),
            None => {
                let entry = part.old.remove(digest)?;
                part.add(*digest, Arc::clone(&entry), self.most);
                entry
            }
        };
        drop(part);
        (entry.generation == generation && now < entry.until).then(|| entry.voter.clone())
    }

    pub(crate) fn add(&self, digest: TokenDigest, voter: Voter, until: f64, generation: u64) {
        let entry = Arc::new(Entry {
            voter,
            until,
            generation,
        });
        let mut part = self.part(&digest).lock();
        part.add(digest, entry, self.most);
    }

    fn part(&self, digest: &TokenDigest) -> &Mutex<Part> {
        &self.parts[usize::from(digest[0]) % PARTS]
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let of_part = |part: &Mutex<Part>| {
            let part = part.lock();
            part.young.len() + part.old.len()
        };
        self.parts.iter().map(of_part).sum()
    }
}

impl Part {
    fn add(&mut self, digest: TokenDigest, entry: Arc<Entry>, most: usize) {
        if most == 0 {
            return;
        }
        if self.young.len() >= most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u32) -> TokenDigest {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&n.to_le_bytes());
        digest
    }

    fn voter() -> Voter {
        Voter::new("maria".to_owned(), None)
    }

    #[test]
    fn a_token_is_known_until_its_time_and_by_its_keys() {
        let seen = Seen::new(1000);
        seen.add(digest(1), voter(), 100.0, 7);
        assert!(seen.get(&digest(1), 99.0, 7).is_some());
        assert!(seen.get(&digest(1), 100.0, 7).is_none());
        assert!(seen.get(&digest(1), 99.0, 8).is_none());
        assert!(seen.get(&digest(2), 99.0, 7).is_none());
    }

    #[test]
    fn memory_is_bounded_and_who_comes_again_stays() {
        let seen = Seen::new(1024);
        for n in 1..100_000 {
            seen.add(digest(n), voter(), 100.0, 1);
            seen.get(&digest(1), 1.0, 1);
            assert!(n % 1000 != 0 || seen.len() <= 1024);
        }
        assert!(seen.get(&digest(1), 1.0, 1).is_some());
        assert!(seen.get(&digest(2), 1.0, 1).is_none());
        let none = Seen::new(0);
        none.add(digest(1), voter(), 100.0, 1);
        assert!(none.get(&digest(1), 1.0, 1).is_none());
    }
}
