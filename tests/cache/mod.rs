//! What a cache is compared with: keys as unevenly wanted as they are in practice, and a cache that knows the exact order.

use std::collections::{BTreeSet, HashMap};

/// Numbers below `len`, the n-th in proportion to `1 / (n + 1)`.
pub struct Zipf(Vec<f64>);

impl Zipf {
    pub fn new(len: usize) -> Zipf {
        let mut sum = 0.0;
        Zipf(
            (1..=len)
                .map(|rank| {
                    sum += 1.0 / rank as f64;
                    sum
                })
                .collect(),
        )
    }

    /// The number for a chance between 0 and 1.
    pub fn at(&self, chance: f64) -> usize {
        let total = self.0.last().copied().unwrap_or_default();
        self.0.partition_point(|sum| *sum < chance * total)
    }
}

/// Which entry goes: the one that is least by this.
type Order = fn(Use) -> (u64, u64);

/// How often an entry was used since it came, and when last.
#[derive(Clone, Copy)]
pub struct Use {
    count: u64,
    last: u64,
}

/// A cache whose victims are exactly the right ones.
pub struct Exact {
    order: Order,
    capacity: usize,
    entries: HashMap<usize, Use>,
    victims: BTreeSet<((u64, u64), usize)>,
    clock: u64,
}

impl Exact {
    /// The longest unused goes.
    pub fn lru(capacity: usize) -> Exact {
        Exact::by(|it| (it.last, 0), capacity)
    }

    /// The least used goes, of those used equally little the longest unused.
    pub fn lfu(capacity: usize) -> Exact {
        Exact::by(|it| (it.count, it.last), capacity)
    }

    fn by(order: Order, capacity: usize) -> Exact {
        Exact { order, capacity, entries: HashMap::new(), victims: BTreeSet::new(), clock: 0 }
    }

    /// Looks for a key, and puts it in if it is not there; whether it was.
    pub fn access(&mut self, key: usize) -> bool {
        self.clock += 1;
        let known = self.entries.get(&key).copied();
        match known {
            Some(known) => {
                self.victims.remove(&((self.order)(known), key));
            }
            None if self.entries.len() >= self.capacity => {
                let victim = self.victims.pop_first();
                victim.and_then(|(_, victim)| self.entries.remove(&victim));
            }
            None => {}
        }
        let used = Use { count: known.map_or(0, |known| known.count) + 1, last: self.clock };
        self.entries.insert(key, used);
        self.victims.insert(((self.order)(used), key));
        known.is_some()
    }
}
