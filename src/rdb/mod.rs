//! RDB: the format of snapshot files, of DUMP payloads and of full syncs, both ways. No files here, only bytes.
//!
//! ```text
//! REDIS0011                                 magic and version
//! fa name text …                            about the writer
//! f5 text …                                 libraries of functions
//! fe db  fb keys volatile                   a database and how big it is
//!    fc deadline  f8 idle | f9 frequency    of the key that follows, each only if there is one
//!    type name value                        a key
//!    …
//! ff checksum                               CRC-64 of all before it
//! ```
//!
//! * `write` encodes: small things at once, big values with a pause after every element, so that whoever takes the bytes
//!   away decides how many there are ever at a time; `write::Draft` is what is put down under a lock, to be finished without.
//! * `read` decodes every version of Redis (1 to 13) and of Valkey (80 and later) item by item from any `io::Read`.
//! * [`dump`] wraps one value with version and checksum, for DUMP, RESTORE and MIGRATE.
//! * [`lzf`] compresses texts.
//!
//! **Invariant:** what [`read`] gives is whole and sound: every length, order, count and duplicate is checked, so that the
//! rest of the server may trust it. No length from outside allocates more than the bytes that arrived allow.

pub mod dump;
pub mod lzf;
pub mod read;
pub mod write;

#[cfg(test)]
mod tests;

/// The version that files have if nothing in them needs a later one: that of Redis 7.2, which Valkey 8 reads too.
pub const VERSION_COMMON: u32 = 11;
/// The first version that knows fields with deadlines: that of Redis 7.4 and 8.0.
pub const VERSION_FIELD_DEADLINES: u32 = 12;
/// The latest version of Redis that is read.
pub const VERSION_MAX: u32 = 13;
/// The first version of Valkey's own; versions between are neither's.
pub const VERSION_VALKEY: u32 = 80;
/// The last version that Valkey's magic has room for.
pub const VERSION_VALKEY_MAX: u32 = 999;

/// Marks of a file that are no types of values.
pub(crate) mod mark {
    pub const SLOT_IMPORT: u8 = 243;
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION: u8 = 245;
    pub const FUNCTION_PRE_GA: u8 = 246;
    pub const MODULE_AUX: u8 = 247;
    pub const IDLE: u8 = 248;
    pub const FREQUENCY: u8 = 249;
    pub const AUX: u8 = 250;
    pub const RESIZE: u8 = 251;
    pub const DEADLINE_MS: u8 = 252;
    pub const DEADLINE_SECONDS: u8 = 253;
    pub const SELECT: u8 = 254;
    pub const END: u8 = 255;
}

/// Types of values, as files tell them.
pub(crate) mod kind {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    pub const ZSET_2: u8 = 5;
    pub const MODULE_PRE_GA: u8 = 6;
    pub const MODULE_2: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM_1: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_3: u8 = 21;
    /// Of Valkey, fields with deadlines; of release candidates of Redis 7.4, the same in another way.
    pub const HASH_METADATA_PRE_GA: u8 = 22;
    pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    pub const HASH_METADATA: u8 = 24;
    pub const HASH_LISTPACK_EX: u8 = 25;

    /// Its name, for people.
    pub fn name(kind: u8) -> &'static str {
        match kind {
            STRING => "string",
            LIST => "list-linked",
            SET => "set-hashtable",
            ZSET => "zset-v1",
            HASH => "hash-hashtable",
            ZSET_2 => "zset-v2",
            MODULE_PRE_GA => "module-pre-release",
            MODULE_2 => "module-value",
            HASH_ZIPMAP => "hash-zipmap",
            LIST_ZIPLIST => "list-ziplist",
            SET_INTSET => "set-intset",
            ZSET_ZIPLIST => "zset-ziplist",
            HASH_ZIPLIST => "hash-ziplist",
            LIST_QUICKLIST => "quicklist",
            STREAM_1 => "stream",
            HASH_LISTPACK => "hash-listpack",
            ZSET_LISTPACK => "zset-listpack",
            LIST_QUICKLIST_2 => "quicklist-v2",
            STREAM_2 => "stream-v2",
            SET_LISTPACK => "set-listpack",
            STREAM_3 => "stream-v3",
            HASH_METADATA_PRE_GA => "hash-hashtable-md-pre-release",
            HASH_LISTPACK_EX_PRE_GA => "hash-listpack-md-pre-release",
            HASH_METADATA => "hash-hashtable-md",
            HASH_LISTPACK_EX => "hash-listpack-md",
            _ => "unknown",
        }
    }
}

/// First bytes of lengths and of encoded texts.
pub(crate) mod length {
    pub const BITS_32: u8 = 0x80;
    pub const BITS_64: u8 = 0x81;
    pub const INT_8: u8 = 0xc0;
    pub const INT_16: u8 = 0xc1;
    pub const INT_32: u8 = 0xc2;
    pub const LZF: u8 = 0xc3;
}

/// How nodes of a long list are kept.
pub(crate) mod node {
    pub const PLAIN: u64 = 1;
    pub const PACKED: u64 = 2;
}
