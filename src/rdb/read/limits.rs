//! Up to where values that are read stay packed.

use crate::config::Config;
use crate::value::{hash, list, set, zset};

/// The thresholds of all kinds, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub list: list::Limits,
    pub set: set::Limits,
    pub zset: zset::Limits,
    pub hash: hash::Limits,
}

impl Limits {
    pub fn of(config: &Config) -> Limits {
        let bounded = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Limits {
            list: list::Limits { max_listpack_size: config.list_max_listpack_size },
            set: set::Limits {
                max_intset_entries: config.set_max_intset_entries,
                max_listpack_entries: config.set_max_listpack_entries,
                max_listpack_value: config.set_max_listpack_value,
            },
            zset: zset::Limits {
                entries: bounded(config.zset_max_listpack_entries),
                value: bounded(config.zset_max_listpack_value),
            },
            hash: hash::Limits {
                entries: bounded(config.hash_max_listpack_entries),
                value_bytes: bounded(config.hash_max_listpack_value),
            },
        }
    }
}

impl Default for Limits {
    /// Those of a server without a configuration.
    fn default() -> Limits {
        Limits {
            list: list::Limits { max_listpack_size: -2 },
            set: set::Limits { max_intset_entries: 512, max_listpack_entries: 128, max_listpack_value: 64 },
            zset: zset::Limits { entries: 128, value: 64 },
            hash: hash::Limits { entries: 512, value_bytes: 64 },
        }
    }
}
