//! The generic family: commands about keys, whatever their values are, and about whole databases.
//!
//! | file | commands |
//! |---|---|
//! | [`delete`] | DEL, UNLINK |
//! | [`look`] | EXISTS, TOUCH, TYPE |
//! | [`ttl`] | TTL, PTTL, EXPIRETIME, PEXPIRETIME, PERSIST |
//! | [`expire`] | EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT |
//! | [`rename`] | RENAME, RENAMENX |
//! | [`copy`] | COPY, MOVE |
//! | [`dump`] | DUMP, RESTORE |
//! | [`migrate`] | MIGRATE |
//! | [`walk`] | KEYS, SCAN, RANDOMKEY, DBSIZE |
//! | [`object`] | OBJECT |
//! | [`databases`] | FLUSHDB, FLUSHALL, SWAPDB |

pub mod copy;
pub mod databases;
pub mod delete;
pub mod dump;
pub mod expire;
pub mod look;
pub mod migrate;
pub mod object;
pub mod rename;
pub mod sort;
pub mod ttl;
pub mod walk;
