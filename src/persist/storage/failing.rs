//! A disk that fails on demand, around another one.
//!
//! ```text
//! disk.fail(Fault::at(Operation::Sync, "incr").after(2).times(1).with(EIO))
//!      the third sync of a file whose name contains "incr" fails with EIO; the fourth succeeds
//! ```
//!
//! Every operation that changes something is counted, so that a test can fail the first, the second, … until nothing
//! fails any more.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{File, Storage};

/// What can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creating, or opening for writing.
    Create,
    Write,
    Sync,
    Truncate,
    Rename,
    Remove,
    CreateDir,
    SyncDir,
    Read,
}

/// One rule of failure.
#[derive(Clone, Debug)]
pub struct Fault {
    /// `None` = whatever changes something.
    operation: Option<Operation>,
    /// Part of the path.
    part: String,
    after: u64,
    times: u64,
    error: i32,
    /// A write that fails writes so many bytes first.
    short: Option<usize>,
}

impl Fault {
    /// Fails `operation` on paths that contain `part`, from now on, with EIO.
    pub fn at(operation: Operation, part: &str) -> Fault {
        Fault { operation: Some(operation), ..Fault::any(part) }
    }

    /// Fails everything that changes something.
    pub fn any(part: &str) -> Fault {
        Fault { operation: None, part: part.into(), after: 0, times: u64::MAX, error: libc::EIO, short: None }
    }

    /// Lets so many through first.
    pub fn after(self, after: u64) -> Fault {
        Fault { after, ..self }
    }

    /// Fails so many, then never again.
    pub fn times(self, times: u64) -> Fault {
        Fault { times, ..self }
    }

    /// The error number.
    pub fn with(self, error: i32) -> Fault {
        Fault { error, ..self }
    }

    /// Writes are not refused but write at most so many bytes each; 0 refuses them.
    pub fn short(self, bytes: usize) -> Fault {
        Fault { short: Some(bytes), ..self }
    }

    fn concerns(&self, operation: Operation, path: &Path) -> bool {
        let is_kind = match self.operation {
            Some(kind) => kind == operation,
            None => operation != Operation::Read,
        };
        is_kind && path.to_string_lossy().contains(&self.part)
    }
}

/// See the module's head.
#[derive(Clone)]
pub struct Failing {
    inner: Arc<dyn Storage>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    faults: Vec<Fault>,
    /// Operations that changed something, or tried to.
    operations: u64,
}

impl Failing {
    pub fn new(inner: Arc<dyn Storage>) -> Failing {
        Failing { inner, plan: Arc::default() }
    }

    /// Adds a rule.
    pub fn fail(&self, fault: Fault) {
        self.plan.lock().faults.push(fault);
    }

    /// The disk works again.
    pub fn heal(&self) {
        self.plan.lock().faults.clear();
    }

    /// How many operations have changed something, or tried to.
    pub fn operations(&self) -> u64 {
        self.plan.lock().operations
    }

    /// Whether it may go on; for writes, with how many bytes.
    fn check(&self, operation: Operation, path: &Path) -> io::Result<usize> {
        let mut plan = self.plan.lock();
        plan.operations += u64::from(operation != Operation::Read);
        for fault in plan.faults.iter_mut().filter(|fault| fault.concerns(operation, path)) {
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                return match fault.short {
                    Some(bytes @ 1..) if operation == Operation::Write => Ok(bytes),
                    _ => Err(io::Error::from_raw_os_error(fault.error)),
                };
            }
        }
        Ok(usize::MAX)
    }
}

struct FailingFile {
    disk: Failing,
    path: PathBuf,
    inner: Box<dyn File>,
}

impl File for FailingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.disk.check(Operation::Write, &self.path)?.min(bytes.len());
        self.inner.write(bytes.get(..most).unwrap_or_default())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.check(Operation::Sync, &self.path)?;
        self.inner.sync()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.disk.check(Operation::Truncate, &self.path)?;
        self.inner.truncate(len)
    }
}

impl Storage for Failing {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.check(Operation::Create, path)?;
        let inner = self.inner.create(path)?;
        Ok(Box::new(FailingFile { disk: self.clone(), path: path.into(), inner }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.check(Operation::Create, path)?;
        let inner = self.inner.append(path)?;
        Ok(Box::new(FailingFile { disk: self.clone(), path: path.into(), inner }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.check(Operation::Read, path)?;
        self.inner.open(path)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.inner.len(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Operation::Rename, to)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check(Operation::Remove, path)?;
        self.inner.remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.check(Operation::CreateDir, path)?;
        self.inner.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.check(Operation::SyncDir, dir)?;
        self.inner.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.inner.free_bytes(dir)
    }
}
