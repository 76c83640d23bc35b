//! The disk itself: what is about to vanish from it goes in steps, because others wait for the processor.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{Advice, OFlags, fadvise};

use super::direct::Direct;
use super::{File, Storage};
use crate::ds::breaks::Pace;

/// Files of the operating system.
#[derive(Debug, Default)]
pub struct Real;

impl File for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn write_through(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        Direct::write_through(self, parts)
    }

    fn sync(&mut self) -> io::Result<()> {
        // The size is data too: `fdatasync` writes what is needed to read the bytes back.
        self.file.sync_data()
    }

    fn begin_sync(&mut self, offset: u64, bytes: u64) {
        // What has been written out already may leave the cache, the rest is written out: as it was written just now, that is
        // nearly all of it. Where this is not understood the sync does all the work.
        let _ = fadvise(&self.file, offset, NonZeroU64::new(bytes), Advice::DontNeed);
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.file.seek(SeekFrom::Start(len)).map(drop)
    }
}

/// A file that is about to lose a name, and with it perhaps its life. Dropped when it has.
///
/// When the last name and handle of a file vanish the system frees what its page cache has of it in one go, and may let nobody else
/// have the processor meanwhile: 3 ms for 30 MB. So that is done in steps before, with breaks. Where the file has other names nothing
/// is lost.
struct Doomed(Option<fs::File>);

impl Doomed {
    const STEP_BYTES: u64 = 512 << 10;

    fn at(path: &Path) -> Doomed {
        // What a symbolic link points to lives on; a pipe would wait for somebody who writes.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        Doomed(OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path).ok())
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        let Some(file) = &self.0 else { return };
        let len = file.metadata().map_or(0, |facts| facts.len());
        let mut pace = Pace::begin();
        for offset in (0..len).step_by(Doomed::STEP_BYTES as usize) {
            // A hint, which not every file system takes.
            if fadvise(file, offset, NonZeroU64::new(Doomed::STEP_BYTES), Advice::DontNeed).is_err() {
                return;
            }
            pace.step();
        }
    }
}

impl Storage for Real {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(Direct::new(fs::File::create(path)?)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Box::new(Direct::new(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(fs::File::open(path)?))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        fs::metadata(path).map(|facts| facts.len())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _replaced = Doomed::at(to);
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let _removed = Doomed::at(path);
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let facts = rustix::fs::statvfs(dir)?;
        Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
    }
}
