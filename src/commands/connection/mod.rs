//! The connection family.
