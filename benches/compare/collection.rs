//! Big values: what their elements look like and how they are built.
//!
//! | value  | element |
//! |--------|---------|
//! | list   | 16 bytes, `elm:` and 12 digits |
//! | set    | 14 bytes, `m:` and 12 digits |
//! | hash   | a field of 14 bytes, `f:` and 12 digits, and a value of 16 |
//! | zset   | a member of 14 bytes and a score, which is the number of the member before |
//! | stream | an entry of one field and value, as in a hash |

use crate::client::{Connection, pour, request};

/// Elements that one building request adds, where a command takes several. Sizes are multiples of it.
const AT_ONCE: u64 = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    List,
    Set,
    Hash,
    Zset,
    Stream,
}

impl Collection {
    pub const ALL: [Collection; 5] =
        [Collection::List, Collection::Set, Collection::Hash, Collection::Zset, Collection::Stream];

    pub fn name(self) -> &'static str {
        match self {
            Collection::List => "list",
            Collection::Set => "set",
            Collection::Hash => "hash",
            Collection::Zset => "zset",
            Collection::Stream => "stream",
        }
    }

    /// The command that adds elements.
    pub fn adding(self) -> &'static str {
        match self {
            Collection::List => "RPUSH",
            Collection::Set => "SADD",
            Collection::Hash => "HSET",
            Collection::Zset => "ZADD",
            Collection::Stream => "XADD",
        }
    }

    /// The command that counts them.
    pub fn counting(self) -> &'static str {
        match self {
            Collection::List => "LLEN",
            Collection::Set => "SCARD",
            Collection::Hash => "HLEN",
            Collection::Zset => "ZCARD",
            Collection::Stream => "XLEN",
        }
    }

    /// An element as it stands in the adding command, with places for its number.
    pub fn element(self) -> &'static [&'static str] {
        match self {
            Collection::List => &["elm:000000000000"],
            Collection::Set => &["m:000000000000"],
            Collection::Hash => &["f:000000000000", "000000000000xxxx"],
            Collection::Zset => &["000000000000", "m:000000000000"],
            Collection::Stream => &["*", "f:000000000000", "000000000000xxxx"],
        }
    }

    /// A request that adds that many elements.
    pub fn add(self, key: &str, elements: u64) -> Vec<u8> {
        let repeated = (0..elements).flat_map(|_| self.element()).copied();
        request(&[self.adding(), key].into_iter().chain(repeated).collect::<Vec<_>>())
    }

    /// Lines of the reply to it.
    pub fn reply_lines(self) -> usize {
        if self == Collection::Stream { 2 } else { 1 }
    }

    /// Adds the elements with the numbers from `begin` to `end`; `total` of them are told apart.
    pub fn extend(self, connection: &mut Connection, key: &str, begin: u64, end: u64, total: u64) {
        let at_once = if self == Collection::Stream { 1 } else { AT_ONCE };
        let one = self.add(key, at_once);
        pour(connection, &one, self.reply_lines(), begin..end, |number| shuffled(number, total));
    }

    /// Builds a value of that many elements.
    pub fn build(self, connection: &mut Connection, key: &str, elements: u64) {
        self.extend(connection, key, 0, elements, elements);
        assert_eq!(self.len(connection, key), elements);
    }

    pub fn len(self, connection: &mut Connection, key: &str) -> u64 {
        connection.ask(&format!("{} {key}", self.counting())).parse().unwrap()
    }
}

/// The numbers below `total` in an order without order, each once.
fn shuffled(number: u64, total: u64) -> u64 {
    // A prime, which no total is a multiple of.
    number * 2_654_435_761 % total
}
