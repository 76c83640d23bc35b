//! Commands about the server: its table of commands, configuration, state, clocks, logs and end.

pub mod command;
