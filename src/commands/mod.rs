//! Every command, one folder per family.
//!
//! A family is a list of rows ([`crate::dispatch::Command`]) with their handlers beside them; [`FAMILIES`] lists the
//! families, and that is all there is to registration.

pub mod connection;
pub mod generic;
pub mod server;
pub mod string;

use crate::dispatch::Command;

/// All families.
pub const FAMILIES: &[&[Command]] = &[
    connection::basics::COMMANDS,
    connection::auth::COMMANDS,
    connection::hello::COMMANDS,
    connection::client::COMMANDS,
    server::command::COMMANDS,
    string::bytes::COMMANDS,
    string::count::COMMANDS,
    string::exchange::COMMANDS,
    string::get::COMMANDS,
    string::lcs::COMMANDS,
    string::many::COMMANDS,
    string::set::COMMANDS,
    server::config::COMMANDS,
    server::clock::COMMANDS,
    server::replication::COMMANDS,
    server::monitor::COMMANDS,
    server::slowlog::COMMANDS,
    server::latency::COMMANDS,
    server::shutdown::COMMANDS,
    server::lolwut::COMMANDS,
    server::module::COMMANDS,
    server::cluster::COMMANDS,
];
