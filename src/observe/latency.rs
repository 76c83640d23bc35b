//! The latency monitor: for each kind of event, when it was slow and by how much.
//!
//! An event (`command`, `fast-command`, `aof-write`, …) that took longer than the threshold leaves a
//! sample: the second and the milliseconds. A series keeps its last 160 samples, at most one per second
//! (of several in one second the worst is kept), and the worst one of all time. Replies of `LATENCY
//! LATEST`, `HISTORY`, `RESET`, `GRAPH` and `DOCTOR` are read off these series.
//!
//! Samples are rare by construction (each stands for a delay of at least a millisecond), so one lock
//! serves all of them.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

/// Samples kept per event.
const SAMPLES_MAX: usize = 160;
/// Columns of one graph before it wraps.
const GRAPH_COLUMNS: usize = 80;
const GRAPH_ROWS: u64 = 4;
/// Three heights within one row, from low to high.
const GRAPH_MARKS: [u8; 3] = *b"_o#";

/// One slow moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Seconds since the Unix epoch.
    pub unix_s: u64,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// What `LATENCY LATEST` shows of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest {
    /// The kind of event.
    pub event: &'static str,
    /// Its newest sample.
    pub sample: Sample,
    /// The worst sample of all time, in milliseconds.
    pub worst_ms: u64,
}

/// A summary of one event's samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// The kind of event.
    pub event: &'static str,
    /// How many samples there are.
    pub samples: usize,
    /// Their mean, in whole milliseconds.
    pub average_ms: u64,
    /// Their mean distance from the mean, in whole milliseconds.
    pub deviation_ms: u64,
    /// Seconds between samples, on average until now.
    pub period_s: f64,
    /// The smallest of the samples, in milliseconds.
    pub low_ms: u64,
    /// The largest of the samples, in milliseconds.
    pub high_ms: u64,
    /// The worst of all time, in milliseconds.
    pub worst_ms: u64,
}

#[derive(Debug, Default)]
struct Series {
    samples: VecDeque<Sample>,
    worst_ms: u64,
}

/// All series, shared by all workers.
#[derive(Debug, Default)]
pub struct Monitor {
    series: Mutex<BTreeMap<&'static str, Series>>,
}

impl Monitor {
    /// A monitor without samples.
    pub fn new() -> Monitor {
        Monitor::default()
    }

    /// Adds a sample. The caller has compared it with the threshold.
    pub fn record(&self, event: &'static str, unix_s: u64, ms: u64) {
        self.series.lock().entry(event).or_default().record(Sample { unix_s, ms });
    }

    /// The newest sample of every event, by name.
    pub fn latest(&self) -> Vec<Latest> {
        let series = self.series.lock();
        let latest = |(&event, series): (&&'static str, &Series)| {
            let sample = *series.samples.back()?;
            Some(Latest { event, sample, worst_ms: series.worst_ms })
        };
        series.iter().filter_map(latest).collect()
    }

    /// The samples of an event, oldest first; none if there is no such event.
    pub fn history(&self, event: &str) -> Vec<Sample> {
        self.series
            .lock()
            .get(event)
            .map(|series| series.samples.iter().copied().collect())
            .unwrap_or_default()
    }

    /// Forgets one event. Answers whether it had samples.
    pub fn reset(&self, event: &str) -> bool {
        self.series.lock().remove(event).is_some()
    }

    /// Forgets all events. Answers how many there were.
    pub fn reset_all(&self) -> usize {
        std::mem::take(&mut *self.series.lock()).len()
    }

    /// Summaries of all events, by name.
    pub fn analyse(&self, now_s: u64) -> Vec<Analysis> {
        self.series.lock().iter().filter_map(|(event, series)| series.analyse(event, now_s)).collect()
    }

    /// The picture of `LATENCY GRAPH`: a line of numbers, a rule, and columns of characters with each
    /// sample's age below. `None` if the event has no samples.
    pub fn graph(&self, event: &str, now_s: u64) -> Option<String> {
        let series = self.series.lock();
        let (event, series) = series.get_key_value(event)?;
        let analysis = series.analyse(event, now_s)?;
        let Analysis { high_ms, low_ms, worst_ms, .. } = analysis;
        let mut out = format!("{event} - high {high_ms} ms, low {low_ms} ms (all time high {worst_ms} ms)\n");
        out.push_str(&"-".repeat(GRAPH_COLUMNS));
        out.push('\n');
        let samples: Vec<_> = series.samples.iter().copied().collect();
        for segment in samples.chunks(GRAPH_COLUMNS) {
            push_columns(&mut out, segment, low_ms, high_ms);
            push_ages(&mut out, segment, now_s);
        }
        Some(out)
    }

    /// A report for people on all events, the text of `LATENCY DOCTOR`.
    pub fn report(&self, now_s: u64) -> String {
        let analyses = self.analyse(now_s);
        if analyses.is_empty() {
            return "No latency spikes on record: nothing took longer than the threshold so far.\n".into();
        }
        let mut out = String::from("Latency spikes on record, by kind of event:\n\n");
        for (index, analysis) in analyses.iter().enumerate() {
            let Analysis { event, samples, average_ms, deviation_ms, period_s, worst_ms, .. } = analysis;
            out.push_str(&format!(
                "{}. {event}: {samples} latency spikes (average {average_ms}ms, mean deviation {deviation_ms}ms, \
                 period {period_s:.2} sec). Worst all time event {worst_ms}ms.\n",
                index + 1
            ));
        }
        out
    }
}

impl Series {
    fn record(&mut self, sample: Sample) {
        self.worst_ms = self.worst_ms.max(sample.ms);
        if let Some(newest) = self.samples.back_mut()
            && newest.unix_s == sample.unix_s
        {
            newest.ms = newest.ms.max(sample.ms);
            return;
        }
        if self.samples.len() >= SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    fn analyse(&self, event: &'static str, now_s: u64) -> Option<Analysis> {
        let oldest = self.samples.front()?;
        let samples = self.samples.len();
        let all_ms = || self.samples.iter().map(|sample| sample.ms);
        let mean = |sum: u128| (sum / samples as u128) as u64;
        let average_ms = mean(all_ms().map(u128::from).sum());
        let deviation_ms = mean(all_ms().map(|ms| u128::from(ms.abs_diff(average_ms))).sum());
        let period_s = now_s.saturating_sub(oldest.unix_s) as f64 / samples as f64;
        let (low_ms, high_ms) = (all_ms().min()?, all_ms().max()?);
        let worst_ms = self.worst_ms;
        Some(Analysis { event, samples, average_ms, deviation_ms, period_s, low_ms, high_ms, worst_ms })
    }
}

/// Appends the rows of a graph, from the top. Each sample is a mark at its height with bars below.
fn push_columns(out: &mut String, samples: &[Sample], low_ms: u64, high_ms: u64) {
    let marks = GRAPH_MARKS.len() as u64;
    let steps = GRAPH_ROWS * marks;
    let range = u128::from((high_ms - low_ms).max(1));
    let height = |sample: &Sample| {
        let above = u128::from(sample.ms.saturating_sub(low_ms));
        ((above * u128::from(steps) / range) as u64).min(steps - 1)
    };
    for row in (0..GRAPH_ROWS).rev() {
        out.extend(samples.iter().map(|sample| match (height(sample) / marks).cmp(&row) {
            std::cmp::Ordering::Less => ' ',
            std::cmp::Ordering::Equal => {
                GRAPH_MARKS.get((height(sample) % marks) as usize).map_or(' ', |&mark| char::from(mark))
            }
            std::cmp::Ordering::Greater => '|',
        }));
        out.push('\n');
    }
}

/// Appends a blank line and the age of each sample, written downwards.
fn push_ages(out: &mut String, samples: &[Sample], now_s: u64) {
    let ages: Vec<_> = samples.iter().map(|sample| age(now_s.saturating_sub(sample.unix_s))).collect();
    let rows = ages.iter().map(String::len).max().unwrap_or(0);
    out.push_str(&" ".repeat(samples.len()));
    out.push('\n');
    for row in 0..rows {
        out.extend(ages.iter().map(|age| age.as_bytes().get(row).map_or(' ', |&byte| char::from(byte))));
        out.push('\n');
    }
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples of which a running Redis 8.0 drew the graph below, seven seconds after the first.
    fn observed() -> Monitor {
        let monitor = Monitor::new();
        for (unix_s, ms) in [(4, 10), (5, 5), (6, 20), (7, 3), (8, 30), (10, 2)] {
            monitor.record("command", 1_795_255_000 + unix_s, ms);
        }
        monitor
    }

    #[test]
    fn the_graph_is_drawn_as_redis_draws_it() {
        let graph = observed().graph("command", 1_795_255_011).unwrap();
        let rule = "-".repeat(80);
        let expected = format!(
            "command - high 30 ms, low 2 ms (all time high 30 ms)\n{rule}\n    # \n  o | \n_ | | \n|o|_|_\n      \n765431\nssssss\n"
        );
        assert_eq!(graph, expected);
        assert_eq!(observed().graph("nope", 0), None);
    }

    #[test]
    fn the_analysis_has_the_numbers_of_redis() {
        let monitor = observed();
        let analysis = monitor.analyse(1_795_255_011).remove(0);
        assert_eq!(
            (analysis.samples, analysis.average_ms, analysis.deviation_ms, analysis.worst_ms),
            (6, 11, 8, 30)
        );
        assert_eq!(
            (analysis.low_ms, analysis.high_ms, format!("{:.2}", analysis.period_s)),
            (2, 30, "1.17".into())
        );
        let report = monitor.report(1_795_255_011);
        assert!(
            report
                .contains("1. command: 6 latency spikes (average 11ms, mean deviation 8ms, period 1.17 sec)"),
            "{report}"
        );
        assert!(Monitor::new().report(0).contains("No latency spikes"));
    }

    #[test]
    fn one_sample_per_second_and_160_in_all() {
        let monitor = Monitor::new();
        for (unix_s, ms) in [(1, 5), (1, 9), (1, 7)] {
            monitor.record("fork", unix_s, ms);
        }
        assert_eq!(monitor.history("fork"), [Sample { unix_s: 1, ms: 9 }]);
        (2..=200).for_each(|unix_s| monitor.record("fork", unix_s, 1));
        let history = monitor.history("fork");
        assert_eq!((history.len(), history[0].unix_s), (160, 41));
        let sample = Sample { unix_s: 200, ms: 1 };
        assert_eq!(monitor.latest(), [Latest { event: "fork", sample, worst_ms: 9 }]);
    }

    #[test]
    fn resetting_one_or_all() {
        let monitor = observed();
        monitor.record("aof-write", 1, 1);
        assert_eq!(
            (monitor.reset("nope"), monitor.reset("command"), monitor.history("command").len()),
            (false, true, 0)
        );
        assert_eq!((monitor.reset_all(), monitor.reset_all(), monitor.latest().len()), (1, 0, 0));
    }

    #[test]
    fn long_histories_wrap_and_equal_samples_lie_flat() {
        let monitor = Monitor::new();
        (0..100u64).for_each(|unix_s| monitor.record("x", unix_s * 4_000, 7));
        let graph = monitor.graph("x", 400_000).unwrap();
        assert!(graph.lines().all(|line| line.len() <= 80));
        assert!(graph.contains(&"_".repeat(80)) && graph.contains(&"_".repeat(20)));
        assert_eq!([59, 60, 3_599, 3_600, 86_399, 86_400].map(age), ["59s", "1m", "59m", "1h", "23h", "1d"]);
    }
}
