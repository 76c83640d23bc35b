//! What a request announces to the audit of keys ([`crate::keyspace::audit`]): what rules of users are compared with.
//!
//! So tests measure that nothing is touched that ACL has not checked. What a script runs is announced command by command, as
//! it is checked; a script that touches keys it has not declared does no harm then.

use std::collections::BTreeMap;

use super::access::Asked;
use super::command::{Handler, Request};
use super::exec::Executor;
use crate::acl::Touches;
use crate::acl::check::needed;
use crate::keyspace::audit::{Access, Announced, Audit};

/// Commands, and their containers, that reach keys which they don't announce: where they hold all of the keyspace, or are about
/// the server or the transaction.
const REACH_OTHERS: &[(&str, &str)] = &[
    ("scan", "names of all keys, which rules of users do not hide in Redis either"),
    ("keys", "as SCAN"),
    ("randomkey", "as SCAN"),
    ("flushdb", "names no keys; its right is that to run it, category @dangerous"),
    ("flushall", "as FLUSHDB"),
    ("swapdb", "as FLUSHDB"),
    (
        "sort",
        "BY and GET make names of keys out of values: it asks itself for the right to read all (`may_read_all`)",
    ),
    ("sort_ro", "as SORT"),
    (
        "exec",
        "looks whether keys have expired that WATCH has announced; what it runs is announced request by request",
    ),
    ("debug", "for developers, off unless `enable-debug-command` says so"),
];

/// Commands that change keys which a user may only read, as in Redis: not what the user has stored there.
const CHANGE_WHAT_THEY_READ: &[(&str, &str)] = &[
    ("xreadgroup", "what the group has delivered"),
    ("pfcount", "the cached count"),
    ("pfdebug", "the encoding"),
];

impl<'k> Executor<'k> {
    /// Keys that `request` does not announce are not to be touched until [`crate::keyspace::View::end_audit`].
    #[inline]
    pub(super) fn audit(&mut self, request: &Request<'_>) -> Audit {
        self.view.audit(|| announced_by(request))
    }
}

/// `None`: it may touch what it likes.
fn announced_by(request: &Request<'_>) -> Option<Announced> {
    let (command, full_name) = (request.command.command, &request.command.full_name);
    let is_in =
        |list: &[(&str, &str)]| list.iter().any(|(name, _)| full_name.split('|').next() == Some(name));
    let is_about_keys = matches!(command.handler, Handler::Read(_) | Handler::Write(_));
    if (command.scope.is_all(&request.args) || !is_about_keys) && is_in(REACH_OTHERS) {
        return None;
    }
    let asked = Asked { command: request.command, args: request.args };
    let mut keys = BTreeMap::new();
    for (position, flags) in asked.keys() {
        let may_change = needed(flags).write || is_in(CHANGE_WHAT_THEY_READ);
        let access = if may_change { Access::Change } else { Access::Read };
        // A key may stand in several places.
        keys.entry(request.args.at(position).into())
            .and_modify(|known: &mut Access| *known = access.max(*known))
            .or_insert(access);
    }
    Some(Announced { command: full_name.clone(), keys })
}
