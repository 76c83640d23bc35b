//! The disk itself.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::direct::Direct;
use super::{File, Storage};

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

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.file.seek(SeekFrom::Start(len)).map(drop)
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
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
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
