//! What outlives the process: the append-only file, and the seam to the disk below it.
//!
//! ```text
//! commit ─▶ journal (memory) ─▶ aof::Writer ─▶ storage ─▶ disk
//! boot   ◀─ aof::load ◀──────────────────────  storage ◀─ disk
//! ```

pub mod aof;
pub mod exit;
pub mod progress;
pub mod rdb;
pub mod snapshot;
pub mod storage;
