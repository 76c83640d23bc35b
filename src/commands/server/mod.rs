//! Commands about the server: its table of commands, configuration, state, clocks, logs and end.
//!
//! They run with a [`crate::dispatch::AdminCx`], which holds no locks when the handler begins and may take any. What
//! is refused here (modules, a cluster, saving) is refused in Redis's words and never answered with an OK that is not true.

pub mod aof;
pub mod clock;
pub mod cluster;
pub mod command;
pub mod config;
pub mod debug;
pub mod info;
pub mod latency;
pub mod lolwut;
pub mod memory;
pub mod module;
pub mod monitor;
pub mod replication;
pub mod save;
pub mod shutdown;
pub mod slowlog;
