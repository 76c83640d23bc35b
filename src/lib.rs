//! Ochre, a Redis-compatible in-memory server.
//!
//! The modules below stand in dependency order: each imports only from modules above it
//! (`tests/tidy.rs` checks that). `ARCHITECTURE.md` is the map.

pub mod alloc;
pub mod base;
pub mod ds;
pub mod observe;

pub mod config;
pub mod resp;
pub mod spec;
pub mod value;

pub mod rdb;

pub mod keyspace;

pub mod acl;
pub mod session;

pub mod journal;
pub mod pubsub;
pub mod tracking;

pub mod dispatch;

pub mod script;

pub mod persist;

pub mod commands;

pub mod net;

pub mod server;

/// The version of Redis whose behaviour this server has.
pub const REDIS_VERSION: &str = "8.0.6";
