//! FCALL and FCALL_RO: functions of libraries.

use std::sync::Arc;

use super::eval::{READ_ONLY_FLAGS, READS, UNKNOWN_FLAGS, WRITES, answer, scripts, split_or};
use crate::dispatch::script::Rules;
use crate::dispatch::{CmdError, Command, Engine, Outcome, ReplySlot, Request, ScriptCx};
use crate::resp::{Args, OwnedArgs};
use crate::script::cache::Called;
use crate::script::{Functions, library};
use crate::spec::{Arg, CommandFlags, Group};

const COMPLEXITY: &str = "Depends on the function.";
const ARGS: &[Arg] = &[
    Arg::string("function"),
    Arg::integer("numkeys"),
    Arg::key("key", 0).optional().multiple(),
    Arg::string("arg").optional().multiple(),
];

pub const COMMANDS: &[Command] = &[
    Command::script("fcall", -3, fcall)
        .doc(Group::Scripting, "7.0.0", "Calls a function.", COMPLEXITY)
        .more_flags(flags)
        .keys(&[WRITES.notes(UNKNOWN_FLAGS)])
        .args(ARGS),
    Command::script("fcall_ro", -3, fcall_ro)
        .doc(Group::Scripting, "7.0.0", "Calls a function that only reads.", COMPLEXITY)
        .more_flags(flags)
        .flags(CommandFlags::READONLY)
        .keys(&[READS.notes(READ_ONLY_FLAGS)])
        .args(ARGS),
];

/// What a function says of itself.
fn flags(engine: &Engine, args: &Args<'_>) -> CommandFlags {
    let found = engine.parts.find::<Functions>().and_then(|functions| functions.find(args.at(1)));
    let function = found.as_ref().and_then(|(library, index)| library.functions.get(*index));
    function.map_or(CommandFlags::default(), |function| function.flags.of_request())
}

fn fcall_ro(cx: &mut ScriptCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    cx.rules.is_read_only = true;
    fcall(cx, req, reply)
}

fn fcall(cx: &mut ScriptCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const NO_NUMBER: CmdError = CmdError::text("ERR Bad number of keys provided");
    const UNKNOWN: CmdError = CmdError::text("ERR Function not found");
    const WRITES: CmdError =
        CmdError::text("ERR Can not execute a script with write flag using *_ro command.");
    let functions = functions(cx)?;
    let (library, index) = functions.find(req.arg(1)).ok_or(UNKNOWN)?;
    let function = library.functions.get(index).ok_or(UNKNOWN)?;
    let flags = function.flags;
    let words = split_or(req, NO_NUMBER)?;
    if !flags.no_writes && cx.rules.is_read_only {
        return Err(WRITES);
    }
    cx.rules = Rules { is_read_only: cx.rules.is_read_only || flags.no_writes, allows_oom: flags.allow_oom };
    let scripts = scripts(cx)?;
    let called = Called { name: function.name.clone(), request: OwnedArgs::from_slices(req.args.iter()) };
    let running = scripts.begin_function(cx.began_us(), called);
    let mut slot = Some(reply);
    let ended =
        library::call(cx, &functions, (&library, index), &running, words.apart(), |ended, is_resp3| {
            answer(&mut slot, ended, is_resp3)
        });
    scripts.end(&running);
    cx.check_restart()?;
    ended??.ok_or(CmdError::InvalidKeys)
}

fn functions(cx: &ScriptCx<'_, '_>) -> Result<Arc<Functions>, CmdError> {
    cx.engine().parts.find::<Functions>().ok_or(CmdError::text("ERR functions are not available"))
}
