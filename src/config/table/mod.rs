//! The one table of options: rows by chapter in the files beside this one, everything else made from them.
//!
//! Each chapter is a macro that hands its rows to the next one; the last hands all of them to [`build_table`],
//! which makes [`OPTIONS`] (what parsing, CONFIG and the example need) and [`Config`] (what the server reads).
//! Adding an option is adding a row.

use std::path::PathBuf;

use super::error::Place;
use super::kind::Kind::{self, Bool, Octal, Special, Text};
use super::kind::{COUNT, LONG, MEMORY_UNBOUNDED, PORT, TEXT, choice, clamped, int, memory};
use super::spec::Feature::{Cluster, Replication};
use super::spec::State::{Accepted, Acts, ActsWith};
use super::spec::{Flags, OptionSpec, State, Topic};
use super::special;
use super::types::*;

#[macro_use]
mod network;
#[macro_use]
mod security;
#[macro_use]
mod tls;
#[macro_use]
mod memory;
#[macro_use]
mod persistence;
#[macro_use]
mod replication;
#[macro_use]
mod cluster;
#[macro_use]
mod server;
#[macro_use]
mod types;
#[macro_use]
mod scripting;
#[macro_use]
mod valkey;

const MUTABLE: Flags = Flags::MUTABLE;
const IMMUTABLE: Flags = Flags::IMMUTABLE;
const PROTECTED: Flags = Flags::PROTECTED;
const NOT_WHILE_LOADING: Flags = Flags::NOT_WHILE_LOADING;
const SENSITIVE: Flags = Flags::SENSITIVE;
const HIDDEN: Flags = Flags::HIDDEN;
const FILE: Flags = Flags::NAMES_FILE;
const NO_DEFRAG: State = Accepted("see activedefrag");
const NO_LOG_OF_SIZES: State = Accepted("the log remembers slow commands, not big ones");
const NO_RDMA: State = Accepted("there is no RDMA");
const NO_PINNING: State = Accepted("threads run where the process may run; start it with taskset");

macro_rules! build_table {
    ([] $({ $topic:expr; $(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ty = $name:literal [$($alias:literal),*], $kind:expr, $default:literal, $flags:expr, $state:expr;
    )+ })+) => {
        /// Every option, by chapter.
        pub static OPTIONS: &[OptionSpec] = {
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Index { $($($field),+),+ }
            &[$($(OptionSpec {
                index: Index::$field as usize,
                name: $name,
                aliases: &[$($alias),*],
                topic: $topic,
                kind: $kind,
                default: $default,
                flags: $flags,
                state: $state,
                doc: concat!($($doc, "\n"),+),
            }),+),+]
        };

        /// A typed snapshot of all options.
        #[derive(Clone, Debug)]
        pub struct Config {
            $($($(#[doc = $doc])+ pub $field: $type,)+)+
            /// The directives that are no options: users, renamed commands, modules.
            pub declarations: Declarations,
        }

        impl Config {
            /// Reads every field from the canonical texts, which stand in the order of [`OPTIONS`].
            pub(crate) fn from_values(
                values: &[Vec<u8>],
                declarations: Declarations,
            ) -> Result<Config, &'static OptionSpec> {
                let mut rows = OPTIONS.iter().zip(values);
                Ok(Config { $($($field: field::<$type>(rows.next())?,)+)+ declarations })
            }
        }
    };
}

network_options! { [security_options tls_options memory_options persistence_options replication_options
cluster_options server_options types_options scripting_options valkey_options build_table] }

/// Directives of a file that are no options; CONFIG GET does not show them.
#[derive(Clone, Default)]
pub struct Declarations {
    /// `user` lines.
    pub users: Vec<UserLine>,
    /// `rename-command` lines: the command and its new name; empty removes the command.
    pub renamed_commands: Vec<(Vec<u8>, Vec<u8>)>,
    /// `loadmodule` lines: the path and its arguments.
    pub modules: Vec<Vec<Vec<u8>>>,
}

/// A `user` line.
#[derive(Clone)]
pub struct UserLine {
    /// The words behind `user`, unchecked, the name first.
    pub words: Vec<Vec<u8>>,
    pub place: Place,
}

impl std::fmt::Debug for Declarations {
    /// Counts only: users have passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Declarations")
            .field("users", &self.users.len())
            .field("renamed_commands", &self.renamed_commands.len())
            .field("modules", &self.modules.len())
            .finish()
    }
}

fn field<T: FromText>(row: Option<(&'static OptionSpec, &Vec<u8>)>) -> Result<T, &'static OptionSpec> {
    let (spec, value) = row.ok_or(&OPTIONS[0])?;
    T::from_bytes(value).ok_or(spec)
}

/// The option of a name or an older name, in any case, and the name that matched.
pub fn lookup(name: &[u8]) -> Option<(&'static OptionSpec, &'static str)> {
    let found = |spec: &'static OptionSpec| {
        spec.names().find(|known| known.as_bytes().eq_ignore_ascii_case(name)).map(|known| (spec, known))
    };
    OPTIONS.iter().find_map(found).or_else(|| {
        let &(other, name) =
            IN_VALKEY.iter().find(|(other, _)| other.as_bytes().eq_ignore_ascii_case(name))?;
        OPTIONS.iter().find(|spec| spec.name == name).map(|spec| (spec, other))
    })
}

/// Options by their names in Valkey. They are no older names: patterns of CONFIG GET find what they find in Redis.
pub(crate) const IN_VALKEY: [(&str, &str); 6] = [
    ("commandlog-execution-slower-than", "slowlog-log-slower-than"),
    ("commandlog-slow-execution-max-len", "slowlog-max-len"),
    ("dual-channel-replication-enabled", "repl-rdb-channel"),
    ("lua-enable-insecure-api", "lua-enable-deprecated-api"),
    ("primaryauth", "masterauth"),
    ("primaryuser", "masteruser"),
];

/// Directives that had a meaning once: taken with one value and forgotten.
pub(crate) const RETIRED: [&str; 4] =
    ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands", "io-threads-do-reads"];
