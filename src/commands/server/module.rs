//! MODULE: there are none. Modules are shared objects of C code against Redis's own interface, which this server
//! does not have; loading one is refused as a load that failed.

use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReplySlot, Request};
use crate::spec::{Arg, CommandFlags, Group};

/// The row of MODULE.
pub const COMMANDS: &[Command] = &[Command::container("module", -2, SUBCOMMANDS).doc(
    Group::Server,
    "4.0.0",
    "Commands about modules.",
    "Depends on subcommand.",
)];

const SUBCOMMANDS: &[Command] = &[LIST, LOAD, LOADEX, UNLOAD, HELP];

/// The flags of those that change which modules there are.
const CHANGES: CommandFlags = CommandFlags::ADMIN
    .union(CommandFlags::NO_ASYNC_LOADING)
    .union(CommandFlags::NOSCRIPT)
    .union(CommandFlags::PROTECTED);

const LIST: Command = Command::admin("list", 2, list)
    .doc(Group::Server, "4.0.0", "Lists the modules.", "O(N) in the number of modules")
    .flags(CommandFlags::ADMIN.union(CommandFlags::NOSCRIPT))
    .tips(&["nondeterministic_output_order"]);

const LOAD: Command = Command::admin("load", -3, load)
    .doc(Group::Server, "4.0.0", "Loads a module.", "O(1)")
    .flags(CHANGES)
    .args(&[Arg::string("path"), Arg::string("arg").optional().multiple()]);

const LOADEX: Command = Command::admin("loadex", -3, load)
    .doc(Group::Server, "7.0.0", "Loads a module with its configuration.", "O(1)")
    .flags(CHANGES)
    .args(&[
        Arg::string("path"),
        Arg::block("configs", &[Arg::string("name"), Arg::string("value")])
            .with_token("CONFIG")
            .optional()
            .multiple()
            .multiple_token(),
        Arg::string("args").with_token("ARGS").optional().multiple(),
    ]);

const UNLOAD: Command = Command::admin("unload", 3, unload)
    .doc(Group::Server, "4.0.0", "Unloads a module.", "O(1)")
    .flags(CHANGES)
    .args(&[Arg::string("name")]);

const HELP: Command = Command::admin("help", 2, help)
    .doc(Group::Server, "5.0.0", "Lists the subcommands.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE));

const HELP_LINES: &[&str] = &[
    "LIST",
    "    List the modules: there are none.",
    "LOAD <path> [<arg> ...]",
    "    Refused: this server can't load modules.",
    "LOADEX <path> [CONFIG <name> <value> ...] [ARGS ...]",
    "    Refused as well.",
    "UNLOAD <name>",
    "    Refused: no module has this name.",
];

fn list(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.write(|w| w.array(0)))
}

fn load(_: &mut AdminCx<'_, '_>, req: &Request<'_>, _: ReplySlot<'_>) -> Outcome {
    tracing::warn!("Module {} not loaded: this server can't load modules", req.arg(2).escape_ascii());
    Err(CmdError::text("ERR Error loading the extension. Please check the server logs."))
}

fn unload(_: &mut AdminCx<'_, '_>, _: &Request<'_>, _: ReplySlot<'_>) -> Outcome {
    Err(CmdError::text("ERR Error unloading module: no such module with that name"))
}

fn help(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help("module", HELP_LINES))
}
