//! ACL: users, their rules, and what was refused to them.
//!
//! ```text
//! users  SETUSER GETUSER DELUSER LIST USERS WHOAMI GENPASS      look  CAT DRYRUN LOG
//! file   LOAD SAVE
//! ```
//!
//! The language of rules and the decisions are in [`crate::acl`]; here words come in and answers go out, and connections are
//! closed whose users lost what they live on.

mod file;
mod look;
mod users;

use std::collections::HashSet;

use crate::acl::Consequences;
use crate::dispatch::{AdminCx, Command, Engine, Outcome, ReplySlot, Request};
use crate::session::Space;
use crate::spec::{CommandFlags, Group};

/// The row of ACL.
pub const COMMANDS: &[Command] = &[Command::container("acl", -2, SUBCOMMANDS).doc(
    Group::Server,
    "6.0.0",
    "Commands about users and their rules.",
    "Depends on subcommand.",
)];

const SUBCOMMANDS: &[Command] = &[
    look::CAT,
    users::DELUSER,
    look::DRYRUN,
    users::GENPASS,
    users::GETUSER,
    users::LIST,
    file::LOAD,
    look::LOG,
    file::SAVE,
    users::SETUSER,
    users::USERS,
    users::WHOAMI,
    HELP,
];

/// Of subcommands that everybody may need.
const OPEN: CommandFlags = CommandFlags::LOADING.union(CommandFlags::NOSCRIPT).union(CommandFlags::STALE);
/// Of subcommands that are for administrators.
const ADMIN: CommandFlags = CommandFlags::ADMIN.union(OPEN);
const TO_ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const HELP: Command = Command::admin("help", 2, help)
    .doc(Group::Server, "6.0.0", "Lists the subcommands.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE));

const HELP_LINES: &[&str] = &[
    "CAT [<category>]",
    "    List the categories, or the commands of one.",
    "DELUSER <username> [<username> ...]",
    "    Delete users and close their connections.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Tell whether a user may run a command, without running it.",
    "GETUSER <username>",
    "    Show what a user may do.",
    "GENPASS [<bits>]",
    "    Make up a password of 256 or so many random bits.",
    "LIST",
    "    Show all users as lines of a file.",
    "LOAD",
    "    Take the users from the ACL file.",
    "LOG [<count> | RESET]",
    "    Show what was refused of late, or forget it.",
    "SAVE",
    "    Write the users to the ACL file.",
    "SETUSER <username> <attribute> [<attribute> ...]",
    "    Make a user, or change one, by rules.",
    "USERS",
    "    List the names of all users.",
    "WHOAMI",
    "    Tell the name of this connection's user.",
];

fn help(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help("acl", HELP_LINES))
}

/// Closes the connections of users that are gone, and of those who listen to what they may not hear any more.
fn carry_out(engine: &Engine, consequences: &Consequences) {
    if consequences.gone.is_empty() && consequences.restricted.is_empty() {
        return;
    }
    let mut leaving = HashSet::new();
    engine.pubsub.for_each_subscription(|space, name, client| {
        let user = client.names().user;
        let now = consequences.restricted.iter().find(|restricted| *restricted.name == *user);
        if now.is_some_and(|user| !user.may_listen(name, space == Space::Pattern)) {
            leaving.insert(client.id);
        }
    });
    for client in engine.clients.iter() {
        let is_gone = || {
            let user = client.names().user;
            consequences.gone.iter().any(|gone| **gone == *user)
        };
        if leaving.contains(&client.id) || is_gone() {
            leaving.insert(client.id);
            client.kill();
        }
    }
    // Their workers close them in a moment; they hear nothing from now on.
    let mut over = Vec::new();
    engine.pubsub.for_each_subscription(|space, name, client| {
        if leaving.contains(&client.id) {
            over.push((space, name.to_vec(), client.id));
        }
    });
    over.iter().for_each(|(space, name, client)| engine.pubsub.unsubscribe(*space, name, *client));
}
