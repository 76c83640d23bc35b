//! Looking at the running server, without knowing anything of it.
//!
//! * [`log`]: log lines in Redis's form, JSON or logfmt
//! * [`info`]: one typed emitter, written as `INFO` text or for Prometheus
//! * [`counter`]: one block of counters per worker, and rates drawn from their sums
//! * [`histogram`]: how long a command takes, for `INFO latencystats` and `LATENCY HISTOGRAM`
//! * [`slowlog`]: the last slow commands
//! * [`latency`]: the latency monitor behind `LATENCY LATEST`, `HISTORY`, `GRAPH` and `DOCTOR`
//!
//! What every command touches (counters, histograms) has a single writer per instance and uses plain
//! relaxed loads and stores: one instance per worker, summed when somebody asks. What only slow
//! commands touch sits behind a lock.

pub mod counter;
pub mod histogram;
pub mod info;
pub mod latency;
pub mod log;
pub mod slowlog;
