//! AUTH, and the one place where a password is checked.
//!
//! There is one user, `default`; its password is `requirepass`. Without one it may log in with anything, and any
//! other name is refused with the same words as a wrong password, so that names can't be guessed. The comparison
//! takes the same time wherever the first difference stands; only the length of the password can show.

use subtle::ConstantTimeEq;

use crate::config::Config;
use crate::dispatch::{CmdError, Command, Engine, Outcome, ReplySlot, Request, SessionCx};
use crate::session::bump;
use crate::spec::{Arg, CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[Command::session("auth", -2, auth)
    .doc(
        Group::Connection,
        "1.0.0",
        "Logs the connection in.",
        "O(N) in the number of passwords the user has",
    )
    .flags(
        CommandFlags::ALLOW_BUSY
            .union(CommandFlags::FAST)
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NO_AUTH)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .args(&[Arg::string("username").since("6.0.0").optional(), Arg::string("password")])];

/// The one user there is.
const DEFAULT_USER: &[u8] = b"default";

const WRONG_PASSWORD: CmdError =
    CmdError::text("WRONGPASS invalid username-password pair or user is disabled.");

/// Whether new connections have to log in. Asks the store, not the batch's snapshot: a CONFIG SET in the same pipeline
/// must count at once.
pub fn is_password_needed(engine: &Engine) -> bool {
    engine.config.snapshot().requirepass.is_some()
}

/// Whether a user of that name exists.
pub fn is_user(name: &[u8]) -> bool {
    name == DEFAULT_USER
}

/// Logs the session in, or counts the failure and says why not.
pub fn log_in(cx: &mut SessionCx<'_>, user: &[u8], password: &[u8]) -> Result<(), CmdError> {
    if !is_user(user) || !is_password(&cx.engine.config.snapshot(), password) {
        bump(&cx.engine.stats.worker(cx.session.shared.worker).counters.acl_denied_auth, 1);
        return Err(WRONG_PASSWORD);
    }
    cx.session.authenticated = true;
    Ok(())
}

fn is_password(config: &Config, password: &[u8]) -> bool {
    config.requirepass.as_ref().is_none_or(|secret| secret.expose().ct_eq(password).into())
}

fn auth(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    match req.len() {
        2 if !is_password_needed(cx.engine) => Err(CmdError::text(
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        )),
        2 => log_in(cx, DEFAULT_USER, req.arg(1)).map(|()| reply.ok()),
        3 => log_in(cx, req.arg(1), req.arg(2)).map(|()| reply.ok()),
        _ => Err(CmdError::Syntax),
    }
}
