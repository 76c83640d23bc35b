//! Users one by one and all together: SETUSER, GETUSER, DELUSER, LIST, USERS, WHOAMI, GENPASS.

use super::{ADMIN, OPEN, TO_ALL_NODES, carry_out};
use crate::acl::{DEFAULT, Selector, has_blanks};
use crate::base::rng::os_seed;
use crate::dispatch::options::int;
use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReplySlot, Request};
use crate::resp::Writer;
use crate::spec::{Arg, Group};

pub(super) const SETUSER: Command = Command::admin("setuser", -3, setuser)
    .doc(Group::Server, "6.0.0", "Makes a user, or changes one, by rules.", "O(N) in the number of rules")
    .flags(ADMIN)
    .tips(TO_ALL_NODES)
    .args(&[Arg::string("username"), Arg::string("rule").optional().multiple()]);

pub(super) const GETUSER: Command = Command::admin("getuser", 3, getuser)
    .doc(
        Group::Server,
        "6.0.0",
        "Shows what a user may do.",
        "O(N) in the number of passwords, rules and patterns of the user",
    )
    .flags(ADMIN)
    .args(&[Arg::string("username")]);

pub(super) const DELUSER: Command = Command::admin("deluser", -3, deluser)
    .doc(
        Group::Server,
        "6.0.0",
        "Deletes users and closes their connections.",
        "O(N) in the number of connections",
    )
    .flags(ADMIN)
    .tips(TO_ALL_NODES)
    .args(&[Arg::string("username").multiple()]);

pub(super) const LIST: Command = Command::admin("list", 2, list)
    .doc(Group::Server, "6.0.0", "Shows all users as lines of a file.", "O(N) in the number of users")
    .flags(ADMIN);

pub(super) const USERS: Command = Command::admin("users", 2, users)
    .doc(Group::Server, "6.0.0", "Lists the names of all users.", "O(N) in the number of users")
    .flags(ADMIN);

pub(super) const WHOAMI: Command = Command::admin("whoami", 2, whoami)
    .doc(Group::Server, "6.0.0", "Tells the name of this connection's user.", "O(1)")
    .flags(OPEN);

pub(super) const GENPASS: Command = Command::admin("genpass", -2, genpass)
    .doc(Group::Server, "6.0.0", "Makes up a password that nobody guesses.", "O(1)")
    .flags(OPEN)
    .args(&[Arg::integer("bits").optional()]);

/// Bits of a password when no number is given, and the most.
const PASSWORD_BITS: i64 = 256;
const PASSWORD_BITS_MAX: i64 = 4096;

fn setuser(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let name = req.arg(2);
    if has_blanks(name) {
        return Err(CmdError::text("ERR Usernames can't contain spaces or null characters"));
    }
    let rules: Vec<&[u8]> = req.args.iter().skip(3).collect();
    match cx.engine.acl.set_user(name, &rules) {
        Ok(consequences) => {
            carry_out(cx.engine, &consequences);
            Ok(reply.ok())
        }
        Err(error) => Err(CmdError::Bytes([b"ERR ", &*error].concat())),
    }
}

fn getuser(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let Some(user) = cx.engine.acl.find(req.arg(2)) else { return Ok(reply.null()) };
    let rules = &user.rules;
    Ok(reply.write(|w| {
        w.map(6);
        w.bulk(b"flags");
        w.set(rules.flags().count());
        rules.flags().for_each(|flag| w.bulk(flag.as_bytes()));
        w.bulk(b"passwords");
        w.array(rules.passwords().len());
        rules.passwords().iter().for_each(|hash| w.bulk(hash.to_hex().as_bytes()));
        write_selector(w, rules.root());
        w.bulk(b"selectors");
        w.array(rules.others().len());
        for selector in rules.others() {
            w.map(3);
            write_selector(w, selector);
        }
    }))
}

/// Three pairs.
fn write_selector(w: &mut Writer<'_>, selector: &Selector) {
    w.bulk(b"commands");
    w.bulk(&selector.describe_commands());
    w.bulk(b"keys");
    w.bulk(&selector.describe_keys());
    w.bulk(b"channels");
    w.bulk(&selector.describe_channels());
}

fn deluser(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let names: Vec<&[u8]> = req.args.iter().skip(2).collect();
    if names.contains(&DEFAULT) {
        return Err(CmdError::text("ERR The 'default' user cannot be removed"));
    }
    let gone = cx.engine.acl.delete(&names);
    let count = gone.len();
    carry_out(cx.engine, &crate::acl::Consequences { gone, ..Default::default() });
    Ok(reply.count(count))
}

fn list(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let lines: Vec<Vec<u8>> = cx.engine.acl.users().iter().map(|user| user.line()).collect();
    Ok(reply.bulks(&lines))
}

fn users(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let users = cx.engine.acl.users();
    let names: Vec<&[u8]> = users.iter().map(|user| &*user.name).collect();
    Ok(reply.bulks(&names))
}

fn whoami(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.bulk(&cx.session.user().name))
}

/// Four bits a digit, rounded up.
fn genpass(_: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let bits = match req.len() {
        2 => PASSWORD_BITS,
        3 => int(req.arg(2))?,
        _ => return Err(CmdError::subcommand_syntax("acl", req.arg(1))),
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(CmdError::text(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        ));
    }
    let digits = usize::try_from(bits).unwrap_or_default().div_ceil(4);
    let mut password = String::with_capacity(digits + 64);
    while password.len() < digits {
        os_seed().iter().for_each(|word| password.push_str(&format!("{word:016x}")));
    }
    password.truncate(digits);
    Ok(reply.bulk(password.as_bytes()))
}
