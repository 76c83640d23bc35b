//! Sections commandstats, errorstats and latencystats: a row for every command or error code that came up.

use super::decimals2;
use super::facts::Facts;
use crate::dispatch::Registered;
use crate::dispatch::stats::CommandTotals;
use crate::observe::info::{Emitter, Field, RowName, Value};

pub(super) fn emit_calls(facts: &Facts<'_>, out: &mut dyn Emitter) {
    for registered in facts.engine.commands.iter_all() {
        let totals = facts.engine.stats.command(registered.id);
        if totals.calls + totals.rejected + totals.failed > 0 {
            emit_call(registered, &totals, out);
        }
    }
}

fn emit_call(registered: &Registered, totals: &CommandTotals, out: &mut dyn Emitter) {
    let micros = totals.nanos / 1000;
    let mean = if totals.calls == 0 { 0.0 } else { totals.nanos as f64 / 1000.0 / totals.calls as f64 };
    out.row(
        RowName { prefix: "cmdstat_", label: "cmd", value: &registered.full_name },
        &[
            (Field::counter("calls", "Times the command ran"), Value::Uint(totals.calls)),
            (Field::counter("usec", "Microseconds it took"), Value::Uint(micros)),
            (Field::gauge("usec_per_call", "Microseconds per call"), decimals2(mean)),
            (
                Field::counter("rejected_calls", "Times it was refused before it ran"),
                Value::Uint(totals.rejected),
            ),
            (Field::counter("failed_calls", "Times it failed"), Value::Uint(totals.failed)),
        ],
    );
}

pub(super) fn emit_errors(facts: &Facts<'_>, out: &mut dyn Emitter) {
    for (code, count) in facts.engine.stats.errors() {
        // Where a row's name ends must be plain.
        let code = code.replace(['#', ':'], "_");
        out.row(
            RowName { prefix: "errorstat_", label: "err", value: &code },
            &[(Field::counter("count", "Error replies with this code"), Value::Uint(count))],
        );
    }
}

/// Percentiles as `latency-tracking-info-percentiles` asks for them.
pub(super) fn emit_latencies(facts: &Facts<'_>, out: &mut dyn Emitter) {
    if !facts.config.latency_tracking {
        return;
    }
    let percentiles = &facts.config.latency_tracking_info_percentiles;
    let names: Vec<String> = percentiles.iter().map(|&percentile| percentile_name(percentile)).collect();
    for registered in facts.engine.commands.iter_all() {
        let Some(times) = facts.engine.stats.histogram(registered.id) else { continue };
        let values = percentiles.iter().zip(&names).map(|(&percentile, name)| {
            let micros = Value::Float { value: times.percentile_us(percentile), decimals: 3 };
            (Field::info(name, "Microseconds that this share of calls stays below"), micros)
        });
        out.row(
            RowName { prefix: "latency_percentiles_usec_", label: "cmd", value: &registered.full_name },
            &values.collect::<Vec<_>>(),
        );
    }
}

/// `p99.9`, without zeros that say nothing.
fn percentile_name(percentile: f64) -> String {
    format!("p{percentile}")
}
