//! The decision: may this user run this request?
//!
//! A selector allows a request when it allows the command, all its keys in the way they are used, and all channels it
//! publishes to or listens to. One selector must allow all of it; two halves make no whole. When none does, what is reported is the
//! refusal that came furthest: a channel before a key before the command, and among these the last argument.

use smallvec::SmallVec;

use super::selector::{Permission, Selector};
use super::user::User;
use crate::base::glob::Pattern;
use crate::resp::Args;
use crate::spec::KeyFlags;

/// Positions of arguments that are keys, and what happens to them.
pub type KeysUsed = SmallVec<[(usize, KeyFlags); 4]>;
/// Positions of arguments that are channels, and whether they are patterns.
pub type ChannelsUsed = SmallVec<[(usize, bool); 4]>;

/// A request, as far as rules are about it. Keys and channels are only asked for when a rule depends on them.
pub trait Touches {
    /// Number of the command.
    fn command(&self) -> u16;
    fn is_subcommand(&self) -> bool;
    /// Whether everybody may run it, because it is how one logs in.
    fn is_for_strangers(&self) -> bool;
    fn args(&self) -> &Args<'_>;
    fn keys(&self) -> KeysUsed;
    fn channels(&self) -> ChannelsUsed;
}

/// What was refused; positions are those of arguments. The order is that of how far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    Command,
    Key(usize),
    Channel(usize),
}

/// What use of a key needs.
pub fn needed(flags: KeyFlags) -> Permission {
    let changes = KeyFlags::INSERT.union(KeyFlags::DELETE).union(KeyFlags::UPDATE);
    Permission { read: flags.contains(KeyFlags::ACCESS), write: flags.intersects(changes) }
}

impl User {
    /// Whether the user may run the request.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(&self, request: &dyn Touches) -> Result<(), Denied> {
        if self.is_unlimited {
            return Ok(());
        }
        let mut keys = None;
        let mut furthest = Denied::Command;
        for selector in self.rules.selectors() {
            match selector.check(request, &mut keys) {
                Ok(()) => return Ok(()),
                Err(denied) => furthest = furthest.max(denied),
            }
        }
        Err(furthest)
    }

    /// Whether a selector that allows the request may read every key there is (SORT BY and GET make key names of
    /// values).
    pub fn may_read_all(&self, request: &dyn Touches) -> bool {
        let reads_all = |selector: &Selector| {
            let is_all =
                |key: &super::selector::KeyPattern| key.permission.read && key.pattern.as_bytes() == b"*";
            selector.all_keys || selector.keys.iter().any(is_all)
        };
        let mut keys = None;
        self.is_unlimited
            || self
                .rules
                .selectors()
                .any(|selector| reads_all(selector) && selector.check(request, &mut keys).is_ok())
    }

    /// Whether the user may listen to a name.
    pub fn may_listen(&self, name: &[u8], is_pattern: bool) -> bool {
        self.rules.selectors().any(|selector| selector.allows_channel(name, is_pattern))
    }
}

impl Selector {
    fn check(&self, request: &dyn Touches, keys: &mut Option<KeysUsed>) -> Result<(), Denied> {
        let args = request.args();
        if !request.is_for_strangers()
            && !self.allows_command(request.command(), request.is_subcommand(), args)
        {
            return Err(Denied::Command);
        }
        if !self.all_keys {
            for &(position, flags) in keys.get_or_insert_with(|| request.keys()).iter() {
                if !self.allows_key(args.at(position), needed(flags)) {
                    return Err(Denied::Key(position));
                }
            }
        }
        if !self.all_channels {
            for (position, is_pattern) in request.channels() {
                if !self.allows_channel(args.at(position), is_pattern) {
                    return Err(Denied::Channel(position));
                }
            }
        }
        Ok(())
    }

    fn allows_key(&self, key: &[u8], needed: Permission) -> bool {
        self.keys.iter().any(|known| known.permission.covers(needed) && known.pattern.matches(key))
    }

    /// A pattern is allowed only by itself, letter by letter: what it matches nobody can tell.
    fn allows_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        let allows = |known: &Pattern| {
            if is_pattern { known.as_bytes() == name } else { known.matches(name) }
        };
        self.all_channels || self.channels.iter().any(allows)
    }
}

/// Whether somebody who listens as `old` may have to stop as `new`: then every subscription is to be looked at.
pub(super) fn loses_channels(old: &User, new: &User) -> bool {
    let mut now = new.rules.selectors();
    if now.any(|selector| selector.all_channels) {
        return false;
    }
    let is_kept = |pattern: &Pattern| {
        new.rules.selectors().any(|selector| selector.channels.iter().any(|kept| kept == pattern))
    };
    old.rules.selectors().any(|selector| selector.all_channels || !selector.channels.iter().all(is_kept))
}
