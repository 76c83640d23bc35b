//! A disk in memory that forgets at a crash whatever was not synced, and forgets it badly.
//!
//! ```text
//! file    durable bytes   + writes since the last sync      a crash keeps some sectors of them, in any order, and a length
//! folder  durable names   + changes since the last sync     a crash keeps the first n of them, n by chance
//! ```
//!
//! A crash is a function of its seed. Sectors are 512 or 4,096 bytes; a sector that is lost inside a file that became
//! longer reads as zeros, as on file systems that write the size before the data. [`Simulated::crash_after`] makes every
//! operation fail from a chosen one on, so that a test can stop the world at each step of a procedure.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{File, Storage, folder_of};
use crate::base::rng::Rng;

/// See the module's head. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Simulated(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    inodes: Vec<Inode>,
    /// What the running system sees.
    names: BTreeMap<PathBuf, usize>,
    /// What is certain to be there after a crash.
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names since, in order.
    changes: Vec<Change>,
    folders: Vec<PathBuf>,
    /// Operations so far, and the one from which on all fail.
    operations: u64,
    crash_at: Option<u64>,
    /// Handles of an earlier life are dead.
    life: u64,
}

#[derive(Default)]
struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

enum Pending {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

enum Change {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

impl Change {
    fn folder(&self) -> &Path {
        match self {
            Change::Link(path, _) | Change::Rename(_, path) | Change::Unlink(path) => folder_of(path),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Change::Link(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Change::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Change::Unlink(path) => {
                names.remove(path);
            }
        }
    }
}

impl Simulated {
    /// An empty disk.
    pub fn new() -> Simulated {
        Simulated::default()
    }

    /// Lets `operations` more succeed; from then on everything fails until [`Simulated::crash`].
    pub fn crash_after(&self, operations: u64) {
        let mut disk = self.0.lock();
        disk.crash_at = Some(disk.operations + operations);
    }

    /// Operations that changed something, so far.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// The power fails and comes back: what was not synced is torn, reordered or gone.
    pub fn crash(&self, seed: u64) {
        let mut rng = Rng::from_seed(seed);
        let disk = &mut *self.0.lock();
        let mut names = disk.durable_names.clone();
        let mut folders: Vec<PathBuf> =
            disk.changes.iter().map(|change| change.folder().to_owned()).collect();
        folders.sort();
        folders.dedup();
        for folder in folders {
            let changes: Vec<&Change> =
                disk.changes.iter().filter(|change| change.folder() == folder).collect();
            let kept = rng.below(changes.len() as u64 + 1) as usize;
            changes.iter().take(kept).for_each(|change| change.apply(&mut names));
        }
        for inode in &mut disk.inodes {
            inode.bytes = survive(inode, &mut rng);
            inode.durable.clone_from(&inode.bytes);
            inode.pending.clear();
        }
        disk.names.clone_from(&names);
        disk.durable_names = names;
        disk.changes.clear();
        disk.crash_at = None;
        disk.life += 1;
    }

    /// Everything written is synced: the process dies, the machine does not.
    pub fn settle(&self) {
        let disk = &mut *self.0.lock();
        for inode in &mut disk.inodes {
            inode.durable.clone_from(&inode.bytes);
            inode.pending.clear();
        }
        disk.durable_names.clone_from(&disk.names);
        disk.changes.clear();
        disk.crash_at = None;
        disk.life += 1;
    }

    /// Puts a file there, synced.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let disk = &mut *self.0.lock();
        let inode = disk.inodes.len();
        disk.inodes.push(Inode { bytes: bytes.to_vec(), durable: bytes.to_vec(), pending: Vec::new() });
        disk.names.insert(path.to_owned(), inode);
        disk.durable_names.insert(path.to_owned(), inode);
        if !disk.folders.iter().any(|folder| folder == folder_of(path)) {
            disk.folders.push(folder_of(path).to_owned());
        }
    }

    /// The bytes of a file as the running system sees them.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = self.0.lock();
        let inode = *disk.names.get(path)?;
        disk.inodes.get(inode).map(|inode| inode.bytes.clone())
    }

    fn operate<R>(&self, run: impl FnOnce(&mut Disk) -> io::Result<R>) -> io::Result<R> {
        let mut disk = self.0.lock();
        if disk.crash_at.is_some_and(|at| disk.operations >= at) {
            return Err(io::Error::other("the simulated disk has crashed"));
        }
        disk.operations += 1;
        run(&mut disk)
    }
}

/// What is left of a file after a crash.
fn survive(inode: &Inode, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = inode.durable.clone();
    let sector = if rng.below(2) == 0 { 512 } else { 4096 };
    // Whether all of it came to the disk, the first writes did, or whichever sectors happened to.
    let mode = rng.below(4);
    let kept = rng.below(inode.pending.len() as u64 + 1) as usize;
    for (index, pending) in inode.pending.iter().enumerate() {
        let survives = mode == 0 || index < kept;
        match pending {
            Pending::Truncate(len) if survives => bytes.truncate(*len),
            Pending::Truncate(_) => {}
            Pending::Write { offset, bytes: written } => {
                let mut at = 0;
                while at < written.len() {
                    let end = ((offset + at) / sector + 1) * sector - offset;
                    let piece = written.get(at..end.min(written.len())).unwrap_or_default();
                    let is_kept = match mode {
                        0 | 1 => survives,
                        // The first writes, and a part of the next one.
                        2 => survives || index == kept && rng.below(2) == 0,
                        _ => rng.below(2) == 0,
                    };
                    if is_kept {
                        put(&mut bytes, offset + at, piece);
                    } else if mode == 3 && rng.below(4) == 0 && bytes.len() < offset + at + piece.len() {
                        // The size came to the disk, the data did not.
                        bytes.resize(offset + at + piece.len(), 0);
                    }
                    at = end;
                }
            }
        }
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, offset: usize, piece: &[u8]) {
    if bytes.len() < offset + piece.len() {
        bytes.resize(offset + piece.len(), 0);
    }
    if let Some(place) = bytes.get_mut(offset..offset + piece.len()) {
        place.copy_from_slice(piece);
    }
}

struct Handle {
    disk: Simulated,
    inode: usize,
    life: u64,
}

impl Handle {
    fn operate<R>(&self, run: impl FnOnce(&mut Inode) -> R) -> io::Result<R> {
        self.disk.operate(|disk| {
            if disk.life != self.life {
                return Err(io::Error::other("a handle from before the crash"));
            }
            disk.inodes.get_mut(self.inode).map(run).ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }
}

impl File for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.operate(|inode| {
            inode.pending.push(Pending::Write { offset: inode.bytes.len(), bytes: bytes.to_vec() });
            inode.bytes.extend_from_slice(bytes);
            bytes.len()
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.operate(|inode| {
            inode.durable.clone_from(&inode.bytes);
            inode.pending.clear();
        })
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.operate(|inode| {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            inode.bytes.truncate(len);
            inode.pending.push(Pending::Truncate(len));
        })
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no such file: {}", path.display()))
}

impl Storage for Simulated {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let (inode, life) = self.operate(|disk| {
            let inode = disk.inodes.len();
            disk.inodes.push(Inode::default());
            disk.names.insert(path.to_owned(), inode);
            disk.changes.push(Change::Link(path.to_owned(), inode));
            Ok((inode, disk.life))
        })?;
        Ok(Box::new(Handle { disk: self.clone(), inode, life }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let known = self.0.lock().names.get(path).copied();
        let Some(inode) = known else { return self.create(path) };
        let life = self.operate(|disk| Ok(disk.life))?;
        Ok(Box::new(Handle { disk: self.clone(), inode, life }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.bytes(path).ok_or_else(|| not_found(path))?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let disk = self.0.lock();
        let inode = disk.names.get(path).and_then(|&inode| disk.inodes.get(inode));
        inode.map(|inode| inode.bytes.len() as u64).ok_or_else(|| not_found(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(|disk| {
            let inode = disk.names.remove(from).ok_or_else(|| not_found(from))?;
            disk.names.insert(to.to_owned(), inode);
            disk.changes.push(Change::Rename(from.to_owned(), to.to_owned()));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(|disk| {
            disk.names.remove(path).ok_or_else(|| not_found(path))?;
            disk.changes.push(Change::Unlink(path.to_owned()));
            Ok(())
        })
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.operate(|disk| {
            if !disk.folders.iter().any(|folder| folder == path) {
                disk.folders.push(path.to_owned());
            }
            Ok(())
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.0.lock();
        let files = disk.names.keys().filter(|path| folder_of(path) == dir);
        let names: Vec<String> =
            files.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
        let is_known = !names.is_empty() || disk.folders.iter().any(|folder| folder == dir);
        if is_known { Ok(names) } else { Err(not_found(dir)) }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate(|disk| {
            let changes = std::mem::take(&mut disk.changes);
            for change in changes {
                if change.folder() == dir {
                    change.apply(&mut disk.durable_names);
                } else {
                    disk.changes.push(change);
                }
            }
            Ok(())
        })
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}
