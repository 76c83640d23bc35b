//! What can go wrong with configuration, in the words that Redis uses: scripts and clients match on them.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::special::reason;

/// Where a directive came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, at a line counted from 1.
    File(PathBuf, usize),
    /// Standard input, at a line counted from 1.
    Stdin(usize),
    /// The command line.
    Arguments,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => {
                write!(f, "Reading the configuration file {}, at line {line}", path.display())
            }
            Self::Stdin(line) => write!(f, "Reading the configuration from standard input, at line {line}"),
            Self::Arguments => f.write_str("Reading the command line"),
        }
    }
}

/// Where a directive stands, and its line as it may be shown.
#[derive(Clone, Debug)]
pub struct Place {
    pub source: Source,
    /// Without its values when they are secret.
    pub line: String,
}

impl Place {
    /// What is wrong with the directive.
    pub fn error(self, reason: String) -> ConfigError {
        ConfigError::Directive { source_of: self.source, line: self.line, reason }
    }
}

/// Why the server cannot start with this configuration. The text spans several lines and holds no secret.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A directive that cannot be taken.
    #[error("\n*** FATAL CONFIG FILE ERROR (Redis 8.0.6) ***\n{source_of}\n>>> '{line}'\n{reason}\n")]
    Directive {
        /// Where it stands.
        source_of: Source,
        /// The line; without its values when they are secret.
        line: String,
        /// What is wrong.
        reason: String,
    },
    /// Directives that do not go together.
    #[error("\n*** FATAL CONFIG FILE ERROR (Redis 8.0.6) ***\n{0}\n")]
    Contradiction(String),
    /// A file that cannot be read.
    #[error("Fatal error, can't open config file '{}': {}", path.display(), reason(error))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Standard input that cannot be read.
    #[error("Fatal error, can't read the configuration from standard input: {}", reason(.0))]
    Stdin(io::Error),
    /// A command line that cannot be cut into words, or an unknown flag.
    #[error("{0}")]
    Arguments(String),
    /// Sentinel mode was asked for.
    #[error(
        "Sentinel mode is not part of this server: start redis-sentinel for it, it works with this server"
    )]
    Sentinel,
}

/// Why CONFIG SET changed nothing; the text is Redis's, without the `ERR ` in front.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SetError {
    /// No such option.
    #[error("Unknown option or number of arguments for CONFIG SET - '{0}'")]
    Unknown(String),
    /// An option that cannot be changed, or not to this value.
    #[error("CONFIG SET failed (possibly related to argument '{argument}') - {reason}")]
    Failed {
        /// The option.
        argument: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// Why CONFIG REWRITE changed nothing; the text is Redis's, without the `ERR ` in front.
#[derive(Debug, Error)]
pub enum RewriteError {
    /// The server was started without a file.
    #[error("The server is running without a config file")]
    NoFile,
    /// The file cannot be read or replaced.
    #[error("Rewriting config file: {}", reason(.0))]
    Io(#[from] io::Error),
}
