//! The seeded hash that every table of the process shares.
//!
//! rapidhash v3 is fast on short keys, but it does not promise to resist somebody who sends keys and
//! watches what happens. So all its secrets come from the operating system once per process, positions
//! shown to clients are salted hash bits only, and a table whose chains grow suspiciously long re-seeds
//! that one segment with SipHash-1-3 under a key that rapidhash never touches (see `resize`).
//!
//! The expanded secrets are 88 bytes, too many to copy into each of thousands of tables. A [`HashSeed`]
//! is therefore one pointer into a process-wide list in which equal seeds share one place. The list only
//! grows; a server makes one seed at boot.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::sync::{Mutex, OnceLock, PoisonError};

/// What keys are hashed with. Equal seeds give equal hashes, in every table of the process.
#[derive(Clone, Copy)]
pub struct HashSeed(&'static Secrets);

struct Secrets {
    words: [u64; 3],
    rapid: RapidSecrets,
    /// Tests collapse the hash to few values with it.
    #[cfg(test)]
    mask: u64,
}

static PROCESS: OnceLock<HashSeed> = OnceLock::new();
static KNOWN: Mutex<Vec<&'static Secrets>> = Mutex::new(Vec::new());

impl HashSeed {
    /// Expands 192 random bits, which should come from the operating system: the first word seeds
    /// rapidhash, the other two are the SipHash key of re-seeded segments.
    pub fn random_from(words: [u64; 3]) -> Self {
        let seed = Self::intern(Secrets {
            words,
            rapid: RapidSecrets::seed(words[0]),
            #[cfg(test)]
            mask: u64::MAX,
        });
        PROCESS.get_or_init(|| seed);
        seed
    }

    /// A seed under which all hashes agree in the bits that `mask` clears.
    #[cfg(test)]
    pub(crate) fn masked(mask: u64) -> Self {
        Self::intern(Secrets { words: [1, 2, 3], rapid: RapidSecrets::seed(1), mask })
    }

    /// The seed of collections: the first one made from random words, because a server makes one and every
    /// structure of its process may share it. Without any, a fixed one (tests of single structures).
    pub fn of_process() -> Self {
        match PROCESS.get() {
            Some(seed) => *seed,
            None => Self::random_from([1, 2, 3]),
        }
    }

    fn intern(secrets: Secrets) -> Self {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |s: &&&'static Secrets| {
            #[cfg(test)]
            if s.mask != secrets.mask {
                return false;
            }
            s.words == secrets.words
        };
        if let Some(found) = known.iter().find(same) {
            return Self(found);
        }
        let place: &'static Secrets = Box::leak(Box::new(secrets));
        known.push(place);
        Self(place)
    }

    /// The position of `key` in hash space.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let hash = rapidhash_v3_inline::<true, false, false>(key, &self.0.rapid);
        #[cfg(test)]
        let hash = hash & self.0.mask;
        hash
    }

    /// The hash that places keys inside a re-seeded segment.
    pub(super) fn sip(&self, key: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.0.words[1], self.0.words[2]);
        hasher.write(key);
        hasher.finish()
    }
}

impl std::fmt::Debug for HashSeed {
    /// The secrets must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashSeed(..)")
    }
}
