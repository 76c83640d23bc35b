//! The seam to the disk: everything that is persisted goes through [`Storage`].
//!
//! ```text
//! Real       std::fs                        the server
//! Simulated  memory, forgets at a crash     what is not synced is torn, reordered or gone
//! Failing    around another one             ENOSPC, EIO, short writes, a read-only disk, on demand
//! ```
//!
//! What a caller may rely on after a power failure, and what [`Simulated`] takes away otherwise:
//!
//! * the bytes of a file as of its last successful [`File::sync`];
//! * that a name exists, is gone or is another file's, as of the last successful [`Storage::sync_dir`] of its folder.
//!
//! After a `sync` that failed nothing is known of what was written since the one before: the kernel may have dropped it
//! and may call the next sync a success. Such a file is never to be trusted again.

mod direct;
mod failing;
mod growing;
mod real;
mod simulated;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

pub use failing::{Failing, Fault, Operation};
pub use growing::Growing;
pub use real::Real;
pub use simulated::Simulated;

/// A file that is open for writing at its end.
pub trait File: Send {
    /// Writes some of `bytes` behind what is there; returns how many, at least one.
    ///
    /// # Errors
    /// Those of the disk. Nothing is known then of how much was written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Returns when everything written is on the disk.
    ///
    /// # Errors
    /// Those of the disk; see the module's head for what follows.
    fn sync(&mut self) -> io::Result<()>;

    /// Lets the disk begin with so many bytes from `offset` on, without waiting for it: a hint, so that the next
    /// [`File::sync`] finds less to do.
    fn begin_sync(&mut self, _offset: u64, _bytes: u64) {}

    /// Cuts the file; the next write goes to its new end.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// As [`File::write`].
    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of each, at once where the system can. The disk may get it at once too: it is to be synced soon.
    ///
    /// # Errors
    /// As [`File::write`].
    fn write_through(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        parts.iter().try_for_each(|part| self.write_all(part))
    }
}

/// Files by name. Paths are relative to the server's working directory or absolute.
pub trait Storage: Send + Sync {
    /// An empty file, replacing one of that name.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// The file, made if it is not there; writes go behind its end.
    fn append(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// The file for reading, from its start.
    fn open(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>>;

    /// Bytes of the file.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// Gives the file another name, replacing what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder; one that is there already is fine.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Names of what lies in the folder, in order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Returns when the names in the folder are on the disk.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that can still be written there.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    fn exists(&self, path: &Path) -> bool {
        self.len(path).is_ok()
    }

    /// The whole of a small file.
    ///
    /// # Errors
    /// Those of the disk, or `FileTooLarge` behind `max_bytes`.
    fn read(&self, path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
        use io::Read;
        let mut bytes = Vec::new();
        self.open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max_bytes { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
    }

    /// Puts `bytes` under `path` so that after a crash there is the old file or the new one: temporary file beside it,
    /// sync, rename, sync of the folder.
    ///
    /// # Errors
    /// Those of the disk; then the old file is there, unless only the last sync failed.
    fn replace(&self, path: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
        let write = || {
            let mut file = self.create(temporary)?;
            file.write_all(bytes)?;
            file.sync()?;
            drop(file);
            self.rename(temporary, path)
        };
        if let Err(error) = write() {
            // Best effort: it is only litter.
            let _ = self.remove(temporary);
            return Err(error);
        }
        self.sync_dir(folder_of(path))
    }
}

/// The folder that a path lies in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
