//! One Lua state per worker thread.
//!
//! It is made when the worker's first script comes, and begins anew after SCRIPT FLUSH. Scripts are compiled once and kept by
//! their SHA-1. Memory is limited (`lua-memory-limit`): beyond it a script gets an error.
//!
//! A script that runs long looks every [`HOOK_INSTRUCTIONS`] instructions whether it was killed; work in C on many bytes counts
//! as instructions (`build/main.rs`). Once it is, every further instruction fails, so `pcall` in a loop does not save it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mlua::{Function, HookTriggers, Lua, LuaOptions, LuaString, MultiValue, StdLib, Table, Value, VmState};
use smallvec::SmallVec;

use super::api::{self, RequestHost};
use super::cache::{Running, Script, Scripts};
use super::compiled::Compiled;
use super::convert::{c_text, error_line};
use super::random::Random;
use super::states::{Gauge, States};
use super::{lib, shebang};
use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::dispatch::{CmdError, ScriptCx};
use crate::ds::door;
use crate::resp::Proto;

/// Of no state that may be used again.
pub(super) const NO_GENERATION: u64 = u64::MAX;
/// Bytes up to which garbage is left to be collected in time.
const COLLECT_MIN_BYTES: usize = 64 << 20;
/// Between two looks whether a script was killed.
pub(super) const HOOK_INSTRUCTIONS: u32 = 10_000;
/// What bytecode begins with, which is never loaded.
const BYTECODE: u8 = 0x1b;
/// The name of every script in messages.
const CHUNK: &str = "@user_script";
/// The name of our own code in Lua.
const PRELUDE: &str = "=prelude";
/// What a script hears that is killed.
pub(super) const KILLED: &str = "Script killed by user with SCRIPT KILL...";
/// What INFO says too.
const VERSION: &str = "8.0.6";
const VERSION_NUM: i64 = 0x0008_0006;

thread_local! {
    /// Empty while a script runs.
    static INTERPRETER: Cell<Option<Box<Interpreter>>> = const { Cell::new(None) };
}

/// The state of a worker.
struct Interpreter {
    lua: Lua,
    /// Runs a function, with KEYS and ARGV from the door; whether it failed, and its value or error.
    run: Function,
    compiled: Compiled,
    generation: u64,
    running: Rc<RefCell<Option<Arc<Running>>>>,
    gauge: Gauge,
    /// Bytes at which garbage is collected behind a script.
    collect_at: usize,
}

impl Interpreter {
    /// Puts it back for the next script of this thread.
    fn rest(self: Box<Self>) {
        self.gauge.set(self.lua.used_memory());
        INTERPRETER.set(Some(self));
    }

    /// As [`Interpreter::rest`], after something has run under a limit of memory: what that left behind is not to count against
    /// the next one. If it is not garbage, but compiled scripts, the next one begins with none.
    fn rest_within(mut self: Box<Self>, limit: u64, states: &States) {
        let half = if limit == 0 { usize::MAX } else { usize::try_from(limit / 2).unwrap_or(usize::MAX) };
        if self.lua.used_memory() >= half {
            self.collect();
            if self.lua.used_memory() >= half {
                return self.leave(states);
            }
        } else if self.is_full() {
            states.call();
        }
        self.rest();
    }

    /// Has [`tidy`] drop it.
    fn leave(mut self: Box<Self>, states: &States) {
        self.generation = NO_GENERATION;
        self.rest();
        states.call();
    }

    fn is_full(&self) -> bool {
        self.lua.used_memory() >= self.collect_at
    }

    fn collect(&mut self) {
        let _ = self.lua.gc_collect();
        self.collect_at = (self.lua.used_memory() * 2).max(COLLECT_MIN_BYTES);
    }
}

/// What a script ended with.
pub enum Ended {
    Returned(Value),
    /// An error, with the line of its reply.
    Failed(CmdError),
}

/// Runs a script in this worker's interpreter and gives `finish` what it ended with, and whether it speaks RESP3.
///
/// # Errors
/// It does not compile.
pub fn run<R>(
    cx: &mut ScriptCx<'_, '_>,
    scripts: &Scripts,
    script: &Script,
    running: &Arc<Running>,
    (keys, argv): (&[&[u8]], &[&[u8]]),
    finish: impl FnOnce(Ended, bool) -> R,
) -> Result<R, CmdError> {
    let limit = cx.config().lua_memory_limit;
    let mut interpreter = Interpreter::current(scripts)?;
    let function = match interpreter.compiled(scripts, script) {
        Ok(function) => function,
        Err(error) => {
            interpreter.rest();
            return Err(error);
        }
    };
    *interpreter.running.borrow_mut() = Some(Arc::clone(running));
    let mut host = RequestHost { cx, running, proto: Proto::Resp2 };
    let (lua, run) = (&interpreter.lua, &interpreter.run);
    set_memory_limit(lua, limit);
    let ran: mlua::Result<(bool, Value)> =
        api::with_host(&mut host, || door::with_words(keys, argv, || run.call(&function)));
    set_memory_limit(lua, 0);
    api::go_on_panicking();
    *interpreter.running.borrow_mut() = None;
    let is_resp3 = host.proto == Proto::Resp3;
    let ended = end(&script.sha, running, ran);
    let done = finish(ended, is_resp3);
    // What ended one that was killed still stands at every step of its state, and after SCRIPT FLUSH it is old.
    let is_current = interpreter.generation == scripts.states.generation();
    if is_current && !running.is_killed.load(Ordering::Relaxed) {
        interpreter.compiled.used(script.sha, function);
        interpreter.rest_within(limit, &scripts.states);
    } else {
        drop(function);
        interpreter.leave(&scripts.states);
    }
    Ok(done)
}

/// Drops this worker's state when it is old, and frees what scripts have left in it, without waiting for the next one.
pub async fn tidy(scripts: Arc<Scripts>) {
    loop {
        let called = scripts.states.called();
        let generation = scripts.states.generation();
        if let Some(mut interpreter) = INTERPRETER.take().filter(|one| one.generation == generation) {
            if interpreter.is_full() {
                interpreter.collect();
            }
            interpreter.rest();
        }
        called.await;
    }
}

/// Compiles a script, to see whether that works.
///
/// # Errors
/// It does not.
pub fn check(memory_limit: u64, scripts: &Scripts, script: &Script) -> Result<(), CmdError> {
    let mut interpreter = Interpreter::current(scripts)?;
    set_memory_limit(&interpreter.lua, memory_limit);
    let compiled = interpreter.compiled(scripts, script).map(drop);
    set_memory_limit(&interpreter.lua, 0);
    interpreter.rest_within(memory_limit, &scripts.states);
    compiled
}

/// Words as a table.
pub(super) fn sequence(lua: &Lua, words: &[&[u8]]) -> mlua::Result<Table> {
    if words.is_empty() {
        return lua.create_table();
    }
    // Text takes no slot of the interpreter on its way.
    let texts: Option<SmallVec<[&str; 8]>> =
        words.iter().map(|word| std::str::from_utf8(word).ok()).collect();
    if let Some(texts) = texts {
        return lua.create_sequence_from(texts);
    }
    let words: mlua::Result<Vec<_>> = words.iter().map(|word| lua.create_string(word)).collect();
    lua.create_sequence_from(words?)
}

/// What the script of that name ended with, by what `run` of `prelude.lua` returned.
pub(super) fn end(name: &[u8], running: &Running, ran: mlua::Result<(bool, Value)>) -> Ended {
    let (is_ok, value) = match ran {
        Ok(ended) => ended,
        Err(error) => return Ended::Failed(CmdError::owned(format!("ERR {}", first_line(&error)))),
    };
    if is_ok && running.is_killed.load(Ordering::Relaxed) {
        return Ended::Failed(CmdError::owned(format!("ERR {KILLED}")));
    }
    if is_ok {
        return match returned_error(&value) {
            Some(error) => Ended::Failed(error),
            None => Ended::Returned(value),
        };
    }
    let line = describe(Some(name), &value);
    Ended::Failed(match &value {
        Value::Table(object) if is_counted(object) => CmdError::Counted(line),
        _ => CmdError::Bytes(line),
    })
}

/// Whether the statistics have an error object.
fn is_counted(object: &Table) -> bool {
    matches!(object.raw_get(api::IS_COUNTED), Ok(Value::Boolean(true)))
}

/// The error that a script returned: a table with a text in `err`.
fn returned_error(value: &Value) -> Option<CmdError> {
    let Value::Table(object) = value else { return None };
    let Ok(Value::String(text)) = object.raw_get("err") else { return None };
    let line = error_line(&text.as_bytes()).to_vec();
    Some(if is_counted(object) { CmdError::Counted(line) } else { CmdError::Bytes(line) })
}

/// The line of an error reply for what a script raised: text, and, with the script's name, that and where.
pub(super) fn describe(script: Option<&[u8]>, error: &Value) -> Vec<u8> {
    let mut line = Vec::new();
    let mut place = None;
    match error {
        Value::Table(error) => {
            // A number too, as its text.
            match error.raw_get::<LuaString>("err") {
                Ok(text) => line.extend_from_slice(c_text(&text.as_bytes())),
                _ => line.extend_from_slice(b"ERR unknown error"),
            }
            if let (Ok(Value::String(source)), Ok(number)) =
                (error.raw_get("source"), error.raw_get::<i64>("line"))
            {
                place = Some((source.as_bytes().to_vec(), number));
            }
        }
        Value::Error(error) => line.extend_from_slice(format!("ERR {}", first_line(error)).as_bytes()),
        Value::String(text) => line.extend_from_slice(&[b"ERR ", &*text.as_bytes()].concat()),
        _ => line.extend_from_slice(b"ERR unknown error"),
    }
    let (Some(script), Some((source, number))) = (script, place) else {
        line.truncate(error_line(&line).len());
        return line;
    };
    line.extend_from_slice(b" script: ");
    line.extend_from_slice(script);
    line.extend_from_slice(b", on ");
    line.extend_from_slice(&source);
    line.extend_from_slice(format!(":{number}.").as_bytes());
    line
}

/// Why a text does not compile, with the line ends of what it quotes.
pub(super) fn compile_error(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => first_line(other),
    }
}

pub(super) fn first_line(error: &mlua::Error) -> String {
    let text = match error {
        mlua::Error::RuntimeError(text) | mlua::Error::SyntaxError { message: text, .. } => text.clone(),
        mlua::Error::MemoryError(_) => "not enough memory".to_owned(),
        mlua::Error::CallbackError { cause, .. } => return first_line(cause),
        other => other.to_string(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}

impl Interpreter {
    /// That of this worker, made anew after SCRIPT FLUSH.
    fn current(scripts: &Scripts) -> Result<Box<Interpreter>, CmdError> {
        let generation = scripts.states.generation();
        Ok(match INTERPRETER.take().filter(|interpreter| interpreter.generation == generation) {
            Some(interpreter) => interpreter,
            None => Box::new(Interpreter::new(generation, scripts.states.join()).map_err(|error| {
                CmdError::owned(format!("ERR Lua could not start: {}", first_line(&error)))
            })?),
        })
    }

    fn new(generation: u64, gauge: Gauge) -> mlua::Result<Interpreter> {
        let (lua, running) = (new_state()?, Rc::default());
        let run = prelude(&lua, None)?.run;
        watch(&lua, &running)?;
        let compiled = Compiled::new(&lua)?;
        Ok(Interpreter { lua, run, compiled, generation, running, gauge, collect_at: COLLECT_MIN_BYTES })
    }

    fn compiled(&mut self, scripts: &Scripts, script: &Script) -> Result<Function, CmdError> {
        if let Some(function) = self.compiled.take(&script.sha) {
            return Ok(function);
        }
        let (_, body) = shebang::parse(&script.text)?;
        if body.first() == Some(&BYTECODE) {
            return Err(CmdError::text(
                "ERR Error compiling script (new function): user_script:1: unexpected symbol near 'char(27)'",
            ));
        }
        let chunk = self.lua.load(body).set_name(CHUNK).set_mode(mlua::chunk::ChunkMode::Text);
        let function = chunk.into_function().map_err(|error| {
            CmdError::owned(format!("ERR Error compiling script (new function): {}", compile_error(&error)))
        })?;
        let kept = self.compiled.add(scripts, script.sha, &function);
        kept.map_err(|error| CmdError::owned(format!("ERR {}", first_line(&error))))?;
        Ok(function)
    }
}

/// A state with nothing in it but what Lua brings.
pub(super) fn new_state() -> mlua::Result<Lua> {
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
    Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))
}

/// Bytes beyond which a script gets an error; 0 is no limit.
pub(super) fn set_memory_limit(lua: &Lua, bytes: u64) {
    // It can only fail where there is no allocator of its own.
    let _ = lua.set_memory_limit(usize::try_from(bytes).unwrap_or(0));
}

/// What `prelude.lua` returns.
pub(super) struct Prelude {
    /// Runs a script.
    pub run: Function,
    /// Runs the text of a library of functions, and the environment that it needs: where there are functions.
    pub load: Option<Function>,
    pub environment: Option<Table>,
}

/// Sets the globals up: for functions, if there is a `redis.register_function`, else for scripts.
pub(super) fn prelude(lua: &Lua, register: Option<Function>) -> mlua::Result<Prelude> {
    door::open(Box::<api::Caller>::default());
    let random = Random::new(Rng::from_os().next_u64() as u32);
    let globals = lua.globals();
    let host = lua.create_table()?;
    host.set("globals", &globals)?;
    host.set("register_function", register)?;
    host.set("readonly", globals.get::<Value>("__readonly")?)?;
    host.set("raising", globals.get::<Value>("__raising")?)?;
    host.set("calling", globals.get::<Value>("__calling")?)?;
    host.set("running", globals.get::<Value>("__running")?)?;
    host.set("version", VERSION)?;
    host.set("version_num", VERSION_NUM)?;
    host.set("call", lua.create_function(|lua, ()| api::long_answer(lua, false))?)?;
    host.set("pcall", lua.create_function(|lua, ()| api::long_answer(lua, true))?)?;
    let functions: [(&str, api::Builtin); 7] = [
        ("log", api::log),
        ("sha1hex", api::sha1hex),
        ("error_reply", api::error_reply),
        ("status_reply", api::status_reply),
        ("setresp", api::setresp),
        ("set_repl", api::set_repl),
        ("acl_check_cmd", api::acl_check_cmd),
    ];
    for (name, function) in functions {
        host.set(name, lua.create_function(move |lua, args: MultiValue| function(lua, &args))?)?;
    }
    host.set("handler", lua.create_function(handle_error)?)?;
    let time = crate::base::clock::Time::system();
    let began = time.monotonic_ns();
    host.set("clock", lua.create_function(move |_, ()| Ok((time.monotonic_ns() - began) as f64 / 1e9))?)?;
    lua.set_named_registry_value(lib::RAISING, globals.get::<Function>("__raising")?)?;
    random.add_to(lua, &host)?;
    host.set("libraries", lib::tables(lua)?)?;
    let chunk =
        lua.load(include_str!("prelude.lua")).set_name(PRELUDE).set_mode(mlua::chunk::ChunkMode::Text);
    let (run, load, environment) = chunk.call(host)?;
    Ok(Prelude { run, load, environment })
}

/// Whether what runs was killed, before or after others had their turn.
pub(super) fn must_stop(running: &RefCell<Option<Arc<Running>>>) -> bool {
    let Some(running) = running.borrow().clone() else { return false };
    if !api::breathe() {
        running.is_killed.store(true, Ordering::Relaxed);
    }
    running.is_killed.load(Ordering::Relaxed)
}

/// Looks now and then whether the script was killed, and lets others have the thread.
fn watch(lua: &Lua, running: &Rc<RefCell<Option<Arc<Running>>>>) -> mlua::Result<()> {
    let running = Rc::clone(running);
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(HOOK_INSTRUCTIONS), move |lua, _| {
        if !must_stop(&running) {
            return Ok(VmState::Continue);
        }
        stop(lua, KILLED)
    })
}

/// Ends what runs, with that error.
pub(super) fn stop(lua: &Lua, text: &'static str) -> mlua::Result<VmState> {
    // From now on at every step, so that whoever catches this error does not get far.
    let triggers = HookTriggers::new().every_nth_instruction(1);
    lua.set_global_hook(triggers, move |_, _| Err(mlua::Error::RuntimeError(text.to_owned())))?;
    Err(mlua::Error::RuntimeError(text.to_owned()))
}

/// Makes an object of what was raised, and notes where that was.
fn handle_error(lua: &Lua, error: Value) -> mlua::Result<Value> {
    let place = |level: usize| {
        lua.inspect_stack(level, |frame| {
            let source = frame.source();
            (source.what == "C", source.source.map(|text| text.into_owned()), frame.current_line())
        })
    };
    // What raised it is a function in C as a rule; who called that is meant.
    const TAIL_CALL: &str = "=(tail call)";
    let is_ours = |source: Option<&str>| matches!(source, Some(PRELUDE | TAIL_CALL));
    let found = (1..=5).filter_map(place).find(|found| !found.0 && !is_ours(found.1.as_deref()));
    let object: Table = match error {
        Value::Table(object) => object,
        other => {
            let object = lua.create_table_with_capacity(0, 3)?;
            let mut text = b"ERR ".to_vec();
            match &other {
                Value::String(bytes) => text.extend_from_slice(&bytes.as_bytes()),
                Value::Error(error) => text.extend_from_slice(first_line(error).as_bytes()),
                Value::Integer(_) | Value::Number(_) => {
                    let digits = lua.coerce_string(other.clone())?;
                    text.extend(digits.iter().flat_map(|digits| digits.as_bytes().to_vec()));
                }
                Value::LightUserData(mlua::LightUserData(place)) if place.is_null() => {
                    text.extend_from_slice(b"userdata: (nil)");
                }
                other => text.extend_from_slice(other.to_string()?.as_bytes()),
            }
            object.raw_set("err", lua.create_string(text)?)?;
            object
        }
    };
    if let Some((_, source, line)) = found {
        object.set("source", source.unwrap_or_default())?;
        object.set("line", line.map_or(-1, |line| line as i64))?;
    }
    if object.metatable().is_none() {
        return Ok(Value::Table(object));
    }
    // Its metatable is asked here, where the script can still be stopped.
    let plain = lua.create_table()?;
    for field in ["err", "source", "line", api::IS_COUNTED] {
        plain.raw_set(field, object.get::<Value>(field)?)?;
    }
    Ok(Value::Table(plain))
}
