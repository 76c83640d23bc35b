//! A file that is written from one end to the other: synced now and then while it grows, so that the last sync is short, and
//! given up in the middle when it is not wanted any more.

use std::io;

use super::File;

/// See the module's head.
pub struct Growing<'f> {
    file: &'f mut dyn File,
    unsynced: u64,
    /// Bytes between two syncs; `None` leaves them all to the end.
    sync_every: Option<u64>,
    is_given_up: &'f dyn Fn() -> bool,
}

impl<'f> Growing<'f> {
    /// Writes to `file` until `is_given_up` says that nobody wants it.
    pub fn new(
        file: &'f mut dyn File,
        sync_every: Option<u64>,
        is_given_up: &'f dyn Fn() -> bool,
    ) -> Growing<'f> {
        Growing { file, unsynced: 0, sync_every, is_given_up }
    }
}

impl io::Write for Growing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.is_given_up)() {
            return Err(io::Error::other("given up"));
        }
        let written = self.file.write(bytes)?;
        self.unsynced += written as u64;
        if self.sync_every.is_some_and(|most| self.unsynced >= most) {
            self.file.sync()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
