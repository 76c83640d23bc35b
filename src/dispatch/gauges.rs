//! Numbers that are measured now and then, not counted: rates, peaks, sizes of recent buffers.
//!
//! The cron calls [`Gauges::sample`] every 100 ms; INFO reads the atomics. Rates look back over 16 samples, the largest
//! buffers over two windows of [`WINDOW_SAMPLES`] samples, so a short spike stays visible for at least one window.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::engine::Engine;
use crate::base::clock::Clock;
use crate::observe::counter::Rate;

/// Samples after which the largest buffers are taken anew: two seconds.
const WINDOW_SAMPLES: u64 = 20;

/// See the module's head.
#[derive(Default)]
pub struct Gauges {
    pub ops_per_sec: AtomicU64,
    pub input_bytes_per_sec: AtomicU64,
    pub output_bytes_per_sec: AtomicU64,
    pub batches_per_sec: AtomicU64,
    /// Mean length of a recent batch, µs.
    pub batch_us: AtomicU64,
    pub peak_memory_bytes: AtomicU64,
    pub startup_memory_bytes: AtomicU64,
    /// Largest input and output buffer of a client of late.
    pub max_input_bytes: AtomicU64,
    pub max_output_bytes: AtomicU64,
    /// Unix seconds of the last save; the start until persistence exists.
    pub last_save_seconds: AtomicU64,
    /// How long everybody waited for the last snapshot's cut, µs.
    pub latest_cut_us: AtomicU64,
    /// While loading: bytes of all files, and of what has run.
    pub loading_total_bytes: AtomicU64,
    pub loading_loaded_bytes: AtomicU64,
    /// Unix seconds at which loading began.
    pub loading_began_seconds: AtomicU64,
    /// Longest delay of an expiry behind its deadline in the last second, ms.
    pub expire_lag_ms: AtomicU64,
    rates: Mutex<Rates>,
}

/// What the samples are drawn from.
#[derive(Default)]
struct Rates {
    commands: Rate,
    input: Rate,
    output: Rate,
    batches: Rate,
    batch_us: Rate,
    /// Samples taken.
    ticks: u64,
    /// Largest buffers of the window before and of this one: input, output.
    windows: [[u64; 2]; 2],
}

impl Gauges {
    /// Takes a sample; call every 100 ms.
    pub fn sample(&self, engine: &Engine) {
        let totals = engine.stats.lifetime_totals();
        let now_us = engine.time.monotonic_us();
        let mut rates = self.rates.lock();
        let rates = &mut *rates;
        let samples = [
            (&mut rates.commands, totals.commands, &self.ops_per_sec),
            (&mut rates.input, totals.net_input_bytes, &self.input_bytes_per_sec),
            (&mut rates.output, totals.net_output_bytes, &self.output_bytes_per_sec),
            (&mut rates.batches, totals.batches, &self.batches_per_sec),
        ];
        for (rate, total, gauge) in samples {
            rate.sample(now_us, total);
            gauge.store(rate.per_second(), Relaxed);
        }
        rates.batch_us.sample(now_us, totals.batch_us);
        let mean_us = rates.batch_us.per_second().checked_div(rates.batches.per_second());
        self.batch_us.store(mean_us.unwrap_or(0), Relaxed);
        self.sample_buffers(engine, rates);
    }

    fn sample_buffers(&self, engine: &Engine, rates: &mut Rates) {
        rates.ticks += 1;
        // Every client is looked at, so not in every sample.
        if !rates.ticks.is_multiple_of(WINDOW_SAMPLES / 2) {
            return;
        }
        if rates.ticks.is_multiple_of(WINDOW_SAMPLES) {
            rates.windows = [rates.windows[1], [0, 0]];
        }
        for client in engine.clients.iter() {
            let usage = &client.usage;
            let input = usage.query_bytes.load(Relaxed) + usage.query_free_bytes.load(Relaxed);
            let output = usage.output_bytes.load(Relaxed) + client.mailbox_bytes();
            let [largest_input, largest_output] = &mut rates.windows[1];
            *largest_input = (*largest_input).max(input as u64);
            *largest_output = (*largest_output).max(output as u64);
        }
        let [[input, output], [newest_input, newest_output]] = rates.windows;
        self.max_input_bytes.store(input.max(newest_input), Relaxed);
        self.max_output_bytes.store(output.max(newest_output), Relaxed);
    }
}
