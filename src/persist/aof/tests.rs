//! Crashes, cuts and flips.
