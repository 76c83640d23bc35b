//! How soon the kernel ends this process when memory is short: `oom-score-adj`, `oom-score-adj-values`.
//!
//! The kernel adds a number from -1000 (never) to 1000 (first) to what it counts for the process. Of the three values
//! only the first counts here: that of a primary. There are no child processes, and replicas are yet to come.

use std::fs;

use parking_lot::Mutex;

use crate::config::{Config, OomScoreAdj};

const FILE: &str = "/proc/self/oom_score_adj";

/// What the kernel counted before it was told otherwise; `None` while it is not.
static BEFORE: Mutex<Option<i32>> = Mutex::new(None);

/// Sets the number as configured; what it was before, if it is not to be set any more.
///
/// # Errors
/// The kernel refuses: a number below that of the start needs rights.
pub fn apply(config: &Config) -> Result<(), String> {
    let [primary, ..] = config.oom_score_adj_values;
    let mut before = BEFORE.lock();
    let score = match (config.oom_score_adj, *before) {
        (OomScoreAdj::No, None) => return Ok(()),
        (OomScoreAdj::No, Some(base)) => {
            *before = None;
            base
        }
        (mode, base) => {
            let base = base.map_or_else(read, Ok)?;
            *before = Some(base);
            if mode == OomScoreAdj::Absolute { primary } else { base.saturating_add(primary) }
        }
    };
    fs::write(FILE, score.clamp(-1000, 1000).to_string()).map_err(|error| failed(&error))
}

fn read() -> Result<i32, String> {
    let text = fs::read_to_string(FILE).map_err(|error| failed(&error))?;
    Ok(text.trim().parse().unwrap_or(0))
}

fn failed(error: &std::io::Error) -> String {
    tracing::warn!("Unable to write {FILE}: {error}");
    "Failed to set current oom_score_adj. Check server logs.".to_owned()
}
