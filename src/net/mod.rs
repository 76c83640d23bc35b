//! Sockets: listeners, workers and the connections they own.
//!
//! ```text
//! acceptor ──▶ least loaded worker ──▶ Connection: read what is there → run every complete request → write once
//!    └─ TLS ─▶ handshake ─┘
//! ```
//!
//! A worker is an OS thread with a runtime of its own; a connection is one task on it and never moves. Nothing is
//! sent between tasks to serve a request; what clients say to each other is brought by the worker's [`postman`]. Answers to
//! pipelines wait for the other connections that are ready ([`courtesy`]). Connections that run scripts are polled on a stack of
//! their own ([`task`]).

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
