//! The string family: commands whose values are strings of bytes.
//!
//! | file | commands |
//! |---|---|
//! | [`get`] | GET, MGET, STRLEN, GETRANGE, SUBSTR |
//! | [`set`] | SET, SETNX, SETEX, PSETEX |
//! | [`exchange`] | GETSET, GETDEL, GETEX, DELIFEQ |
//! | [`many`] | MSET, MSETNX, MSETEX |
//! | [`bytes`] | APPEND, SETRANGE |
//! | [`count`] | INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT |
//! | [`lcs`] | LCS |

pub mod bytes;
pub mod count;
pub mod exchange;
pub mod get;
pub mod lcs;
pub mod many;
pub mod set;
mod set_options;
