//! Options of scripts.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! scripting_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Scripting;
/// Milliseconds after which other clients hear that a script runs, instead of waiting for it; 0 is never.
busy_reply_threshold: u64 = "busy-reply-threshold" ["lua-time-limit"], LONG, "5000", MUTABLE, Acts;
/// The most bytes that the script engine of each worker may hold; 0 is no limit. A script that wants more gets an error.
/// The default leaves room for one value of the greatest length (512 MB) and a copy of it.
lua_memory_limit: u64 = "lua-memory-limit" [], memory(0), "1073741824", MUTABLE, Acts;
/// Let scripts use what Redis 7 deprecated.
lua_enable_deprecated_api: bool = "lua-enable-deprecated-api" [], Bool, "no", HIDDEN.and(IMMUTABLE),
    Accepted("newproxy, getfenv and setfenv lead out of the sandbox");
    } } };
}
