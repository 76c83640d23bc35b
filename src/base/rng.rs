//! Chance: a small, fast, seeded generator, and real randomness from the operating system to seed it.
//!
//! The generator is xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number
//! generators", 2019), its state filled from one seed by SplitMix64 as its authors advise. It is for
//! sampling (`RANDOMKEY`, `SPOP`, eviction) and never for secrets: whoever sees its output can
//! predict it. Ids and tokens take [`os_seed`] directly.
//!
//! Nothing here is global: whoever needs chance owns an [`Rng`], so one seed replays a whole run.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::Read;

/// A seeded generator.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// A generator whose whole sequence follows from `seed`.
    pub fn from_seed(mut seed: u64) -> Rng {
        Rng { state: std::array::from_fn(|_| split_mix(&mut seed)) }
    }

    /// A generator seeded by the operating system.
    pub fn from_os() -> Rng {
        let state = os_seed();
        // The one forbidden state: xoshiro would answer zero for ever.
        if state == [0; 4] { Rng::from_seed(1) } else { Rng { state } }
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number in `0..n`, every one equally likely; 0 for `n == 0`.
    ///
    /// The high half of a 128-bit product is the answer; the few products that would favour small
    /// numbers are drawn again (Lemire, "Fast random integer generation in an interval", 2019).
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if (product as u64) < n {
            let threshold = n.wrapping_neg() % n;
            while (product as u64) < threshold {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// An index into a collection of `len` items; 0 for an empty one.
    #[inline]
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number in `0.0..1.0` with 53 random bits.
    #[inline]
    pub fn unit_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Overwrites `bytes` with random ones.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next_u64().to_le_bytes();
            for (byte, random) in chunk.iter_mut().zip(random) {
                *byte = random;
            }
        }
    }
}

fn split_mix(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 256 bits that nobody can predict, from the operating system.
///
/// Where the random device is out of reach (a chroot without `/dev`), the keys that the standard
/// library draws from the kernel for its hash maps stand in: 128 bits of entropy instead of 256.
pub fn os_seed() -> [u64; 4] {
    let mut bytes = [0u8; 32];
    match std::fs::File::open("/dev/urandom").and_then(|mut device| device.read_exact(&mut bytes)) {
        Ok(()) => {
            let (words, _) = bytes.as_chunks::<8>();
            std::array::from_fn(|i| words.get(i).map_or(0, |word| u64::from_le_bytes(*word)))
        }
        Err(_) => {
            let keys = RandomState::new();
            std::array::from_fn(|i| {
                let mut hasher = keys.build_hasher();
                hasher.write_usize(i);
                hasher.finish()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_and_xoshiro_give_their_published_values() {
        let mut seed = 1_234_567;
        assert_eq!(split_mix(&mut seed), 6_457_827_717_110_365_317);
        assert_eq!(split_mix(&mut seed), 3_203_168_211_198_807_973);
        let mut rng = Rng { state: [1, 2, 3, 4] };
        assert_eq!(
            [rng.next_u64(), rng.next_u64(), rng.next_u64()],
            [41_943_041, 58_720_359, 3_588_806_011_781_223]
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_sequence() {
        let (mut a, mut b) = (Rng::from_seed(9), Rng::from_seed(9));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        assert_ne!(Rng::from_seed(9).next_u64(), Rng::from_seed(10).next_u64());
    }

    #[test]
    fn below_covers_its_range_evenly_and_never_leaves_it() {
        let mut rng = Rng::from_seed(1);
        let mut seen = [0u32; 6];
        for _ in 0..60_000 {
            seen[rng.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (9_500..10_500).contains(&count)), "{seen:?}");
        assert_eq!((rng.below(0), rng.below(1), rng.index(0)), (0, 0, 0));
        // A range just above half of all numbers is where a plain modulo is most unfair.
        let n = (1u64 << 63) + 1;
        let low = (0..10_000).filter(|_| rng.below(n) < n / 2).count();
        assert!((4_700..5_300).contains(&low), "{low}");
    }

    #[test]
    fn fill_reaches_every_byte_of_odd_lengths() {
        let mut rng = Rng::from_seed(2);
        let mut sum = [0u8; 13];
        for _ in 0..20 {
            let mut bytes = [0u8; 13];
            rng.fill(&mut bytes);
            sum.iter_mut().zip(bytes).for_each(|(sum, byte)| *sum |= byte);
        }
        assert!(sum.iter().all(|&byte| byte != 0));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&rng.unit_f64())));
    }

    #[test]
    fn the_operating_system_does_not_repeat_itself() {
        assert_ne!(os_seed(), os_seed());
        assert_ne!(Rng::from_os().next_u64(), Rng::from_os().next_u64());
    }
}
