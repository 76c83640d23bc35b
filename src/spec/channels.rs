//! Which arguments of a command are channels that it publishes to or begins to listen to.
//!
//! Only ACL checks want to know. What ends a subscription needs no right.

/// Where the channels of a command stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelSpec {
    /// Position of the first.
    pub first: usize,
    /// All arguments from there on are channels; otherwise it is the only one.
    pub is_all: bool,
    /// They are patterns of channels.
    pub is_pattern: bool,
}

impl ChannelSpec {
    /// One channel, the first argument.
    pub const ONE: ChannelSpec = ChannelSpec { first: 1, is_all: false, is_pattern: false };
    /// All arguments.
    pub const ALL: ChannelSpec = ChannelSpec { first: 1, is_all: true, is_pattern: false };
    /// All arguments, and they are patterns.
    pub const PATTERNS: ChannelSpec = ChannelSpec { first: 1, is_all: true, is_pattern: true };
}
