//! How soon the kernel ends this process when memory is short: `oom-score-adj`, `oom-score-adj-values`.
//!
//! The kernel adds a number from -1000 (never) to 1000 (first) to what it counts for the process. Of the three values
//! only the first counts here: that of a primary. There are no child processes, and replicas are yet to come.

use std::fs;
use std::sync::OnceLock;

use crate::config::{Config, OomScoreAdj};

const FILE: &str = "/proc/self/oom_score_adj";

/// What the process was started with, read before the first change.
static INITIAL: OnceLock<i32> = OnceLock::new();

/// Sets the number as configured; what the process was started with, if it is not to be set (any more).
///
/// # Errors
/// The kernel refuses: a number below that of the start needs rights.
pub fn apply(config: &Config) -> Result<(), String> {
    let [primary, ..] = config.oom_score_adj_values;
    let initial = match (INITIAL.get(), config.oom_score_adj) {
        (None, OomScoreAdj::No) => return Ok(()),
        (None, _) => {
            let read = fs::read_to_string(FILE).map_err(|error| failed(&error))?;
            *INITIAL.get_or_init(|| read.trim().parse().unwrap_or(0))
        }
        (Some(initial), _) => *initial,
    };
    let score = match config.oom_score_adj {
        OomScoreAdj::No => initial,
        OomScoreAdj::Yes => initial.saturating_add(primary),
        OomScoreAdj::Absolute => primary,
    };
    fs::write(FILE, score.clamp(-1000, 1000).to_string()).map_err(|error| failed(&error))
}

fn failed(error: &std::io::Error) -> String {
    tracing::warn!("Unable to write {FILE}: {error}");
    "Failed to set current oom_score_adj. Check server logs.".to_owned()
}
