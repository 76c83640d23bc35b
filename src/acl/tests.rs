//! Rules and decisions on a small table of commands.
