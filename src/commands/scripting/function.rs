//! FUNCTION: the libraries that the server has, and the functions that run.

use std::sync::Arc;

use crate::base::clock::Clock;
use crate::base::glob::{Case, matches};
use crate::dispatch::{CmdError, Command, Engine, Outcome, ReplySlot, Request, SessionCx, WriteCx};
use crate::rdb::dump;
use crate::resp::Writer;
use crate::script::functions::{Library, Policy, Registered};
use crate::script::{Functions, Scripts, functions, library};
use crate::spec::{Arg, CommandFlags, Group};

const WRITE_TIPS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

pub const COMMANDS: &[Command] = &[Command::container("function", -2, SUBCOMMANDS).doc(
    Group::Scripting,
    "7.0.0",
    "Commands about functions.",
    "Depends on subcommand.",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::write("delete", 3, delete)
        .whole_keyspace()
        .doc(Group::Scripting, "7.0.0", "Removes a library and its functions.", "O(1)")
        .flags(CommandFlags::NOSCRIPT)
        .tips(WRITE_TIPS)
        .args(&[Arg::string("library-name")]),
    Command::session("dump", 2, dump_all)
        .doc(
            Group::Scripting,
            "7.0.0",
            "Returns all libraries as bytes for FUNCTION RESTORE.",
            "O(N) in the number of functions.",
        )
        .flags(CommandFlags::NOSCRIPT),
    Command::write("flush", -2, flush)
        .whole_keyspace()
        .doc(Group::Scripting, "7.0.0", "Removes all libraries.", "O(N) in the number of functions.")
        .flags(CommandFlags::NOSCRIPT)
        .tips(WRITE_TIPS)
        .args(&[
            Arg::oneof("flush-type", &[Arg::token("async", "ASYNC"), Arg::token("sync", "SYNC")]).optional()
        ]),
    Command::session("help", 2, help)
        .doc(Group::Scripting, "7.0.0", "Lists the subcommands.", "O(1)")
        .flags(CommandFlags::LOADING.union(CommandFlags::STALE)),
    Command::session("kill", 2, kill)
        .doc(Group::Scripting, "7.0.0", "Ends the function that runs, if it has not written.", "O(1)")
        .flags(CommandFlags::ALLOW_BUSY.union(CommandFlags::NOSCRIPT))
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
    Command::session("list", -2, list)
        .doc(
            Group::Scripting,
            "7.0.0",
            "Returns libraries and their functions.",
            "O(N) in the number of functions.",
        )
        .flags(CommandFlags::NOSCRIPT)
        .tips(&["nondeterministic_output_order"])
        .args(&[
            Arg::string("library-name-pattern").with_token("LIBRARYNAME").optional(),
            Arg::token("withcode", "WITHCODE").optional(),
        ]),
    Command::write("load", -3, load)
        .whole_keyspace()
        .doc(
            Group::Scripting,
            "7.0.0",
            "Adds a library.",
            "O(1), not counting the time to compile and run its text.",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::NOSCRIPT))
        .tips(WRITE_TIPS)
        .args(&[Arg::token("replace", "REPLACE").optional(), Arg::string("function-code")]),
    Command::write("restore", -3, restore)
        .whole_keyspace()
        .doc(
            Group::Scripting,
            "7.0.0",
            "Adds the libraries that FUNCTION DUMP returned.",
            "O(N) in the number of functions restored.",
        )
        .flags(CommandFlags::DENYOOM.union(CommandFlags::NOSCRIPT))
        .tips(WRITE_TIPS)
        .args(&[
            Arg::string("serialized-value"),
            Arg::oneof(
                "policy",
                &[
                    Arg::token("flush", "FLUSH"),
                    Arg::token("append", "APPEND"),
                    Arg::token("replace", "REPLACE"),
                ],
            )
            .optional(),
        ]),
    Command::session("stats", 2, stats)
        .doc(Group::Scripting, "7.0.0", "Tells which function runs, and what there is in all.", "O(1)")
        .flags(CommandFlags::ALLOW_BUSY.union(CommandFlags::NOSCRIPT))
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
];

const HELP_LINES: &[&str] = &[
    "DELETE <library>",
    "    Remove a library and its functions.",
    "DUMP",
    "    Return all libraries as bytes for FUNCTION RESTORE.",
    "FLUSH [ASYNC|SYNC]",
    "    Remove all libraries.",
    "KILL",
    "    End the function that runs, if it has not written.",
    "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
    "    Return the libraries, or those whose names match, with their functions and, if asked for, their texts.",
    "LOAD [REPLACE] <text>",
    "    Add a library; REPLACE one of its name.",
    "RESTORE <bytes> [FLUSH|APPEND|REPLACE]",
    "    Add the libraries that FUNCTION DUMP returned:",
    "    * FLUSH: those that are there go first.",
    "    * APPEND: they stay, and nothing is added if a name is there already. The default.",
    "    * REPLACE: those of the same name go.",
    "STATS",
    "    Tell which function runs, for how long, and how many libraries and functions there are.",
];

fn functions_of(engine: &Engine) -> Result<Arc<Functions>, CmdError> {
    engine.parts.find::<Functions>().ok_or(CmdError::text("ERR functions are not available"))
}

fn scripts_of(engine: &Engine) -> Result<Arc<Scripts>, CmdError> {
    engine.parts.find::<Scripts>().ok_or(CmdError::text("ERR scripts are not available"))
}

fn load(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (mut replaces, last) = (false, req.len() - 1);
    for word in req.args.iter().take(last).skip(2) {
        if !word.eq_ignore_ascii_case(b"REPLACE") {
            return Err(CmdError::quoting("ERR Unknown option given: ", word, ""));
        }
        replaces = true;
    }
    let (code, functions) = (req.arg(last), functions_of(cx.engine)?);
    let (name, _) = functions::parse(code)?;
    if !replaces && functions.has(&name) {
        return Err(CmdError::quoting("ERR Library '", &name, "' already exists"));
    }
    functions.put(library::make(&functions, code, cx.config.lua_memory_limit)?)?;
    cx.keyspace().change_beside_keys();
    Ok(reply.bulk(&name))
}

fn delete(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    if !functions_of(cx.engine)?.delete(req.arg(2)) {
        return Err(CmdError::text("ERR Library not found"));
    }
    cx.keyspace().change_beside_keys();
    Ok(reply.ok())
}

fn flush(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const WRONG: CmdError = CmdError::text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    let is_known = |word: &[u8]| word.eq_ignore_ascii_case(b"SYNC") || word.eq_ignore_ascii_case(b"ASYNC");
    match req.len() {
        2 => {}
        3 if is_known(req.arg(2)) => {}
        3 => return Err(WRONG),
        _ => return Err(CmdError::subcommand_syntax("function", req.arg(1))),
    }
    functions_of(cx.engine)?.flush();
    cx.keyspace().change_beside_keys();
    Ok(reply.ok())
}

fn dump_all(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let libraries = functions_of(cx.engine)?.libraries();
    let mut payload = Vec::new();
    let codes = libraries.iter().map(|library| &*library.code);
    dump::encode_functions(codes, cx.config.rdbcompression, &mut payload);
    Ok(reply.bulk(&payload))
}

fn restore(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let policy = match (req.len(), req.arg(3).to_ascii_lowercase().as_slice()) {
        (3, _) | (4, b"append") => Policy::Append,
        (4, b"flush") => Policy::Flush,
        (4, b"replace") => Policy::Replace,
        (4, _) => {
            return Err(CmdError::text(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
        _ => return Err(CmdError::subcommand_syntax("function", req.arg(1))),
    };
    let codes = dump::decode_functions(req.arg(2)).map_err(|error| match error {
        dump::Error::Foot => CmdError::text("ERR DUMP payload version or checksum are wrong"),
        dump::Error::Value(_) => CmdError::text("ERR given type is not a function"),
    })?;
    let limit = cx.config.lua_memory_limit;
    let functions = functions_of(cx.engine)?;
    let made = codes.iter().map(|code| library::make(&functions, code, limit));
    let libraries: Result<Vec<_>, _> = made.collect();
    functions.restore(libraries?, policy)?;
    cx.keyspace().change_beside_keys();
    Ok(reply.ok())
}

fn list(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const NO_NAME: CmdError = CmdError::text("ERR library name argument was not given");
    let (mut pattern, mut with_code, mut words) = (None, false, req.args.iter().skip(2));
    while let Some(word) = words.next() {
        if !with_code && word.eq_ignore_ascii_case(b"WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && word.eq_ignore_ascii_case(b"LIBRARYNAME") {
            pattern = Some(words.next().ok_or(NO_NAME)?);
        } else {
            return Err(CmdError::quoting("ERR Unknown argument ", word, ""));
        }
    }
    let mut libraries = functions_of(cx.engine)?.libraries();
    libraries.retain(|library| pattern.is_none_or(|pattern| matches(pattern, &library.name, Case::Ignored)));
    Ok(reply.write(|w| {
        w.array(libraries.len());
        libraries.iter().for_each(|library| write_library(w, library, with_code));
    }))
}

fn write_library(w: &mut Writer<'_>, library: &Library, with_code: bool) {
    w.map(if with_code { 4 } else { 3 });
    w.bulk(b"library_name");
    w.bulk(&library.name);
    w.bulk(b"engine");
    w.bulk(b"LUA");
    w.bulk(b"functions");
    w.array(library.functions.len());
    library.functions.iter().for_each(|function| write_function(w, function));
    if with_code {
        w.bulk(b"library_code");
        w.bulk(&library.code);
    }
}

fn write_function(w: &mut Writer<'_>, function: &Registered) {
    w.map(3);
    w.bulk(b"name");
    w.bulk(&function.name);
    w.bulk(b"description");
    w.bulk_or_null(function.description.as_deref());
    w.bulk(b"flags");
    let names = function.flags.names();
    w.set(names.clone().count());
    names.for_each(|name| w.status(name));
}

fn stats(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let (libraries, functions, _) = functions_of(cx.engine)?.count();
    let running = scripts_of(cx.engine)?.running();
    let now_us = cx.engine.time.monotonic_us();
    let called = running.iter().find_map(|running| running.function.as_ref().map(|called| (running, called)));
    if let (None, Some(error)) = (called, cx.engine.long_scripts.objection()) {
        return Err(error);
    }
    Ok(reply.write(|w| {
        w.map(2);
        w.bulk(b"running_script");
        match called {
            None => w.null(),
            Some((running, called)) => {
                w.map(3);
                w.bulk(b"name");
                w.bulk(&called.name);
                w.bulk(b"command");
                let request = called.request.as_args();
                w.array(request.len());
                request.iter().for_each(|word| w.bulk(word));
                w.bulk(b"duration_ms");
                w.uint(now_us.saturating_sub(running.started_us) / 1000);
            }
        }
        w.bulk(b"engines");
        w.map(1);
        w.bulk(b"LUA");
        w.map(2);
        w.bulk(b"libraries_count");
        w.count(libraries);
        w.bulk(b"functions_count");
        w.count(functions);
    }))
}

fn kill(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    super::kill(&*scripts_of(cx.engine)?, true)?;
    Ok(reply.ok())
}

fn help(_: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help("function", HELP_LINES))
}
