//! Lua scripts.
//!
//! ```text
//! EVALSHA ─▶ Scripts (text by SHA-1, of the server) ─▶ Interpreter (of the worker: compiled once) ─▶ redis.call ─▶ ScriptCx
//! ```
//!
//! * [`cache`] keeps the texts of scripts, [`shebang`] reads their first line.
//! * [`interpreter`] is one Lua state per worker thread, made when the first script comes and kept warm: globals as Redis has
//!   them, tables of libraries read-only, memory limited.
//! * [`api`] is the table `redis`; [`convert`] turns replies into Lua values and back.
//! * [`functions`] keeps the libraries of functions, [`library`] is the Lua state of a worker in which they run.
//! * [`states`] counts what all these states hold, and says when they begin anew.
//! * [`lib`] holds cjson, cmsgpack, struct and bit.
//!
//! The Lua is 5.1 with a few edits (`build/main.rs`), because scripts written for Redis expect its numbers and its
//! error texts.
//!
//! **Invariant:** a script sees nothing of another: globals and libraries are read-only, KEYS and ARGV are new each time.
//! **Invariant:** while a script runs, the context of its request is in a scoped thread-local ([`api`]), and nowhere else.

pub mod api;
pub mod cache;
mod compiled;
pub mod convert;
pub mod functions;
pub mod interpreter;
pub mod lib;
pub mod library;
mod random;
pub mod shebang;
pub mod states;

pub use cache::{Script, Scripts};
pub use functions::Functions;
