//! What the table says about one option, apart from its name in the typed snapshot.

use super::kind::Kind;

/// One row of the option table.
#[derive(Debug)]
pub struct OptionSpec {
    /// Where the row stands in [`super::OPTIONS`].
    pub index: usize,
    /// The name, in lower case.
    pub name: &'static str,
    /// Older names of the same option.
    pub aliases: &'static [&'static str],
    /// The part of the documentation it belongs to.
    pub topic: Topic,
    /// What values it takes.
    pub kind: Kind,
    /// The value without any configuration, as CONFIG GET prints it (`dir` becomes the current directory).
    pub default: &'static str,
    /// When it can be set and who sees it.
    pub flags: Flags,
    /// What it does in this server.
    pub state: State,
    /// What it means, in lines that start with a blank.
    pub doc: &'static str,
}

/// Properties of an option as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// CONFIG SET may change it.
    pub const MUTABLE: Flags = Flags(0);
    /// Only the file and the command line set it.
    pub const IMMUTABLE: Flags = Flags(1);
    /// CONFIG SET may change it only when `enable-protected-configs` allows.
    pub const PROTECTED: Flags = Flags(2);
    /// Its value is a secret: never in a log, an error or the slow log.
    pub const SENSITIVE: Flags = Flags(4);
    /// CONFIG GET shows it only when asked by its exact name.
    pub const HIDDEN: Flags = Flags(8);
    /// It names a file, and to set it to the same name again means to read the file again.
    pub const NAMES_FILE: Flags = Flags(16);
    /// Not while the data is loaded, which needs it as it is.
    pub const NOT_WHILE_LOADING: Flags = Flags(32);

    /// Both sets of properties.
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether every property of `other` is on.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What an option does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does what its text says.
    Acts,
    /// It will act together with a part of the server that is not there yet.
    ActsWith(Feature),
    /// It is kept and shown but changes nothing; the reason in one line.
    Accepted(&'static str),
}

/// Parts of the server that options wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Replicas and primaries.
    Replication,
    /// Slots and the cluster bus.
    Cluster,
}

impl Feature {
    /// The word used in documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replication => "replication",
            Self::Cluster => "cluster",
        }
    }
}

/// Chapters of the option table and of the generated example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Addresses, sockets, connections.
    Network,
    /// Passwords, users, guards.
    Security,
    /// Encrypted connections.
    Tls,
    /// Limits, eviction, freeing.
    Memory,
    /// Snapshots and the append only file.
    Persistence,
    /// Replicas and primaries.
    Replication,
    /// Cluster mode.
    Cluster,
    /// Process, logging, diagnostics.
    Server,
    /// Encodings of values.
    Types,
    /// Scripts.
    Scripting,
    /// What only Valkey has.
    Valkey,
}

impl Topic {
    /// The chapter's heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Network => "Network",
            Self::Security => "Security",
            Self::Tls => "TLS",
            Self::Memory => "Memory",
            Self::Persistence => "Persistence",
            Self::Replication => "Replication",
            Self::Cluster => "Cluster",
            Self::Server => "Server",
            Self::Types => "Data types",
            Self::Scripting => "Scripting",
            Self::Valkey => "Options of Valkey",
        }
    }
}

impl OptionSpec {
    /// All names, the present one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}
