//! Counters of commands and connections.
//!
//! Every worker has its own set on its own cache lines and is the only one to write it, so counting is a load and
//! a store; INFO sums the sets. RESETSTAT can't write another worker's counters, so it remembers the sums of that
//! moment and they are subtracted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use parking_lot::Mutex;

use super::table::CommandId;
use crate::observe::histogram::{Histogram, Merged};
use crate::session::bump;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// General counters of one worker.
        #[derive(Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        /// Sums over all workers.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Totals {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Totals {
            fn add(&mut self, counters: &Counters) {
                $(self.$name = self.$name.wrapping_add(counters.$name.load(Ordering::Relaxed));)*
            }

            fn subtract(&mut self, base: &Totals) {
                $(self.$name = self.$name.wrapping_sub(base.$name);)*
            }
        }
    };
}

counters! {
    commands,
    /// read(2) and write(2) calls that moved bytes.
    reads,
    writes,
    net_input_bytes,
    net_output_bytes,
    keyspace_hits,
    keyspace_misses,
    expired_keys,
    evicted_keys,
    evicted_clients,
    /// Fields of hashes.
    expired_subkeys,
    changes,
    error_replies,
    connections,
    rejected_connections,
    query_limit_disconnections,
    output_limit_disconnections,
    /// Wake-ups that ran commands, and their length.
    batches,
    batch_us,
    /// Handlers that panicked.
    panics,
    acl_denied_auth,
    acl_denied_command,
    acl_denied_key,
    acl_denied_channel,
    /// Time spent removing expired keys.
    expire_us,
}

/// Counters of one command on one worker.
#[derive(Default)]
pub struct CommandCell {
    pub calls: AtomicU64,
    pub nanos: AtomicU64,
    pub rejected: AtomicU64,
    pub failed: AtomicU64,
    /// Boxed, because most commands are never sent: 0.15 MB less for each worker.
    histogram: OnceLock<Box<Histogram>>,
}

/// Sums of one command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandTotals {
    pub calls: u64,
    pub nanos: u64,
    pub rejected: u64,
    pub failed: u64,
}

/// One worker's set. Aligned so that two workers share no cache line.
#[repr(align(128))]
pub struct WorkerStats {
    pub counters: Counters,
    /// Bytes of reply buffers that are nobody's or lent for a short while, but for the first one.
    pub buffer_bytes: AtomicUsize,
    commands: Box<[CommandCell]>,
}

impl WorkerStats {
    /// A command ran for `nanos`.
    #[inline(always)] // The compiler thinks it too long for the one place that matters.
    pub fn ran(&self, id: CommandId, nanos: u64, failed: bool, histogram: bool) {
        let Some(cell) = self.commands.get(usize::from(id)) else { return };
        bump(&cell.calls, 1);
        bump(&cell.nanos, nanos);
        if failed {
            bump(&cell.failed, 1);
        }
        if histogram {
            cell.histogram.get_or_init(Box::default).record(nanos);
        }
    }

    /// A command was refused before it ran.
    pub fn rejected(&self, id: CommandId) {
        if let Some(cell) = self.commands.get(usize::from(id)) {
            bump(&cell.rejected, 1);
        }
    }
}

/// Error codes told apart in INFO; as in Redis, a server that produces more has a script gone wild.
const ERROR_CODES_MAX: usize = 128;

/// Everything that INFO stats, commandstats, errorstats and latencystats show.
pub struct Stats {
    workers: Box<[WorkerStats]>,
    errors: DashMap<Box<str>, u64>,
    base: Mutex<Base>,
}

#[derive(Default)]
struct Base {
    totals: Totals,
    commands: Vec<CommandTotals>,
}

impl Stats {
    /// Sets for `writers` threads that count, and `ids` commands.
    pub fn new(writers: usize, ids: usize) -> Stats {
        let worker = |_| WorkerStats {
            counters: Counters::default(),
            buffer_bytes: AtomicUsize::new(0),
            commands: (0..ids).map(|_| CommandCell::default()).collect(),
        };
        let base = Base { totals: Totals::default(), commands: vec![CommandTotals::default(); ids] };
        Stats { workers: (0..writers).map(worker).collect(), errors: DashMap::new(), base: Mutex::new(base) }
    }

    /// The set of one worker; only that worker may write it.
    pub fn worker(&self, index: usize) -> &WorkerStats {
        &self.workers[index]
    }

    /// Bytes of the workers' reply buffers that are nobody's or lent for a short while, but for each one's first.
    pub fn buffer_bytes(&self) -> usize {
        self.workers.iter().map(|worker| worker.buffer_bytes.load(Ordering::Relaxed)).sum()
    }

    /// Since the start.
    pub fn lifetime_totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.workers.iter().for_each(|worker| totals.add(&worker.counters));
        totals
    }

    /// Since the start or the last RESETSTAT.
    pub fn totals(&self) -> Totals {
        let mut totals = self.lifetime_totals();
        totals.subtract(&self.base.lock().totals);
        totals
    }

    /// Sums of one command since the last RESETSTAT.
    pub fn command(&self, id: CommandId) -> CommandTotals {
        let mut sum = self.lifetime_command(usize::from(id));
        if let Some(base) = self.base.lock().commands.get(usize::from(id)) {
            sum.calls = sum.calls.wrapping_sub(base.calls);
            sum.nanos = sum.nanos.wrapping_sub(base.nanos);
            sum.rejected = sum.rejected.wrapping_sub(base.rejected);
            sum.failed = sum.failed.wrapping_sub(base.failed);
        }
        sum
    }

    fn lifetime_command(&self, id: usize) -> CommandTotals {
        let mut sum = CommandTotals::default();
        for cell in self.workers.iter().filter_map(|worker| worker.commands.get(id)) {
            sum.calls += cell.calls.load(Ordering::Relaxed);
            sum.nanos += cell.nanos.load(Ordering::Relaxed);
            sum.rejected += cell.rejected.load(Ordering::Relaxed);
            sum.failed += cell.failed.load(Ordering::Relaxed);
        }
        sum
    }

    /// Latencies of one command over all workers; `None` when it never ran.
    pub fn histogram(&self, id: CommandId) -> Option<Merged> {
        let cells = self.workers.iter().filter_map(|worker| worker.commands.get(usize::from(id)));
        let merged = Merged::of(cells.filter_map(|cell| cell.histogram.get().map(Box::as_ref)));
        (merged.count() > 0).then_some(merged)
    }

    /// LATENCY RESET of histograms and RESETSTAT: the owner may record meanwhile, which loses at most that record.
    pub fn reset_histogram(&self, id: CommandId) {
        for cell in self.workers.iter().filter_map(|worker| worker.commands.get(usize::from(id))) {
            if let Some(histogram) = cell.histogram.get() {
                histogram.reset();
            }
        }
    }

    /// An error line (without its `-`) was sent.
    #[cold]
    pub fn error(&self, line: &[u8]) {
        let Ok(code) = std::str::from_utf8(error_code(line)) else { return };
        if let Some(mut count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < ERROR_CODES_MAX {
            *self.errors.entry(code.into()).or_insert(0) += 1;
        }
    }

    /// Error codes and how often each was sent, by code.
    pub fn errors(&self) -> Vec<(Box<str>, u64)> {
        let mut errors: Vec<_> = self.errors.iter().map(|row| (row.key().clone(), *row.value())).collect();
        errors.sort();
        errors
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        let mut base = self.base.lock();
        base.totals = self.lifetime_totals();
        for (id, command) in base.commands.iter_mut().enumerate() {
            *command = self.lifetime_command(id);
            self.reset_histogram(id as CommandId);
        }
        self.errors.clear();
    }
}

/// What an error line begins with, up to a space or what is sent as one; ERR where there is none soon.
fn error_code(line: &[u8]) -> &[u8] {
    const CODE_MAX: usize = 31;
    let end = line.iter().take(CODE_MAX).position(|byte| matches!(byte, b' ' | b'\r' | b'\n' | 0));
    end.and_then(|end| line.get(..end)).unwrap_or(b"ERR")
}
