//! From a request to its reply: lookup, gates, locks, handler, effects.
//!
//! ```text
//! Args ─▶ table ─▶ gates (arity, authentication, pause, …) ─▶ key walker ─▶ locks ─▶ handler ─▶ effects ─▶ statistics
//! ```
//!
//! A command is one [`Command`] value in its family's file; everything else about it is derived. What a
//! handler can touch follows from its kind ([`cx`]); that it answers exactly once from [`ReplySlot`].

pub mod access;
mod audit;
mod call;
pub mod client_line;
pub mod command;
pub mod cx;
pub mod durable;
pub mod engine;
pub mod error;
pub mod exec;
mod fragmentation;
pub mod gates;
pub mod gauges;
pub mod memory;
pub mod monitor;
pub mod notify;
pub mod options;
pub mod parts;
pub mod pause;
pub mod plan;
pub mod prefetch;
pub mod redact;
pub mod replay;
pub mod reply;
pub mod script;
pub mod sink;
pub mod slices;
pub mod stats;
pub mod table;
pub mod transaction;
pub mod wait;

pub use command::{Command, Handler, Outcome, Request, Scope};
pub use cx::{AdminCx, ReadCx, SessionCx, WriteCx};
pub use engine::Engine;
pub use error::CmdError;
pub use exec::{Executor, Parked, Step};
pub use gauges::Gauges;
pub use parts::Parts;
pub use plan::{Plan, Planned};
pub use replay::ReplayError;
pub use reply::{Replied, ReplySlot};
pub use script::ScriptCx;
pub use sink::Commit;
pub use table::{CommandId, CommandTable, Registered};
