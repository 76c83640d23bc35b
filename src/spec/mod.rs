//! What a command *is*, apart from what it does: name, arity, flags, ACL categories, key specs, documentation.
//!
//! A row is written once, beside its handler, with const setters:
//!
//! ```text
//! CommandSpec::new("getdel", 2).flags(WRITE | FAST).keys(&[KeySpec::one(1, RW | ACCESS | DELETE)])
//!     .group(String).since("6.2.0").summary("…").args(&[Arg::key("key", 0)])
//! ```
//!
//! Everything else is derived from it: lookup, COMMAND INFO/DOCS/GETKEYS, ACL categories, cluster routes,
//! lock sets, statistics, and the compatibility table of the README.
//!
//! **Invariant:** the keys that are locked, checked, routed, reported and touched come from one walker,
//! [`keys::walk`].

pub mod channels;
pub mod docs;
pub mod flags;
pub mod keys;

pub use channels::ChannelSpec;
pub use docs::{Arg, ArgKind};
pub use flags::{AclCategories, CommandFlags, Group};
pub use keys::{BeginSearch, FindKeys, KeyFlags, KeySpec};

/// One row of the command table.
#[derive(Clone, Copy)]
pub struct CommandSpec {
    /// Lower case; of a subcommand only its own word (`get` for `config|get`).
    pub name: &'static str,
    /// Number of arguments with the name (and the container's name): exact, or at least `-arity` when negative.
    pub arity: i32,
    pub flags: CommandFlags,
    /// Categories beyond those that follow from flags and group.
    pub acl: AclCategories,
    pub keys: &'static [KeySpec],
    /// Hints for clients and proxies (`nondeterministic_output`, `request_policy:all_shards`).
    pub tips: &'static [&'static str],
    pub group: Group,
    /// Version of Redis that introduced it.
    pub since: &'static str,
    pub summary: &'static str,
    pub complexity: &'static str,
    pub args: &'static [Arg],
    /// Version and replacement, for commands that Redis deprecated.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// The row only holds subcommands together. Redis gives such rows no category of their group.
    pub is_container: bool,
    /// The command lives on the server only for compatibility and doesn't appear in the documentation.
    pub is_syscmd: bool,
}

impl CommandSpec {
    pub const fn new(name: &'static str, arity: i32) -> Self {
        CommandSpec {
            name,
            arity,
            flags: CommandFlags::NONE,
            acl: AclCategories::NONE,
            keys: &[],
            tips: &[],
            group: Group::Generic,
            since: "1.0.0",
            summary: "",
            complexity: "",
            args: &[],
            deprecated: None,
            is_container: false,
            is_syscmd: false,
        }
    }

    /// Whether `count` arguments (with the name) are the right number.
    #[inline]
    pub fn accepts(&self, count: usize) -> bool {
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        if self.arity >= 0 { count == self.arity } else { count >= -self.arity }
    }

    /// The categories that ACL rules know this command by.
    pub fn acl_categories(&self) -> AclCategories {
        let group = if self.is_container { AclCategories::NONE } else { self.group.category() };
        self.acl | self.flags.implied_categories() | group
    }
}
