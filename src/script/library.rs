//! Libraries of functions in a worker: a Lua state of their own, in which the texts have run.
//!
//! A library's text runs once in each worker that calls one of its functions, with a table `redis` that registers functions and
//! does little else. Locals of a library therefore live as long as the worker keeps it, and every worker has its own.
//!
//! All libraries share one environment, which is read-only: `prelude.lua` makes it, and exchanges what is behind it while a
//! text runs.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, HookTriggers, Lua, MultiValue, Table, Value, VmState};

use super::api::{self, RequestHost};
use super::cache::Running;
use super::functions::{Functions, INVALID_NAME, Library, Registered, is_name, parse};
use super::interpreter::{
    self, Ended, HOOK_INSTRUCTIONS, NO_GENERATION, Prelude, compile_error, describe, end, first_line,
    sequence, set_memory_limit,
};
use super::shebang::Flags;
use super::states::Gauge;
use crate::base::clock::{Clock, Time};
use crate::dispatch::{CmdError, ScriptCx};
use crate::resp::Proto;

/// The name of every library's text in messages.
const CHUNK: &str = "@user_function";
/// How long a text may run to register its functions.
const LOAD_MAX_NS: u64 = 500_000_000;

thread_local! {
    /// Empty while a function runs.
    static WORKSHOP: Cell<Option<Workshop>> = const { Cell::new(None) };
}

/// What a text has registered so far.
struct Arrivals {
    functions: Vec<Registered>,
    /// By name.
    callbacks: Table,
}

/// The state of a worker.
struct Workshop {
    lua: Lua,
    /// `run(function, keys, args)`
    run: Function,
    /// `load(text's function)`
    load: Function,
    environment: Table,
    running: Rc<RefCell<Option<Arc<Running>>>>,
    /// The monotonic time at which the text that runs has run too long; 0 without one.
    load_until_ns: Rc<Cell<u64>>,
    /// Something was ended in the middle: whatever comes next finds nothing but errors here.
    is_stopped: Rc<Cell<bool>>,
    /// While a text runs.
    arrivals: Rc<RefCell<Option<Arrivals>>>,
    /// A table of functions by name for each library, by its number. They lie in tables of Lua because the host can hold a few
    /// thousand handles at most.
    loaded: Table,
    version: u64,
    generation: u64,
    gauge: Gauge,
}

/// A library of that text.
///
/// # Errors
/// Its first line is wrong, it does not compile, it fails, or it registers nothing.
pub fn make(functions: &Functions, code: &[u8], memory_limit: u64) -> Result<Library, CmdError> {
    let (name, body) = parse(code)?;
    with_workshop(functions, memory_limit, |workshop| {
        let arrivals = workshop.load(body)?;
        if arrivals.functions.is_empty() {
            return Err(CmdError::text("ERR No functions registered"));
        }
        let library = Library::new(&name, code, arrivals.functions);
        workshop.keep(&library, arrivals.callbacks)?;
        Ok(library)
    })
}

/// Runs the `index`-th function of a library, and gives `finish` what it ended with and whether it speaks RESP3.
///
/// # Errors
/// The library does not run any more.
pub fn call<R>(
    cx: &mut ScriptCx<'_, '_>,
    functions: &Functions,
    (library, index): (&Library, usize),
    running: &Arc<Running>,
    (keys, args): (&[&[u8]], &[&[u8]]),
    finish: impl FnOnce(Ended, bool) -> R,
) -> Result<R, CmdError> {
    const GONE: CmdError = CmdError::text("ERR Function not found");
    let limit = cx.config().lua_memory_limit;
    with_workshop(functions, limit, |workshop| {
        workshop.forget_what_is_gone(functions);
        let registered = library.functions.get(index).ok_or(GONE)?;
        let function = workshop.function(library, &registered.name)?.ok_or(GONE)?;
        *workshop.running.borrow_mut() = Some(Arc::clone(running));
        let mut host = RequestHost { cx, running, proto: Proto::Resp2 };
        let (lua, run) = (&workshop.lua, &workshop.run);
        set_memory_limit(lua, 0);
        let ran: mlua::Result<(bool, Value)> = match (sequence(lua, keys), sequence(lua, args)) {
            (Ok(keys), Ok(args)) => {
                set_memory_limit(lua, limit);
                let ran = api::with_host(&mut host, || run.call((&function, keys, args)));
                set_memory_limit(lua, 0);
                api::go_on_panicking();
                ran
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        *workshop.running.borrow_mut() = None;
        let is_resp3 = host.proto == Proto::Resp3;
        Ok(finish(end(&registered.name, running, ran), is_resp3))
    })
}

/// The worker's state, which is made anew if the last one was stopped in the middle of something.
fn with_workshop<R>(
    functions: &Functions,
    memory_limit: u64,
    work: impl FnOnce(&mut Workshop) -> Result<R, CmdError>,
) -> Result<R, CmdError> {
    let generation = functions.states.generation();
    let mut workshop = match WORKSHOP.take().filter(|workshop| workshop.generation == generation) {
        Some(workshop) => workshop,
        None => Workshop::new(generation, functions.states.join())
            .map_err(|error| CmdError::owned(format!("ERR Lua could not start: {}", first_line(&error))))?,
    };
    set_memory_limit(&workshop.lua, memory_limit);
    let done = work(&mut workshop);
    set_memory_limit(&workshop.lua, 0);
    let half =
        if memory_limit == 0 { usize::MAX } else { usize::try_from(memory_limit / 2).unwrap_or(usize::MAX) };
    if workshop.is_stopped.get() || workshop.generation != functions.states.generation() {
        // [`tidy`] drops it.
        workshop.generation = NO_GENERATION;
        functions.states.call();
    } else if workshop.lua.used_memory() >= half {
        // What was left behind is not to count against the limit of what comes next.
        workshop.forget_what_is_gone(functions);
        let _ = workshop.lua.gc_collect();
    }
    workshop.gauge.set(workshop.lua.used_memory());
    WORKSHOP.set(Some(workshop));
    done
}

/// Drops this worker's state when it is old, without waiting for the next function.
pub async fn tidy(functions: Arc<Functions>) {
    loop {
        let called = functions.states.called();
        let generation = functions.states.generation();
        WORKSHOP.set(WORKSHOP.take().filter(|workshop| workshop.generation == generation));
        called.await;
    }
}

impl Workshop {
    fn new(generation: u64, gauge: Gauge) -> mlua::Result<Workshop> {
        let lua = interpreter::new_state()?;
        let arrivals = Rc::<RefCell<Option<Arrivals>>>::default();
        let into = Rc::clone(&arrivals);
        let load_until_ns = Rc::<Cell<u64>>::default();
        let register = lua.create_function(move |lua, args: MultiValue| {
            let mut arrivals = into.borrow_mut();
            let Some(arrivals) = arrivals.as_mut() else {
                // A library can keep it until one of its functions runs.
                const LATE: &[u8] =
                    b"ERR redis.register_function can only be called on FUNCTION LOAD command";
                return Ok((true, api::error_object(lua, LATE)?));
            };
            let added = match read(lua, &args) {
                Ok((function, callback)) => arrivals.add(function, callback)?,
                Err(text) => Err(text),
            };
            Ok(match added {
                Ok(()) => (false, Value::Nil),
                Err(text) => (true, api::error_object(lua, text.as_bytes())?),
            })
        })?;
        let Prelude { run, load, environment } = interpreter::prelude(&lua, Some(register))?;
        let missing = || mlua::Error::RuntimeError("the prelude has no loader".to_owned());
        let (load, environment) = (load.ok_or_else(missing)?, environment.ok_or_else(missing)?);
        let loaded = lua.create_table()?;
        let workshop = Workshop {
            lua,
            run,
            load,
            environment,
            running: Rc::default(),
            load_until_ns,
            is_stopped: Rc::default(),
            arrivals,
            loaded,
            version: 0,
            generation,
            gauge,
        };
        workshop.watch()?;
        Ok(workshop)
    }

    /// Looks now and then whether the function was killed or the text runs too long, and lets others have the thread.
    fn watch(&self) -> mlua::Result<()> {
        let (running, until_ns) = (Rc::clone(&self.running), Rc::clone(&self.load_until_ns));
        let (is_stopped, time) = (Rc::clone(&self.is_stopped), Time::system());
        let triggers = HookTriggers::new().every_nth_instruction(HOOK_INSTRUCTIONS);
        self.lua.set_global_hook(triggers, move |lua, _| {
            let is_late = until_ns.get() > 0 && time.monotonic_ns() > until_ns.get();
            if !is_late && !interpreter::must_stop(&running) {
                return Ok(VmState::Continue);
            }
            is_stopped.set(true);
            interpreter::stop(lua, if is_late { "FUNCTION LOAD timeout" } else { interpreter::KILLED })
        })
    }

    /// Runs a text; what it registered.
    fn load(&self, body: &[u8]) -> Result<Arrivals, CmdError> {
        let chunk = self.lua.load(body).set_name(CHUNK).set_mode(mlua::chunk::ChunkMode::Text);
        let text = chunk.set_environment(self.environment.clone()).into_function().map_err(|error| {
            CmdError::owned(format!("ERR Error compiling function: {}", compile_error(&error)))
        })?;
        let callbacks = self.lua.create_table().map_err(|error| went_wrong(&error))?;
        *self.arrivals.borrow_mut() = Some(Arrivals { functions: Vec::new(), callbacks });
        self.load_until_ns.set(Time::system().monotonic_ns() + LOAD_MAX_NS);
        let ran: mlua::Result<(bool, Value)> = self.load.call(text);
        self.load_until_ns.set(0);
        let arrivals = self.arrivals.take();
        let failed = |text: &[u8]| CmdError::Bytes([b"ERR Error registering functions: ", text].concat());
        match (ran, arrivals) {
            (Ok((true, _)), Some(arrivals)) => Ok(arrivals),
            (Ok((true, _)), None) => Err(failed(b"ERR nothing was loaded")),
            (Ok((false, error)), _) => Err(failed(&describe(None, &error))),
            (Err(error), _) => Err(failed(format!("ERR {}", first_line(&error)).as_bytes())),
        }
    }

    fn keep(&self, library: &Library, callbacks: Table) -> Result<(), CmdError> {
        self.loaded.raw_set(library.id, callbacks).map_err(|error| went_wrong(&error))
    }

    /// A function of a library, which runs first if it has not yet here.
    fn function(&mut self, library: &Library, name: &[u8]) -> Result<Option<Function>, CmdError> {
        let callbacks = match self.loaded.raw_get(library.id) {
            Ok(Some(callbacks)) => callbacks,
            _ => {
                let (_, body) = parse(&library.code)?;
                let callbacks = self.load(body)?.callbacks;
                self.keep(library, callbacks.clone())?;
                callbacks
            }
        };
        callbacks.raw_get(String::from_utf8_lossy(name)).map_err(|error| went_wrong(&error))
    }

    fn forget_what_is_gone(&mut self, functions: &Functions) {
        let version = functions.version();
        if std::mem::replace(&mut self.version, version) == version {
            return;
        }
        let there: HashSet<u64> = functions.libraries().iter().map(|library| library.id).collect();
        let loaded = self.loaded.pairs::<u64, Table>().filter_map(Result::ok);
        let gone: Vec<u64> = loaded.map(|(id, _)| id).filter(|id| !there.contains(id)).collect();
        for id in gone {
            // To take something out needs no memory, so it can't fail.
            let _ = self.loaded.raw_set(id, Value::Nil);
        }
    }
}

impl Arrivals {
    /// One more function, or what the text hears instead.
    fn add(&mut self, function: Registered, callback: Function) -> mlua::Result<Result<(), &'static str>> {
        if !is_name(&function.name) {
            return Ok(Err(INVALID_NAME));
        }
        // Names are letters, digits and underscores.
        let name = String::from_utf8_lossy(&function.name);
        if !self.callbacks.raw_get::<Value>(&*name)?.is_nil() {
            return Ok(Err("ERR Function already exists in the library"));
        }
        self.callbacks.raw_set(&*name, callback)?;
        self.functions.push(function);
        Ok(Ok(()))
    }
}

fn went_wrong(error: &mlua::Error) -> CmdError {
    CmdError::owned(format!("ERR {}", first_line(error)))
}

/// A text, or a number as one.
fn text(lua: &Lua, value: &Value) -> Option<Box<[u8]>> {
    match value {
        Value::String(_) | Value::Integer(_) | Value::Number(_) => {
            let text = lua.coerce_string(value.clone()).ok().flatten()?;
            Some(text.as_bytes().as_ref().into())
        }
        _ => None,
    }
}

/// What `redis.register_function` was given: a name and a function, or a table of named arguments.
fn read(lua: &Lua, args: &MultiValue) -> Result<(Registered, Function), &'static str> {
    let plain = |name| Registered { name, description: None, flags: Flags::default() };
    match (args.front(), args.get(1), args.len()) {
        (Some(Value::Table(named)), None, 1) => read_named(lua, named),
        (Some(_), None, 1) => Err(
            "ERR calling redis.register_function with a single argument is only applicable to Lua table (representing named \
             arguments).",
        ),
        (Some(name), Some(callback), 2) => {
            let name =
                text(lua, name).ok_or("ERR first argument to redis.register_function must be a string")?;
            let Value::Function(callback) = callback else {
                return Err("ERR second argument to redis.register_function must be a function");
            };
            Ok((plain(name), callback.clone()))
        }
        _ => Err("ERR wrong number of arguments to redis.register_function"),
    }
}

fn read_named(lua: &Lua, named: &Table) -> Result<(Registered, Function), &'static str> {
    const NO_KEY: &str = "ERR named argument key given to redis.register_function is not a string";
    let (mut name, mut callback, mut description, mut flags) = (None, None, None, Flags::default());
    for pair in named.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|_| NO_KEY)?;
        match &*text(lua, &key).ok_or(NO_KEY)? {
            b"function_name" => {
                name =
                    Some(text(lua, &value).ok_or(
                        "ERR function_name argument given to redis.register_function must be a string",
                    )?);
            }
            b"description" => {
                description =
                    Some(text(lua, &value).ok_or(
                        "ERR description argument given to redis.register_function must be a string",
                    )?);
            }
            b"callback" => match value {
                Value::Function(function) => callback = Some(function),
                _ => {
                    return Err("ERR callback argument given to redis.register_function must be a function");
                }
            },
            b"flags" => match value {
                Value::Table(list) => flags = read_flags(&list)?,
                _ => {
                    return Err(
                        "ERR flags argument to redis.register_function must be a table representing function flags",
                    );
                }
            },
            _ => return Err("ERR unknown argument given to redis.register_function"),
        }
    }
    let name = name.ok_or("ERR redis.register_function must get a function name argument")?;
    let callback = callback.ok_or("ERR redis.register_function must get a callback argument")?;
    Ok((Registered { name, description, flags }, callback))
}

fn read_flags(list: &Table) -> Result<Flags, &'static str> {
    let mut flags = Flags { is_given: true, ..Flags::default() };
    for index in 1.. {
        let word = match list.raw_get::<Value>(index) {
            Ok(Value::String(word)) => word,
            Ok(Value::Nil) => break,
            _ => return Err("ERR unknown flag given"),
        };
        if !flags.set(&word.as_bytes()) {
            return Err("ERR unknown flag given");
        }
    }
    Ok(flags)
}
