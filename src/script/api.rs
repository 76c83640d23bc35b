//! The functions of the table `redis`, as the interpreter calls them.
//!
//! They answer `(is_error, value)`: the wrapper that Lua sees (`__raising` of `build/main.rs`) raises the value in the first case.
//! So errors are tables with a text in `err`, as scripts expect them, and the stack shows the script's own line.
//!
//! `redis.call` and `redis.pcall` are called far more often than all others, so they come in through [`crate::ds::door`].
//!
//! What runs commands is found in a scoped thread-local: closures of the interpreter live longer than any request, so they can't
//! hold its context.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use mlua::{Lua, MultiValue, Value};
use scoped_tls_hkt::{ReborrowMut, scoped_thread_local};

use super::cache::Running;
use super::convert::{ReplyReader, c_text, truncated};
use super::interpreter::KILLED;
use crate::base::num::parse_i64;
use crate::base::{float, sha1};
use crate::dispatch::{CmdError, ScriptCx};
use crate::ds::door::{self, Word, Words};
use crate::resp::{Args, Output, OwnedArgs, Proto};

/// What a script's request offers to it.
pub trait Host {
    /// Runs a command; its reply is in `out`.
    fn run(&mut self, args: Args<'_>, out: &mut Output) -> Result<(), CmdError>;
    /// Whether the user may run a command.
    fn may_run(&mut self, args: Args<'_>) -> Result<bool, CmdError>;
    fn set_proto(&mut self, proto: Proto);
    fn proto(&self) -> Proto;
    /// Lets others have the thread for a while; whether the script is to go on.
    fn breathe(&mut self) -> bool;
}

/// The context of the request, and the protocol that `redis.setresp` chose.
pub struct RequestHost<'h, 'c, 'k> {
    pub cx: &'h mut ScriptCx<'c, 'k>,
    pub running: &'h Running,
    pub proto: Proto,
}

impl Host for RequestHost<'_, '_, '_> {
    fn run(&mut self, args: Args<'_>, out: &mut Output) -> Result<(), CmdError> {
        let done = self.cx.run(args, out);
        self.running.has_written.store(self.cx.has_written, Ordering::Relaxed);
        done
    }

    fn may_run(&mut self, args: Args<'_>) -> Result<bool, CmdError> {
        self.cx.may_run(args)
    }

    fn set_proto(&mut self, proto: Proto) {
        self.proto = proto;
        self.cx.set_proto(proto);
    }

    fn proto(&self) -> Proto {
        self.proto
    }

    fn breathe(&mut self) -> bool {
        let goes_on = self.cx.breathe(self.running.function.is_some());
        goes_on && !self.running.is_killed.load(Ordering::Relaxed)
    }
}

/// A host for as long as its script runs.
pub struct HostRef<'h>(pub &'h mut (dyn Host + 'h));

impl<'a> ReborrowMut<'a> for HostRef<'_> {
    type Result = HostRef<'a>;

    fn reborrow_mut(&'a mut self) -> HostRef<'a> {
        HostRef(&mut *self.0)
    }
}

scoped_thread_local!(static mut HOST: for<'h> HostRef<'h>);

thread_local! {
    /// A script of this thread is between its beginning and its end.
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
    /// Values that were gone through.
    static GONE_THROUGH: Cell<u32> = const { Cell::new(0) };
}

/// Takes the mark of a running script back, also when it panics.
struct Unmark;

impl Drop for Unmark {
    fn drop(&mut self) {
        IS_RUNNING.set(false);
    }
}

/// Lets `run` find a host. While a script waits for its next slice others of the thread may not run: the order in which hosts
/// come and go would be lost. They don't, because it holds their locks; this makes sure.
///
/// # Errors
/// Another one is under way.
pub fn with_host<R>(host: &mut dyn Host, run: impl FnOnce() -> mlua::Result<R>) -> mlua::Result<R> {
    if IS_RUNNING.replace(true) {
        return Err(mlua::Error::RuntimeError("another script is under way on this thread".to_owned()));
    }
    let _unmark = Unmark;
    HOST.set(HostRef(host), run)
}

/// Goes on with the panic of a command, when nothing of Lua is under way any more.
pub fn go_on_panicking() {
    if let Some(payload) = door::take_panic() {
        std::panic::resume_unwind(payload);
    }
}

/// Lets others have the thread; whether the script is to go on.
pub fn breathe() -> bool {
    !door::has_panicked() && host(|host| host.breathe()).unwrap_or(true)
}

/// Values between two looks whether others are to have the thread.
const STEPS: u32 = 1024;

/// Goes on to the next of many values, for what makes Lua's values or goes through them.
///
/// # Errors
/// The script was killed.
#[inline]
pub fn step() -> mlua::Result<()> {
    let steps = GONE_THROUGH.get().wrapping_add(1);
    GONE_THROUGH.set(steps);
    if !steps.is_multiple_of(STEPS) || breathe() {
        return Ok(());
    }
    Err(mlua::Error::RuntimeError(KILLED.to_owned()))
}

fn host<R>(ask: impl FnOnce(&mut dyn Host) -> R) -> Option<R> {
    HOST.is_set().then(|| HOST.with(|host| ask(host.0)))
}

/// What a function answers.
type Answer = mlua::Result<(bool, Value)>;

/// A function of the table `redis`.
pub type Builtin = fn(&Lua, &MultiValue) -> Answer;

/// An error that is raised.
fn raise(lua: &Lua, text: &[u8]) -> Answer {
    Ok((true, error_object(lua, text)?))
}

/// In an error object: the statistics have it already.
pub const IS_COUNTED: &str = "ignore_error_stats_update";

/// A table with that text in `err`.
pub fn error_object(lua: &Lua, text: &[u8]) -> mlua::Result<Value> {
    let object = lua.create_table_with_capacity(0, 4)?;
    object.raw_set("err", lua.create_string(text)?)?;
    Ok(Value::Table(object))
}

const TYPE: CmdError = CmdError::text("ERR Lua redis lib command arguments must be strings or integers");
const NONE: CmdError = CmdError::text("ERR Please specify at least one argument for this redis lib call");

/// Puts words behind each other; numbers as Redis prints them.
#[inline]
fn collect<'w>(words: &mut OwnedArgs, values: impl Iterator<Item = Word<'w>>) -> Result<(), CmdError> {
    words.clear();
    for value in values {
        match value {
            Word::Text(text) => words.push(text),
            Word::Number(number) => push_number(words, number),
            Word::Other => return Err(TYPE),
        }
    }
    if words.as_args().is_empty() { Err(NONE) } else { Ok(()) }
}

fn push_number(words: &mut OwnedArgs, number: f64) {
    if number.is_nan() {
        return words.push(if number.is_sign_negative() { b"-nan" } else { b"nan" });
    }
    // Beyond half of what fits Redis writes them as it writes fractions.
    if number.abs() <= i64::MAX as f64 / 2.0 && number == number as i64 as f64 {
        return words.push(itoa::Buffer::new().format(number as i64).as_bytes());
    }
    let mut digits = Vec::new();
    float::push_f64(&mut digits, number);
    words.push(&digits);
}

/// Bytes of words and replies up to which their memory is kept for the next ones.
const SPARE_MAX_BYTES: usize = 64 << 10;

/// Why there is no plain answer.
enum Pending {
    /// The reply is an array or the like, in that protocol.
    Reply(Proto, Vec<u8>),
    /// It was not run, which is counted.
    Refused(CmdError),
    /// What was asked for is no command.
    Wrong(CmdError),
    Nowhere,
}

thread_local! {
    static PENDING: Cell<Option<Pending>> = const { Cell::new(None) };
}

/// Answers `redis.call` and `redis.pcall` where the answer is plain; what it is else waits for [`long_answer`].
#[derive(Default)]
pub struct Caller {
    /// Those of the last call.
    words: OwnedArgs,
    out: Output,
}

impl door::Handler for Caller {
    fn answer(&mut self, values: Words<'_>) -> door::Answer<'_> {
        if self.words.heap_bytes() > SPARE_MAX_BYTES {
            self.words = OwnedArgs::default();
        }
        if self.out.heap_bytes() > SPARE_MAX_BYTES {
            self.out = Output::default();
        }
        self.out.truncate(0);
        let ran = match collect(&mut self.words, values) {
            Ok(()) => host(|host| (host.run(self.words.as_args(), &mut self.out), host.proto())),
            Err(error) => return put_off(Pending::Wrong(error)),
        };
        let proto = match ran {
            Some((Ok(()), proto)) => proto,
            Some((Err(error), _)) => return put_off(Pending::Refused(error)),
            None => return put_off(Pending::Nowhere),
        };
        if !matches!(self.out.flatten().first(), Some(b':' | b'$' | b'+' | b'_')) {
            return put_off(Pending::Reply(proto, self.out.take_bytes()));
        }
        let nil = if proto == Proto::Resp3 { door::Answer::Nil } else { door::Answer::False };
        plain(self.out.flatten()).unwrap_or(nil)
    }
}

#[cold]
fn put_off(pending: Pending) -> door::Answer<'static> {
    PENDING.set(Some(pending));
    door::Answer::Long
}

/// The answer that a reply of one line, or of a bulk, is; `None` for a null.
#[inline]
fn plain(reply: &[u8]) -> Option<door::Answer<'_>> {
    let (marker, rest) = reply.split_first()?;
    let rest = rest.strip_suffix(b"\r\n")?;
    Some(match marker {
        b':' => door::Answer::Number(parse_i64(rest)? as f64),
        b'+' => door::Answer::Status(rest),
        // The text is what stands behind the line of its length.
        b'$' => door::Answer::Text(rest.get(rest.iter().position(|&byte| byte == b'\r')? + 2..)?),
        _ => return None,
    })
}

/// Answers `redis.call` and, with `is_protected`, `redis.pcall` where [`Caller`] could not.
///
/// The limit of memory does not hold meanwhile: it would make every string that we make cost a protected call. What there is of the
/// reply is in memory already, and whatever the script does next finds out that there is too much.
pub fn long_answer(lua: &Lua, is_protected: bool) -> Answer {
    if door::has_panicked() {
        return raise(lua, b"ERR the server has failed");
    }
    let limit = lua.set_memory_limit(0)?;
    let answer = answer_at_length(lua, is_protected);
    lua.set_memory_limit(limit)?;
    answer
}

fn answer_at_length(lua: &Lua, is_protected: bool) -> Answer {
    let error = match PENDING.take() {
        Some(Pending::Reply(proto, bytes)) => {
            let mut reader = ReplyReader::new(&bytes);
            match reader.error() {
                Some(text) => CmdError::Bytes(text.to_vec()),
                None => {
                    let nil = if proto == Proto::Resp3 { Value::Nil } else { Value::Boolean(false) };
                    return Ok((false, reader.value(lua, &nil)?));
                }
            }
        }
        Some(Pending::Refused(error)) => error,
        Some(Pending::Wrong(error)) => return Ok((!is_protected, error_object(lua, &error.line())?)),
        Some(Pending::Nowhere) | None => {
            return raise(lua, b"ERR redis.call/pcall can only be called inside a script invocation");
        }
    };
    let object = error_object(lua, &error.line())?;
    if let Value::Table(object) = &object {
        object.raw_set(IS_COUNTED, true)?;
    }
    Ok((!is_protected, object))
}

/// `redis.log(level, message …)`
pub fn log(lua: &Lua, args: &MultiValue) -> Answer {
    let mut args = args.iter();
    if args.len() < 2 {
        return raise(lua, b"ERR redis.log() requires two arguments or more.");
    }
    let Some(level) = whole(lua, args.next()) else {
        return raise(lua, b"ERR First argument must be a number (log level).");
    };
    let parts: Vec<String> = args
        .filter_map(|arg| match arg {
            Value::String(text) => Some(text.to_string_lossy()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .collect();
    let message = parts.join(" ");
    match level {
        0 | 1 => tracing::debug!("{message}"),
        2 => tracing::info!("{message}"),
        3 => tracing::warn!("{message}"),
        _ => return raise(lua, b"ERR Invalid log level."),
    }
    Ok((false, Value::Nil))
}

/// `redis.sha1hex(text)`
pub fn sha1hex(lua: &Lua, args: &MultiValue) -> Answer {
    let digest = |bytes: &[u8]| sha1::hex(&sha1::sha1(bytes));
    let digest = match (args.len(), args.front()) {
        (1, Some(Value::String(text))) => digest(&text.as_bytes()),
        (1, Some(number @ (Value::Integer(_) | Value::Number(_)))) => {
            let text = lua.coerce_string(number.clone())?;
            digest(&text.as_ref().map(|text| text.as_bytes().to_vec()).unwrap_or_default())
        }
        (1, _) => digest(b""),
        _ => return raise(lua, b"ERR wrong number of arguments"),
    };
    Ok((false, Value::String(lua.create_string(digest)?)))
}

const ONE_TEXT: &[u8] = b"ERR wrong number or type of arguments";

/// `redis.error_reply(text)`
pub fn error_reply(lua: &Lua, args: &MultiValue) -> Answer {
    let (1, Some(Value::String(text))) = (args.len(), args.front()) else {
        return Ok((false, error_object(lua, ONE_TEXT)?));
    };
    let text = text.as_bytes();
    let text = c_text(&text);
    let text = text.strip_prefix(b"-").unwrap_or(text);
    // A code is a first word before others.
    let (code, message) = match memchr::memchr(b' ', text) {
        Some(end) => text.split_at(end + 1),
        None => (&b"ERR "[..], text),
    };
    Ok((false, error_object(lua, &[code, without_line_ends(message)].concat())?))
}

/// A text without the line ends around it.
fn without_line_ends(mut text: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] | [rest @ .., b'\r' | b'\n'] = text {
        text = rest;
    }
    text
}

/// `redis.status_reply(text)`
pub fn status_reply(lua: &Lua, args: &MultiValue) -> Answer {
    let (1, Some(Value::String(text))) = (args.len(), args.front()) else {
        return Ok((false, error_object(lua, ONE_TEXT)?));
    };
    let object = lua.create_table_with_capacity(0, 1)?;
    object.raw_set("ok", text)?;
    Ok((false, Value::Table(object)))
}

/// A number, or a text that is one, cut towards zero.
fn whole(lua: &Lua, value: Option<&Value>) -> Option<i64> {
    lua.coerce_number(value?.clone()).ok().flatten().map(truncated)
}

/// `redis.setresp(version)`
pub fn setresp(lua: &Lua, args: &MultiValue) -> Answer {
    if args.len() != 1 {
        return raise(lua, b"ERR redis.setresp() requires one argument.");
    }
    let proto = match whole(lua, args.front()) {
        Some(2) => Proto::Resp2,
        Some(3) => Proto::Resp3,
        _ => return raise(lua, b"ERR RESP version must be 2 or 3."),
    };
    host(|host| host.set_proto(proto));
    Ok((false, Value::Nil))
}

/// `redis.set_repl(flags)`: accepted, but what a script does is always journalled.
pub fn set_repl(lua: &Lua, args: &MultiValue) -> Answer {
    if args.len() != 1 {
        return raise(lua, b"ERR redis.set_repl() requires one argument.");
    }
    // What is no number counts as none.
    match whole(lua, args.front()).unwrap_or(0) {
        0..=3 => Ok((false, Value::Nil)),
        _ => raise(lua, b"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."),
    }
}

/// `redis.acl_check_cmd(command …)`
pub fn acl_check_cmd(lua: &Lua, args: &MultiValue) -> Answer {
    let mut words = OwnedArgs::default();
    let texts: Vec<_> = args
        .iter()
        .map(|value| match value {
            Value::String(text) => Some(text.as_bytes()),
            _ => None,
        })
        .collect();
    let values = args.iter().zip(&texts).map(|(value, text)| match (value, text) {
        (_, Some(text)) => Word::Text(text),
        (Value::Integer(number), None) => Word::Number(*number as f64),
        (Value::Number(number), None) => Word::Number(*number),
        _ => Word::Other,
    });
    if let Err(error) = collect(&mut words, values) {
        return raise(lua, &error.line());
    }
    match host(|host| host.may_run(words.as_args())) {
        Some(Ok(may)) => Ok((false, Value::Boolean(may))),
        Some(Err(error)) => raise(lua, &error.line()),
        None => raise(lua, b"ERR redis.acl_check_cmd can only be called inside a script invocation"),
    }
}
