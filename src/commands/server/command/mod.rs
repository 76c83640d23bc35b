//! COMMAND: the command table, as clients read it.
//!
//! Everything here is read off the rows ([`crate::spec`]): [`info`] prints arity, flags, categories and key specs,
//! [`docs`] the documentation with its tree of arguments, [`getkeys`] runs the key walker on a full command. So what a
//! client is told about keys is what the server itself locks.

pub mod docs;
pub mod getkeys;
pub mod info;

use crate::base::glob::{Case, matches};
use crate::dispatch::{AdminCx, CmdError, Command, CommandTable, Outcome, Registered, ReplySlot, Request};
use crate::resp::Writer;
use crate::spec::{AclCategories, Arg, CommandFlags, Group};

/// The row of COMMAND.
pub const COMMANDS: &[Command] = &[Command::admin("command", -1, all)
    .doc(Group::Server, "2.8.13", "Describes all commands.", "O(N) in the number of commands")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
    .acl(AclCategories::CONNECTION)
    .tips(&["nondeterministic_output_order"])
    .subcommands(SUBCOMMANDS)];

const SUBCOMMANDS: &[Command] =
    &[COUNT, info::INFO, docs::DOCS, LIST, getkeys::GETKEYS, getkeys::GETKEYSANDFLAGS, HELP];

const COUNT: Command = Command::admin("count", 2, count)
    .doc(Group::Server, "2.8.13", "Tells how many commands there are.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
    .acl(AclCategories::CONNECTION);

const LIST: Command = Command::admin("list", -2, list)
    .doc(Group::Server, "7.0.0", "Lists the names of commands.", "O(N) in the number of commands")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
    .acl(AclCategories::CONNECTION)
    .tips(&["nondeterministic_output_order"])
    .args(&[Arg::oneof(
        "filterby",
        &[
            Arg::string("module-name").with_token("MODULE"),
            Arg::string("category").with_token("ACLCAT"),
            Arg::pattern("pattern").with_token("PATTERN"),
        ],
    )
    .with_token("FILTERBY")
    .optional()]);

const HELP: Command = Command::admin("help", 2, help)
    .doc(Group::Server, "5.0.0", "Lists the subcommands.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
    .acl(AclCategories::CONNECTION);

const HELP_LINES: &[&str] = &[
    "(no subcommand)",
    "    Describe all commands, as INFO does.",
    "COUNT",
    "    Tell how many commands there are.",
    "DOCS [<command-name> ...]",
    "    Document these commands, or all.",
    "GETKEYS <full-command>",
    "    Find the keys in a command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Find the keys in a command and what it would do to each.",
    "INFO [<command-name> ...]",
    "    Describe these commands, or all.",
    "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
    "    List the names of commands and subcommands.",
];

fn all(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    if req.len() > 1 {
        return Err(CmdError::unknown_subcommand(&req.command.full_name, req.arg(1)));
    }
    Ok(reply.write(|w| info::write_all(w, &cx.engine.commands)))
}

fn count(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.count(cx.engine.commands.len()))
}

fn help(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help("command", HELP_LINES))
}

/// What COMMAND LIST shows.
enum Filter<'a> {
    All,
    /// Nothing: a category or module that does not exist.
    None,
    Category(AclCategories),
    Pattern(&'a [u8]),
}

fn list(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let filter = parse_filter(req)?;
    let names = matching(&cx.engine.commands, &filter);
    Ok(reply.bulks(&names))
}

fn parse_filter<'a>(req: &Request<'a>) -> Result<Filter<'a>, CmdError> {
    if req.len() == 2 {
        return Ok(Filter::All);
    }
    if req.len() != 5 || !req.arg(2).eq_ignore_ascii_case(b"FILTERBY") {
        return Err(CmdError::Syntax);
    }
    let value = req.arg(4);
    match req.arg(3).to_ascii_lowercase().as_slice() {
        b"module" => Ok(Filter::None),
        b"aclcat" => Ok(AclCategories::from_word(value).map_or(Filter::None, Filter::Category)),
        b"pattern" => Ok(Filter::Pattern(value)),
        _ => Err(CmdError::Syntax),
    }
}

fn matching<'t>(table: &'t CommandTable, filter: &Filter<'_>) -> Vec<&'t str> {
    let fits = |registered: &&Registered| match filter {
        Filter::All => true,
        Filter::None => false,
        Filter::Category(category) => registered.command.spec.acl_categories().contains(*category),
        Filter::Pattern(pattern) => matches(pattern, registered.full_name.as_bytes(), Case::Ignored),
    };
    table.iter_all().filter(fits).map(|registered| registered.full_name.as_str()).collect()
}

/// A set of status words.
fn write_words(w: &mut Writer<'_>, words: impl Iterator<Item = &'static str> + Clone) {
    w.set(words.clone().count());
    words.for_each(|word| w.status(word));
}
