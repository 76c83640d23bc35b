//! The ACL file: LOAD, SAVE.

use std::path::Path;

use super::{ADMIN, TO_ALL_NODES, carry_out};
use crate::base::file::replace;
use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReplySlot, Request};
use crate::spec::Group;

pub(super) const LOAD: Command = Command::admin("load", 2, load)
    .doc(Group::Server, "6.0.0", "Takes the users from the ACL file.", "O(N) in the number of users")
    .flags(ADMIN);

pub(super) const SAVE: Command = Command::admin("save", 2, save)
    .doc(Group::Server, "6.0.0", "Writes the users to the ACL file.", "O(N) in the number of users")
    .flags(ADMIN)
    .tips(TO_ALL_NODES);

/// Hashes of passwords are nobody else's business.
const MODE: u32 = 0o600;

/// The most bytes that a file may have.
const FILE_MAX_BYTES: u64 = 64 << 20;

fn path<'c>(cx: &AdminCx<'c, '_>) -> Result<&'c Path, CmdError> {
    cx.config.aclfile.as_deref().ok_or(CmdError::text(
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
         command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store \
         users in the Redis configuration.",
    ))
}

fn load(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let path = path(cx)?;
    let read = || {
        if std::fs::metadata(path)?.len() > FILE_MAX_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        std::fs::read(path)
    };
    let text = read()
        .map_err(|error| CmdError::owned(format!("ERR {}", crate::acl::file::unreadable(path, &error))))?;
    match cx.engine.acl.load(path, &text) {
        Ok(consequences) => {
            carry_out(cx.engine, &consequences);
            Ok(reply.ok())
        }
        Err(error) => Err(CmdError::Bytes([b"ERR ", &*error].concat())),
    }
}

fn save(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let path = path(cx)?;
    match replace(path, &cx.engine.acl.to_text(), MODE) {
        Ok(()) => Ok(reply.ok()),
        Err(error) => {
            tracing::warn!("Users could not be written to {}: {error}", path.display());
            Err(CmdError::text(
                "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
            ))
        }
    }
}
