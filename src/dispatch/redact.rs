//! Which arguments hold secrets, for whoever shows commands: MONITOR, SLOWLOG, logs.

use super::table::Registered;
use crate::config::{Flags, lookup};
use crate::resp::Args;

/// What is shown instead.
pub const REDACTED: &[u8] = b"(redacted)";

/// Whether the argument at `index` must not be shown.
pub fn is_secret(registered: &Registered, args: &Args<'_>, index: usize) -> bool {
    let is = |at: usize, word: &str| args.at(at).eq_ignore_ascii_case(word.as_bytes());
    match registered.full_name.as_str() {
        "auth" => index >= 1,
        // HELLO 3 AUTH user password; MIGRATE … AUTH password | AUTH2 user password.
        "hello" | "migrate" => {
            index >= 1 && (is(index - 1, "AUTH") || is(index - 1, "AUTH2"))
                || index >= 2 && (is(index - 2, "AUTH") || is(index - 2, "AUTH2"))
        }
        "acl|setuser" => index >= 2,
        "config|set" => index >= 3 && index % 2 == 1 && is_sensitive(args.at(index - 1)),
        _ => false,
    }
}

/// The argument as it may be shown.
pub fn shown<'a>(registered: &Registered, args: &Args<'a>, index: usize) -> &'a [u8] {
    if is_secret(registered, args, index) { REDACTED } else { args.at(index) }
}

fn is_sensitive(option: &[u8]) -> bool {
    lookup(option).is_some_and(|(spec, _)| spec.flags.has(Flags::SENSITIVE))
}
