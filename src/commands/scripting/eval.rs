//! EVAL, EVALSHA and their read-only forms.

use smallvec::SmallVec;

use crate::base::num::parse_i64;
use crate::dispatch::script::Rules;
use crate::dispatch::{CmdError, Command, Engine, Outcome, Replied, ReplySlot, Request, ScriptCx};
use crate::resp::Args;
use crate::script::interpreter::{self, Ended};
use crate::script::{Script, Scripts, cache, convert, shebang};
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};
use std::sync::Arc;

const COMPLEXITY: &str = "Depends on the script.";
pub(super) const WRITES: KeySpec =
    KeySpec::counted(2, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE));
pub(super) const READS: KeySpec = KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS));
pub(super) const UNKNOWN_FLAGS: &str =
    "A script may read and write what it likes, so the flags say all that is possible.";
pub(super) const READ_ONLY_FLAGS: &str = "A script may read what it likes.";
const TEXT_ARGS: &[Arg] = &[
    Arg::string("script"),
    Arg::integer("numkeys"),
    Arg::key("key", 0).optional().multiple(),
    Arg::string("arg").optional().multiple(),
];
const SHA_ARGS: &[Arg] = &[
    Arg::string("sha1"),
    Arg::integer("numkeys"),
    Arg::key("key", 0).optional().multiple(),
    Arg::string("arg").optional().multiple(),
];

pub const COMMANDS: &[Command] = &[
    Command::script("eval", -3, eval)
        .doc(Group::Scripting, "2.6.0", "Runs a script.", COMPLEXITY)
        .more_flags(text_flags)
        .keys(&[WRITES.notes(UNKNOWN_FLAGS)])
        .args(TEXT_ARGS),
    Command::script("evalsha", -3, evalsha)
        .doc(
            Group::Scripting,
            "2.6.0",
            "Runs a script that the server has, by the SHA-1 of its text.",
            COMPLEXITY,
        )
        .more_flags(sha_flags)
        .keys(&[WRITES])
        .args(SHA_ARGS),
    Command::script("eval_ro", -3, eval_ro)
        .doc(Group::Scripting, "7.0.0", "Runs a script that only reads.", COMPLEXITY)
        .more_flags(text_flags)
        .flags(CommandFlags::READONLY)
        .keys(&[READS.notes(READ_ONLY_FLAGS)])
        .args(TEXT_ARGS),
    Command::script("evalsha_ro", -3, evalsha_ro)
        .doc(
            Group::Scripting,
            "7.0.0",
            "Runs a script that only reads and that the server has, by the SHA-1 of its text.",
            COMPLEXITY,
        )
        .more_flags(sha_flags)
        .flags(CommandFlags::READONLY)
        .keys(&[READS])
        .args(SHA_ARGS),
];

/// What a script says of itself; nothing if it has no such line.
fn text_flags(_: &Engine, args: &Args<'_>) -> CommandFlags {
    shebang::parse(args.at(1)).map_or(CommandFlags::default(), |(flags, _)| flags_of(flags))
}

fn sha_flags(engine: &Engine, args: &Args<'_>) -> CommandFlags {
    let scripts = engine.parts.find::<Scripts>();
    let script = scripts.and_then(|scripts| scripts.find(&cache::parse_sha(args.at(1))?));
    script.map_or(CommandFlags::default(), |script| flags_of(script.flags))
}

fn flags_of(flags: shebang::Flags) -> CommandFlags {
    if flags.is_given { flags.of_request() } else { CommandFlags::default() }
}

fn eval(cx: &mut ScriptCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let scripts = scripts(cx)?;
    let split = split(req)?;
    let script = match scripts.called(&cache::sha_of(req.arg(1))) {
        Some(script) => script,
        None => add(&scripts, req.arg(1), cx.config().lua_memory_limit, false)?,
    };
    run(cx, &scripts, &script, split, reply)
}

fn evalsha(cx: &mut ScriptCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const NO_SCRIPT: CmdError = CmdError::text("NOSCRIPT No matching script. Please use EVAL.");
    let scripts = scripts(cx)?;
    let sha = cache::parse_sha(req.arg(1)).ok_or(NO_SCRIPT)?;
    let script = scripts.find(&sha).ok_or(NO_SCRIPT)?;
    let split = split(req)?;
    scripts.note_call(&script);
    run(cx, &scripts, &script, split, reply)
}

/// Keeps a script whose text compiles. `is_loaded`: it stays until SCRIPT FLUSH.
pub(super) fn add(
    scripts: &Scripts,
    text: &[u8],
    memory_limit: u64,
    is_loaded: bool,
) -> Result<Arc<Script>, CmdError> {
    let script = Arc::new(Script::read(text)?);
    interpreter::check(memory_limit, scripts, &script)?;
    scripts.keep(&script, is_loaded);
    Ok(script)
}

fn eval_ro(cx: &mut ScriptCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    cx.rules.is_read_only = true;
    eval(cx, req, reply)
}

fn evalsha_ro(cx: &mut ScriptCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    cx.rules.is_read_only = true;
    evalsha(cx, req, reply)
}

pub(super) fn scripts(cx: &ScriptCx<'_, '_>) -> Result<Arc<Scripts>, CmdError> {
    cx.engine().parts.find::<Scripts>().ok_or(CmdError::text("ERR scripts are not available"))
}

fn split<'a>(req: &Request<'a>) -> Result<KeysAndArguments<'a>, CmdError> {
    split_or(req, CmdError::NotAnInteger)
}

/// Where keys and arguments stand: keys from position 3 on, and how many. `no_number`: the error where that is no number.
pub(super) fn split_or<'a>(req: &Request<'a>, no_number: CmdError) -> Result<KeysAndArguments<'a>, CmdError> {
    const TOO_MANY: CmdError = CmdError::text("ERR Number of keys can't be greater than number of args");
    const NEGATIVE: CmdError = CmdError::text("ERR Number of keys can't be negative");
    let count = parse_i64(req.arg(2)).ok_or(no_number)?;
    let words: SmallVec<[&[u8]; 8]> = req.args.iter().skip(3).collect();
    if count > words.len() as i64 {
        return Err(TOO_MANY);
    }
    Ok(KeysAndArguments { keys: usize::try_from(count).map_err(|_| NEGATIVE)?, words })
}

/// Keys, and arguments behind them.
pub(super) struct KeysAndArguments<'a> {
    keys: usize,
    words: SmallVec<[&'a [u8]; 8]>,
}

impl<'a> KeysAndArguments<'a> {
    pub(super) fn apart(&self) -> (&[&'a [u8]], &[&'a [u8]]) {
        self.words.split_at_checked(self.keys).unwrap_or_default()
    }
}

fn run(
    cx: &mut ScriptCx<'_, '_>,
    scripts: &Scripts,
    script: &Script,
    words: KeysAndArguments<'_>,
    reply: ReplySlot<'_>,
) -> Outcome {
    let flags = script.flags;
    if flags.is_given && !flags.no_writes && cx.rules.is_read_only {
        return Err(CmdError::text("ERR Can not execute a script with write flag using *_ro command."));
    }
    cx.rules = Rules { is_read_only: cx.rules.is_read_only || flags.no_writes, allows_oom: flags.allow_oom };
    let running = scripts.begin(cx.began_us());
    let words_of = words.apart();
    let mut slot = Some(reply);
    let ended = interpreter::run(cx, scripts, script, &running, words_of, |ended, is_resp3| {
        answer(&mut slot, ended, is_resp3)
    });
    scripts.end(&running);
    cx.check_restart()?;
    ended??.ok_or(CmdError::InvalidKeys)
}

/// Writes what a script or function ended with, into a place that is there once.
pub(super) fn answer(
    slot: &mut Option<ReplySlot<'_>>,
    ended: Ended,
    is_resp3: bool,
) -> Result<Option<Replied>, CmdError> {
    match ended {
        Ended::Failed(error) => Err(error),
        Ended::Returned(value) => {
            let write = |reply: ReplySlot<'_>| reply.write(|writer| convert::write(writer, &value, is_resp3));
            Ok(slot.take().map(write))
        }
    }
}
