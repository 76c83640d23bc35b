//! What can be wrong with a file or a payload, and where.

/// Something is wrong at `offset` bytes from the start.
#[derive(Debug, thiserror::Error)]
#[error("{what} at offset {offset}")]
pub struct Error {
    pub offset: u64,
    pub what: What,
}

#[derive(Debug, thiserror::Error)]
pub enum What {
    #[error("reading failed: {0}")]
    Read(std::io::Error),
    #[error("the data ends early")]
    Truncated,
    #[error("this is no RDB file")]
    Magic,
    #[error("RDB version {0} is not known")]
    Version(u32),
    #[error("the checksum is wrong (CRC error): the file says {told:016x}, its bytes {found:016x}")]
    Checksum { told: u64, found: u64 },
    #[error("a value of the unknown type {0}")]
    Kind(u8),
    #[error("the unknown mark {0}")]
    Mark(u8),
    #[error("{0}")]
    Corrupt(&'static str),
    #[error(
        "data of the module {name} (version {version}), which is not known here (rdb-skip-module-data leaves it out)"
    )]
    Module { name: String, version: u32 },
    /// Not corrupt: servers of long ago could save such keys. Only inside the reader, and for payloads.
    #[error("a value without elements")]
    Empty,
    #[error("functions as release candidates of Redis 7.0 wrote them")]
    FunctionPreGa,
}
