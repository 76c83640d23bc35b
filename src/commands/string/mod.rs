//! The string family.
