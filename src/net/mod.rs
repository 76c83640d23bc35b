//! Sockets: listeners, workers and the connections they own.
//!
//! ```text
//! acceptor ──▶ least loaded worker ──▶ connections: read what is there ─▶ round: run what is complete ─▶ write once
//!    └─ TLS ─▶ handshake ─┘
//! ```
//!
//! A worker is an OS thread with a runtime of its own; a connection is one task on it and never moves. Nothing is
//! sent between tasks to serve a request; what clients say to each other is brought by the worker's [`postman`]. Connections that
//! are ready together are read first, then their requests run, then they are answered ([`round`]).

pub mod admission;
mod buffers;
pub mod connection;
mod courtesy;
pub mod debts;
pub mod limits;
pub mod listener;
pub mod postman;
mod round;
pub mod stream;
pub mod task;
pub mod tls;
pub mod worker;

pub use listener::{BindError, Listening, bind_all};
pub use worker::{Crew, Newcomer};
