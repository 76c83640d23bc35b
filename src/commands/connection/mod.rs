//! Commands about the connection itself: greeting, login, database, name, and what CLIENT shows and does.
//!
//! ```text
//! basics  PING ECHO SELECT QUIT RESET      auth    AUTH, and the one check of a password
//! hello   HELLO                            client  CLIENT and its subcommands
//! ```
//!
//! They run with a [`crate::dispatch::SessionCx`] and touch no keys. Whatever they change in the session that
//! CLIENT LIST shows is published at once, so a list in the same pipeline sees it.

pub mod auth;
pub mod basics;
pub mod client;
pub mod hello;
