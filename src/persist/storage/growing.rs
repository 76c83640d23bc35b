//! A file that is written from one end to the other: synced now and then while it grows, so that the last sync is short, and
//! given up in the middle when it is not wanted any more.
//!
//! A sync has to find and hand over all pages that were written, during which nobody else gets the processor: a millisecond for
//! 8 MB. So the disk is made to begin in between, a few pages at a time.

use std::io;

use super::File;

/// What the disk begins with at once.
const BEGIN_BYTES: u64 = 256 << 10;

/// See the module's head.
pub struct Growing<'f> {
    file: &'f mut dyn File,
    written: u64,
    /// How far the disk was made to begin.
    begun: u64,
    synced: u64,
    /// Bytes between two syncs; `None` leaves them all to the end.
    sync_every: Option<u64>,
    is_given_up: &'f dyn Fn() -> bool,
}

impl<'f> Growing<'f> {
    /// Writes to `file`, which is empty, until `is_given_up` says that nobody wants it.
    pub fn new(
        file: &'f mut dyn File,
        sync_every: Option<u64>,
        is_given_up: &'f dyn Fn() -> bool,
    ) -> Growing<'f> {
        Growing { file, written: 0, begun: 0, synced: 0, sync_every, is_given_up }
    }
}

impl io::Write for Growing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.is_given_up)() {
            return Err(io::Error::other("given up"));
        }
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        let Some(sync_every) = self.sync_every else { return Ok(written) };
        if self.written - self.synced >= sync_every {
            self.file.sync()?;
            (self.begun, self.synced) = (self.written, self.written);
        } else if self.written - self.begun >= BEGIN_BYTES {
            self.file.begin_sync(self.begun, self.written - self.begun);
            self.begun = self.written;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
