//! Every command, one folder per family.
//!
//! A family is a list of rows ([`crate::dispatch::Command`]) with their handlers beside them; [`FAMILIES`] lists the
//! families, and that is all there is to registration.

pub mod acl;
pub mod bitmap;
pub mod connection;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod list;
pub mod pubsub;
pub mod scan;
pub mod scripting;
pub mod server;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod transaction;

#[cfg(test)]
mod facts;
#[cfg(test)]
mod readme;

use crate::dispatch::Command;

/// All families.
pub const FAMILIES: &[&[Command]] = &[
    acl::COMMANDS,
    bitmap::bit::COMMANDS,
    bitmap::bitop::COMMANDS,
    bitmap::count::COMMANDS,
    bitmap::field::COMMANDS,
    connection::auth::COMMANDS,
    connection::basics::COMMANDS,
    connection::client::COMMANDS,
    connection::hello::COMMANDS,
    generic::copy::COMMANDS,
    generic::databases::COMMANDS,
    generic::delete::COMMANDS,
    generic::dump::COMMANDS,
    generic::expire::COMMANDS,
    generic::look::COMMANDS,
    generic::migrate::COMMANDS,
    generic::object::COMMANDS,
    generic::rename::COMMANDS,
    generic::sort::COMMANDS,
    generic::ttl::COMMANDS,
    generic::walk::COMMANDS,
    hyperloglog::count::COMMANDS,
    hyperloglog::debug::COMMANDS,
    geo::add::COMMANDS,
    geo::look::COMMANDS,
    geo::radius::COMMANDS,
    geo::search::COMMANDS,
    hash::basic::COMMANDS,
    hash::combined::COMMANDS,
    hash::count::COMMANDS,
    hash::expire::COMMANDS,
    hash::ttl::COMMANDS,
    hash::whole::COMMANDS,
    list::blocking::COMMANDS,
    list::index::COMMANDS,
    list::moves::COMMANDS,
    list::multi::COMMANDS,
    list::pop::COMMANDS,
    list::pos::COMMANDS,
    list::push::COMMANDS,
    list::range::COMMANDS,
    pubsub::look::COMMANDS,
    pubsub::publish::COMMANDS,
    pubsub::subscribe::COMMANDS,
    scripting::eval::COMMANDS,
    scripting::fcall::COMMANDS,
    scripting::function::COMMANDS,
    scripting::script::COMMANDS,
    server::command::COMMANDS,
    set::combine::COMMANDS,
    set::members::COMMANDS,
    set::random::COMMANDS,
    set::scan::COMMANDS,
    sorted_set::add::COMMANDS,
    sorted_set::algebra::COMMANDS,
    sorted_set::blocking::COMMANDS,
    sorted_set::look::COMMANDS,
    sorted_set::pop::COMMANDS,
    sorted_set::random::COMMANDS,
    sorted_set::range::COMMANDS,
    sorted_set::remove::COMMANDS,
    stream::add::COMMANDS,
    stream::claim::COMMANDS,
    stream::delete::COMMANDS,
    stream::group::COMMANDS,
    stream::info::COMMANDS,
    stream::pending::COMMANDS,
    stream::range::COMMANDS,
    stream::read::COMMANDS,
    stream::read_group::COMMANDS,
    string::bytes::COMMANDS,
    string::count::COMMANDS,
    string::exchange::COMMANDS,
    string::get::COMMANDS,
    string::lcs::COMMANDS,
    string::many::COMMANDS,
    string::set::COMMANDS,
    server::aof::COMMANDS,
    server::config::COMMANDS,
    server::clock::COMMANDS,
    server::info::COMMANDS,
    server::memory::COMMANDS,
    server::replication::COMMANDS,
    server::monitor::COMMANDS,
    server::slowlog::COMMANDS,
    server::latency::COMMANDS,
    server::debug::COMMANDS,
    server::save::COMMANDS,
    server::shutdown::COMMANDS,
    server::lolwut::COMMANDS,
    server::module::COMMANDS,
    server::cluster::COMMANDS,
    transaction::COMMANDS,
];
