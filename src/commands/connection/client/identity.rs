//! Who a connection is: its number, its name, its library.

use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::spec::{Arg, CommandFlags, Group};

pub(super) const ID: Command = Command::session("id", 2, id)
    .doc(Group::Connection, "5.0.0", "Tells the number of this connection.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::NOSCRIPT).union(CommandFlags::STALE));

pub(super) const GETNAME: Command = Command::session("getname", 2, getname)
    .doc(Group::Connection, "2.6.9", "Tells the name of this connection.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::NOSCRIPT).union(CommandFlags::STALE));

pub(super) const SETNAME: Command = Command::session("setname", 3, setname)
    .doc(Group::Connection, "2.6.9", "Names this connection.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::NOSCRIPT).union(CommandFlags::STALE))
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
    .args(&[Arg::string("connection-name")]);

pub(super) const SETINFO: Command = Command::session("setinfo", 4, setinfo)
    .doc(Group::Connection, "7.2.0", "Notes the client library's name or version.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::NOSCRIPT).union(CommandFlags::STALE))
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
    .args(&[Arg::oneof(
        "attr",
        &[Arg::string("libname").with_token("LIB-NAME"), Arg::string("libver").with_token("LIB-VER")],
    )]);

/// Names stand in the lines of CLIENT LIST, so they may hold visible ASCII only.
fn is_visible(word: &[u8]) -> bool {
    word.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

/// Refuses a name that can't be shown.
pub fn check_name(name: &[u8]) -> Result<(), CmdError> {
    const REFUSED: CmdError =
        CmdError::text("ERR Client names cannot contain spaces, newlines or special characters.");
    if is_visible(name) { Ok(()) } else { Err(REFUSED) }
}

fn id(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let id = cx.session.id().0;
    Ok(reply.write(|w| w.uint(id)))
}

fn getname(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let name = cx.session.shared.names().name;
    Ok(if name.is_empty() { reply.null() } else { reply.bulk(&name) })
}

fn setname(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let name = req.arg(2);
    check_name(name)?;
    cx.session.shared.set_names(|names| names.name = name.to_vec());
    Ok(reply.ok())
}

fn setinfo(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (attribute, value) = (req.arg(2), req.arg(3));
    let is_name = attribute.eq_ignore_ascii_case(b"lib-name");
    if !is_name && !attribute.eq_ignore_ascii_case(b"lib-ver") {
        return Err(CmdError::quoting("ERR Unrecognized option '", attribute, "'"));
    }
    if !is_visible(value) {
        return Err(CmdError::quoting(
            "ERR ",
            attribute,
            " cannot contain spaces, newlines or special characters.",
        ));
    }
    cx.session.shared.set_names(|names| {
        let field = if is_name { &mut names.lib_name } else { &mut names.lib_ver };
        *field = value.to_vec();
    });
    Ok(reply.ok())
}
