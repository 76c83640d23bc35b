//! Small tools that know nothing of Redis's data or the server: clock, chance, numbers, text, globs, checksums.
//!
//! Everything here is total (any input gives an answer or `None`, never a panic) and free of global
//! state. The numeric modules reproduce Redis's reading and printing byte for byte; their test
//! tables were taken from a running Redis 8.

#[macro_use]
pub mod never;

pub mod clock;
pub mod crc;
pub mod digits;
pub mod file;
pub mod float;
pub mod glob;
mod grisu;
mod hexfloat;
pub mod longdouble;
pub mod machine;
pub mod num;
pub mod rng;
pub mod sha1;
pub mod sync;
pub mod text;
pub mod words;
