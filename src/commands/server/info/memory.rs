//! Section memory.

use super::facts::{Facts, Memory, difference, ratio};
use super::{decimals2, say};
use crate::base::machine;
use crate::base::text::push_human_bytes;
use crate::dispatch::memory::uncounted_bytes;
use crate::keyspace::reclaim;
use crate::observe::info::{Emitter, Field, Value};
use crate::script::Functions;
use crate::script::Scripts;

/// `1.57M`.
fn human(bytes: u64) -> String {
    let mut text = Vec::new();
    push_human_bytes(&mut text, bytes);
    String::from_utf8_lossy(&text).into_owned()
}

pub(super) fn emit(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let memory = facts.memory();
    emit_used(&memory, out);
    emit_allocator(&memory, out);
    emit_system(out);
    emit_scripts(facts, out);
    emit_limit(facts, out);
    emit_ratios(&memory, out);
    emit_rest(facts, &memory, out);
}

fn emit_used(memory: &Memory, out: &mut dyn Emitter) {
    let [used, resident, peak] = [memory.used, memory.resident, memory.peak].map(human);
    let [peak_percent, dataset_percent] =
        [memory.peak_percent(), memory.dataset_percent()].map(|percent| format!("{percent:.2}%"));
    say(
        out,
        &[
            (Field::gauge("used_memory", "Allocated bytes"), Value::Uint(memory.used)),
            (Field::info("used_memory_human", "The same for people"), Value::Text(&used)),
            (Field::gauge("used_memory_rss", "Bytes of physical memory"), Value::Uint(memory.resident)),
            (Field::info("used_memory_rss_human", "The same for people"), Value::Text(&resident)),
            (
                Field::gauge("used_memory_peak", "Most bytes that were ever allocated"),
                Value::Uint(memory.peak),
            ),
            (Field::info("used_memory_peak_human", "The same for people"), Value::Text(&peak)),
            (
                Field::info("used_memory_peak_perc", "used_memory as a share of the peak"),
                Value::Text(&peak_percent),
            ),
            (Field::gauge("used_memory_overhead", "Bytes that are not data"), Value::Uint(memory.overhead())),
            (
                Field::gauge("used_memory_startup", "Bytes allocated after the start"),
                Value::Uint(memory.startup),
            ),
            (Field::gauge("used_memory_dataset", "Bytes of keys and values"), Value::Uint(memory.dataset())),
            (
                Field::info("used_memory_dataset_perc", "Data as a share of what came after the start"),
                Value::Text(&dataset_percent),
            ),
        ],
    );
}

fn emit_allocator(memory: &Memory, out: &mut dyn Emitter) {
    say(
        out,
        &[
            (
                Field::gauge("allocator_allocated", "Bytes allocated, by the allocator's account"),
                Value::Uint(memory.allocator_allocated),
            ),
            (
                Field::gauge("allocator_active", "Bytes in pages with allocations"),
                Value::Uint(memory.allocator_active),
            ),
            (
                Field::gauge("allocator_resident", "Bytes of physical memory of the allocator"),
                Value::Uint(memory.allocator_resident),
            ),
            (Field::gauge("allocator_muzzy", "Bytes given back lazily"), Value::Uint(0)),
        ],
    );
}

fn emit_system(out: &mut dyn Emitter) {
    let system = machine::memory_bytes();
    say(
        out,
        &[
            (Field::gauge("total_system_memory", "Bytes of memory of the machine"), Value::Uint(system)),
            (Field::info("total_system_memory_human", "The same for people"), Value::Text(&human(system))),
        ],
    );
}

fn emit_scripts(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let functions = facts.engine.parts.find::<Functions>();
    let scripts = facts.engine.parts.find::<Scripts>();
    let (libraries, function_count, function_bytes) =
        functions.as_ref().map(|functions| functions.count()).unwrap_or_default();
    let (script_count, script_bytes) = scripts.as_ref().map(|scripts| scripts.count()).unwrap_or_default();
    let vm_eval = scripts.map_or(0, |scripts| scripts.states.bytes());
    let vm_functions = functions.map_or(0, |functions| functions.states.bytes());
    let count = |count: usize| Value::Uint(count as u64);
    let texts =
        [vm_eval, vm_eval + vm_functions, script_bytes + function_bytes].map(|bytes| human(bytes as u64));
    let [vm_eval_text, vm_text, all_text] = &texts;
    say(
        out,
        &[
            (Field::gauge("used_memory_lua", "Bytes of the script engines"), count(vm_eval)),
            (Field::gauge("used_memory_vm_eval", "Bytes of the engines of EVAL"), count(vm_eval)),
            (Field::info("used_memory_lua_human", "The same for people"), Value::Text(vm_eval_text)),
            (Field::gauge("used_memory_scripts_eval", "Bytes of cached scripts"), count(script_bytes)),
            (Field::gauge("number_of_cached_scripts", "Cached scripts"), count(script_count)),
            (Field::gauge("number_of_functions", "Functions"), count(function_count)),
            (Field::gauge("number_of_libraries", "Libraries of functions"), count(libraries)),
            (
                Field::gauge("used_memory_vm_functions", "Bytes of the engines of functions"),
                count(vm_functions),
            ),
            (Field::gauge("used_memory_vm_total", "Bytes of all engines"), count(vm_eval + vm_functions)),
            (Field::info("used_memory_vm_total_human", "The same for people"), Value::Text(vm_text)),
            (Field::gauge("used_memory_functions", "Bytes of functions"), count(function_bytes)),
            (
                Field::gauge("used_memory_scripts", "Bytes of scripts and functions"),
                count(script_bytes + function_bytes),
            ),
            (Field::info("used_memory_scripts_human", "The same for people"), Value::Text(all_text)),
        ],
    );
}

fn emit_limit(facts: &Facts<'_>, out: &mut dyn Emitter) {
    let limit = facts.config.maxmemory;
    say(
        out,
        &[
            (Field::gauge("maxmemory", "Most bytes for data, 0 is no limit"), Value::Uint(limit)),
            (Field::info("maxmemory_human", "The same for people"), Value::Text(&human(limit))),
            (
                Field::info("maxmemory_policy", "What goes when memory is full"),
                Value::Text(facts.config.maxmemory_policy.name()),
            ),
            (
                Field::gauge("maxmemory_reserve", "Bytes of maxmemory that fragmentation keeps free"),
                Value::Uint(facts.engine.eviction.reserve.bytes(limit)),
            ),
        ],
    );
}

/// Fragmentation inside the allocator, of the allocator, and of the process.
fn emit_ratios(memory: &Memory, out: &mut dyn Emitter) {
    let pairs = [
        (memory.allocator_active, memory.allocator_allocated),
        (memory.allocator_resident, memory.allocator_active),
        (memory.resident, memory.allocator_resident),
        (memory.resident, memory.used),
    ];
    let fields = [
        (
            Field::gauge("allocator_frag_ratio", "Pages with allocations over allocations"),
            Field::gauge("allocator_frag_bytes", "The difference in bytes"),
        ),
        (
            Field::gauge("allocator_rss_ratio", "Physical memory of the allocator over its pages"),
            Field::gauge("allocator_rss_bytes", "The difference in bytes"),
        ),
        (
            Field::gauge("rss_overhead_ratio", "Physical memory of the process over that of the allocator"),
            Field::gauge("rss_overhead_bytes", "The difference in bytes"),
        ),
        (
            Field::gauge("mem_fragmentation_ratio", "Physical memory of the process over allocations"),
            Field::gauge("mem_fragmentation_bytes", "The difference in bytes"),
        ),
    ];
    for ((over, under), (quotient, bytes)) in pairs.into_iter().zip(fields) {
        out.field(&quotient, decimals2(ratio(over, under)));
        out.field(&bytes, Value::Int(difference(over, under)));
    }
}

fn emit_rest(facts: &Facts<'_>, memory: &Memory, out: &mut dyn Emitter) {
    let zero = Value::Uint(0);
    say(
        out,
        &[
            (
                Field::gauge("mem_not_counted_for_evict", "Bytes that maxmemory does not count"),
                Value::Uint(uncounted_bytes(facts.engine, &facts.config, 0)),
            ),
            (Field::gauge("mem_replication_backlog", "Bytes of the replication backlog"), zero),
            (Field::gauge("mem_total_replication_buffers", "Bytes of replication buffers"), zero),
            (Field::gauge("mem_replica_full_sync_buffer", "Bytes kept during a full sync"), zero),
            (Field::gauge("mem_clients_slaves", "Bytes of replicas' buffers"), zero),
            (Field::gauge("mem_clients_normal", "Bytes of clients' buffers"), Value::Uint(memory.clients)),
            (Field::gauge("mem_cluster_links", "Bytes of links in the cluster"), zero),
            (
                Field::gauge("mem_aof_buffer", "Bytes that wait for the append only file"),
                Value::Uint(facts.engine.journal.backlog_bytes()),
            ),
            (Field::info("mem_allocator", "The allocator"), Value::Text("jemalloc")),
            (Field::gauge("mem_overhead_db_hashtable_rehashing", "Bytes of tables being replaced"), zero),
            (Field::gauge("active_defrag_running", "Whether memory is being defragmented"), zero),
            (
                Field::gauge("lazyfree_pending_objects", "Values that wait to be freed"),
                Value::Uint(reclaim::pending()),
            ),
            (
                Field::counter("lazyfreed_objects", "Values freed in the background"),
                Value::Uint(reclaim::freed()),
            ),
        ],
    );
}
