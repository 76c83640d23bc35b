//! Scripts: EVAL and its kin, SCRIPT.

pub mod eval;
pub mod script;
