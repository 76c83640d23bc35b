//! Configuration: the option table, redis.conf, the command line, CONFIG GET, SET and REWRITE.
//!
//! Every option is one row of the table (`table/`): name, older names, kind, default, flags, what it does here and its
//! documentation. All else is made from the rows: the typed snapshot [`Config`], the parsers, CONFIG's answers and
//! `redis.conf.example`.
//!
//! ```text
//! arguments ─ Startup ─┐
//! file, include, stdin ┴→ words → Kind::canonical → text of every option ─→ Config ─→ Store::snapshot
//!                       CONFIG SET ─┘                      └─ CONFIG GET, REWRITE
//! ```
//!
//! **Invariant:** the text of an option is canonical: parsing it again gives the same text, and the typed field always
//! exists. **Invariant:** CONFIG SET changes everything it names or nothing. **Invariant:** a secret never reaches an
//! error, a log or a debug print.

pub mod cli;
mod error;
mod example;
mod kind;
mod load;
mod number;
mod rewrite;
mod spec;
mod special;
mod startup;
mod store;
mod table;
mod types;

#[cfg(test)]
mod tests;

pub use error::{ConfigError, Place, RewriteError, SetError, Source};
pub use example::example;
pub use kind::{Context, Kind};
pub use number::parse_memory;
pub use spec::{Feature, Flags, OptionSpec, State, Topic};
pub use special::Special;
pub use startup::{Startup, Stdin};
pub use store::{Caller, Store};
pub use table::{Config, Declarations, OPTIONS, UserLine, lookup};
pub use types::*;
