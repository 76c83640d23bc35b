//! Data structures that know nothing of Redis: they could be extracted as they are.
//!
//! Together with `alloc` this is the only home of `unsafe`. The rules for it: each file that needs it
//! says at its top why, keeps raw pointers behind a small safe surface, and proves every use where it
//! stands. Everything above this module is safe Rust.

pub mod bits;
pub mod blob;
pub mod breaks;
pub mod door;
pub mod hll;
pub mod intset;
pub mod listpack;
pub mod member;
pub mod owned;
pub mod prefetch;
pub mod quicklist;
pub mod shared_vec;
pub mod table;
pub mod tree;
