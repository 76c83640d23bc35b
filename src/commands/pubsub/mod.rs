//! Pub/sub commands.

pub mod look;
pub mod publish;
pub mod subscribe;
