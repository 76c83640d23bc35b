//! The log: `tracing` events as lines in Redis's form, as JSON or as logfmt.
//!
//! ```text
//! 12345:M 21 Nov 2026 09:41:41.123 * Ready to accept connections tcp
//! {"time":"2026-11-21T09:41:41.123Z","level":"notice","pid":12345,"role":"M","message":"Ready …"}
//! time=2026-11-21T09:41:41.123Z level=notice pid=12345 role=M msg="Ready to accept connections tcp"
//! ```
//!
//! The first form has the process id, the role (`M` master, `S` replica, `X` sentinel, `C` child), the
//! time and a mark for the level, so tools that wait for Redis's lines find them. Times are UTC: local
//! time would need the C library's time-zone state, which threads cannot read safely.
//!
//! | `loglevel` | shows | mark | macro |
//! |---|---|---|---|
//! | `debug` | everything | `.` | `trace!` |
//! | `verbose` | from here down | `-` | `debug!` |
//! | `notice` | | `*` | `info!` |
//! | `warning` | | `#` | `warn!`, `error!` |
//! | `nothing` | no lines at all | | |
//!
//! One event is one line: control characters in messages and values, which may come from clients, are
//! escaped, so nobody can forge a line or drive a terminal. A line is written by a single call, files
//! are opened for appending, so that several processes may share one. Level, format, file and role can change at
//! any time. Events of other crates are left out; spans are not used.

mod format;
mod layer;
mod syslog;

pub use format::Format;
pub use syslog::Syslog;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;
use tracing_subscriber::layer::SubscriberExt;

use crate::base::clock::Time;

/// How much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Debug,
    /// What is rarely useful.
    Verbose,
    /// What an operator wants to know.
    #[default]
    Notice,
    /// Only what needs attention.
    Warning,
    /// No lines at all.
    Nothing,
}

impl Level {
    /// All levels, from the most talkative.
    pub const ALL: [Level; 5] = [Level::Debug, Level::Verbose, Level::Notice, Level::Warning, Level::Nothing];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Verbose => "verbose",
            Level::Notice => "notice",
            Level::Warning => "warning",
            Level::Nothing => "nothing",
        }
    }

    /// The level of a name in the configuration, in any case.
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }

    fn of(level: tracing::Level) -> Level {
        match level {
            tracing::Level::TRACE => Level::Debug,
            tracing::Level::DEBUG => Level::Verbose,
            tracing::Level::INFO => Level::Notice,
            tracing::Level::WARN | tracing::Level::ERROR => Level::Warning,
        }
    }
}

/// What the log starts with.
#[derive(Debug, Default)]
pub struct Settings {
    /// How much is written.
    pub level: Level,
    /// In which form.
    pub format: Format,
    /// Where to; standard output if `None`.
    pub file: Option<PathBuf>,
    /// Where messages go as well.
    pub syslog: Option<Syslog>,
    /// The clock of the lines.
    pub time: Time,
}

/// Why the log could not start.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The file cannot be opened for appending.
    #[error("Can't open the log file: {0}")]
    File(#[from] io::Error),
    /// The process logs already.
    #[error("the log was started before")]
    Twice,
}

/// Control of the running log; cheap to clone.
#[derive(Clone, Debug)]
pub struct LogHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    level: AtomicU8,
    format: AtomicU8,
    role: AtomicU8,
    output: Mutex<Output>,
    syslog: Option<Syslog>,
    time: Time,
}

#[derive(Debug)]
enum Output {
    Stdout,
    File { path: PathBuf, file: File },
}

impl Output {
    fn open(path: Option<&Path>) -> io::Result<Output> {
        let Some(path) = path else { return Ok(Output::Stdout) };
        // A pipe that nobody reads must not hold up the server, now or at some later line.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().append(true).create(true).custom_flags(nonblocking).open(path)?;
        Ok(Output::File { path: path.into(), file })
    }

    /// Writes a line. A log that cannot be written has nowhere to complain.
    fn write(&mut self, line: &[u8]) {
        let _ = match self {
            Output::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(line).and_then(|()| stdout.flush())
            }
            Output::File { file, .. } => file.write_all(line),
        };
    }
}

/// Starts the log of this process.
pub fn init(settings: Settings) -> Result<LogHandle, InitError> {
    let handle = LogHandle::new(settings)?;
    let subscriber = tracing_subscriber::registry().with(handle.layer());
    tracing::subscriber::set_global_default(subscriber).map_err(|_| InitError::Twice)?;
    Ok(handle)
}

impl LogHandle {
    fn new(settings: Settings) -> io::Result<LogHandle> {
        let Settings { level, format, file, syslog, time } = settings;
        let output = Mutex::new(Output::open(file.as_deref())?);
        let (level, format) = (AtomicU8::new(level as u8), AtomicU8::new(format as u8));
        let role = AtomicU8::new(b'M');
        Ok(LogHandle { shared: Arc::new(Shared { level, format, role, output, syslog, time }) })
    }

    fn layer(&self) -> layer::Lines {
        layer::Lines::new(self.clone())
    }

    /// How much is written.
    pub fn level(&self) -> Level {
        let level = usize::from(self.shared.level.load(Ordering::Relaxed));
        Level::ALL.get(level).copied().unwrap_or_default()
    }

    /// Changes how much is written.
    pub fn set_level(&self, level: Level) {
        self.shared.level.store(level as u8, Ordering::Relaxed);
        // Call sites remember whether anybody listens.
        tracing::callsite::rebuild_interest_cache();
    }

    /// The form of the lines.
    pub fn format(&self) -> Format {
        let format = usize::from(self.shared.format.load(Ordering::Relaxed));
        Format::ALL.get(format).copied().unwrap_or_default()
    }

    /// Changes the form of the lines.
    pub fn set_format(&self, format: Format) {
        self.shared.format.store(format as u8, Ordering::Relaxed);
    }

    /// Changes the role letter of the lines.
    pub fn set_role(&self, role: u8) {
        self.shared.role.store(role, Ordering::Relaxed);
    }

    /// Writes to another file from now on, or to standard output. On error everything stays as it was.
    ///
    /// # Errors
    /// It is no regular file: what a client names is not to be a device. At start it may be, as `/dev/stdout` in containers.
    pub fn set_file(&self, path: Option<&Path>) -> io::Result<()> {
        if path.is_some_and(|path| std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())) {
            return Err(io::Error::other("this is not a regular file"));
        }
        self.set_output(path)
    }

    fn set_output(&self, path: Option<&Path>) -> io::Result<()> {
        let output = Output::open(path)?;
        *self.shared.output.lock() = output;
        Ok(())
    }

    /// Opens the present file again, after something has moved it away.
    pub fn reopen(&self) -> io::Result<()> {
        let path = match &*self.shared.output.lock() {
            Output::Stdout => return Ok(()),
            Output::File { path, .. } => path.clone(),
        };
        self.set_output(Some(&path))
    }
}

#[cfg(test)]
mod tests;
