//! AUTH, and the one place where a password is checked.
//!
//! A user that does not exist is refused with the same words as a wrong password and after the same work, so that names
//! can't be guessed. AUTH with a password alone is about the user `default`.

use crate::acl::{Context, DEFAULT, Reason};
use crate::dispatch::access::note_refusal;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
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

const WRONG_PASSWORD: CmdError =
    CmdError::text("WRONGPASS invalid username-password pair or user is disabled.");

/// Logs the session in, or notes the failure and says why not.
pub fn log_in(
    cx: &mut SessionCx<'_>,
    req: &Request<'_>,
    user: &[u8],
    password: &[u8],
) -> Result<(), CmdError> {
    match cx.engine.acl.authenticate(user, password) {
        Some(user) => {
            cx.session.log_in(user);
            Ok(())
        }
        None => {
            let place = (Reason::Auth, Context::TopLevel);
            note_refusal(cx.engine, cx.config, cx.session, place, req.arg(0), user);
            Err(WRONG_PASSWORD)
        }
    }
}

fn auth(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    match req.len() {
        2 if cx.engine.acl.default_user().rules.no_password => Err(CmdError::text(
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        )),
        2 => log_in(cx, req, DEFAULT, req.arg(1)).map(|()| reply.ok()),
        3 => log_in(cx, req, req.arg(1), req.arg(2)).map(|()| reply.ok()),
        _ => Err(CmdError::Syntax),
    }
}
