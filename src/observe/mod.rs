//! Looking at the running server: log lines, counters, histograms, slow log, one emitter for all fields.
