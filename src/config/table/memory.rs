//! Options of limits, eviction and the freeing of memory.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! memory_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Memory;
/// The most bytes for data; 0 is no limit. Beyond it keys go by `maxmemory-policy`. Where nothing is said, and the
/// process is in a container with a limit, it is 75 % of that.
maxmemory: u64 = "maxmemory" [], MEMORY_UNBOUNDED, "0", MUTABLE, Acts;
/// Which keys go when memory is full: the least recently or frequently used, random ones, those that expire
/// soonest, among all keys or among those with an expiry; or none, and writes fail.
maxmemory_policy: MaxmemoryPolicy = "maxmemory-policy" [], choice(MaxmemoryPolicy::NAMES), "noeviction",
    MUTABLE, Acts;
/// How many keys are looked at to choose one.
maxmemory_samples: u32 = "maxmemory-samples" [], int(1, 64), "5", MUTABLE, Acts;
/// How hard eviction works before it lets commands through: 0 least, 100 until memory fits.
maxmemory_eviction_tenacity: u32 = "maxmemory-eviction-tenacity" [], int(0, 100), "10", MUTABLE, Acts;
/// The most bytes for the buffers of all clients together, or a share of `maxmemory` (`5%`), without that of the
/// machine's memory; 0 is no limit. Those with the biggest buffers are closed beyond. With a limit `maxmemory` does
/// not count these bytes: clients push out no data.
maxmemory_clients: MemoryOrPercent = "maxmemory-clients" [], Kind::MemoryOrPercent, "25%", MUTABLE, Acts;
/// A replica leaves eviction to its primary.
replica_ignore_maxmemory: bool = "replica-ignore-maxmemory" ["slave-ignore-maxmemory"], Bool, "yes", MUTABLE,
    ActsWith(Replication);
/// How many accesses saturate the counter of LFU: bigger takes more.
lfu_log_factor: u32 = "lfu-log-factor" [], COUNT, "10", MUTABLE, Acts;
/// Minutes after which the counter of LFU goes down by one; 0 never.
lfu_decay_time: u32 = "lfu-decay-time" [], COUNT, "1", MUTABLE, Acts;
/// How much time goes into finding expired keys: 1 least, 10 most.
active_expire_effort: u32 = "active-expire-effort" [], int(1, 10), "1", MUTABLE, Accepted("keys expire at their deadline, with bounded work for each");
/// Free evicted values in the background.
lazyfree_lazy_eviction: bool = "lazyfree-lazy-eviction" [], Bool, "no", MUTABLE, Accepted("big values are always freed off the workers");
/// Free expired values in the background.
lazyfree_lazy_expire: bool = "lazyfree-lazy-expire" [], Bool, "no", MUTABLE, Acts;
/// Free values that a command replaces in the background.
lazyfree_lazy_server_del: bool = "lazyfree-lazy-server-del" [], Bool, "no", MUTABLE, Accepted("big values are always freed off the workers");
/// DEL works as UNLINK does.
lazyfree_lazy_user_del: bool = "lazyfree-lazy-user-del" [], Bool, "no", MUTABLE, Accepted("big values are always freed off the workers");
/// FLUSHALL and FLUSHDB without a word work as with ASYNC.
lazyfree_lazy_user_flush: bool = "lazyfree-lazy-user-flush" [], Bool, "no", MUTABLE, Acts;
/// A replica empties its data in the background before a full sync.
replica_lazy_flush: bool = "replica-lazy-flush" ["slave-lazy-flush"], Bool, "no", MUTABLE, ActsWith(Replication);
/// Move values in memory to give fragmented pages back.
activedefrag: bool = "activedefrag" [], Special(&special::ACTIVEDEFRAG), "no", MUTABLE,
    Accepted("the allocator gives no hint which values to move; CONFIG SET refuses `yes`");
/// Bytes of fragmentation to tolerate.
active_defrag_ignore_bytes: u64 = "active-defrag-ignore-bytes" [], memory(1), "104857600", MUTABLE, NO_DEFRAG;
/// Percent of fragmentation at which moving starts.
active_defrag_threshold_lower: u32 = "active-defrag-threshold-lower" [], int(0, 1000), "10", MUTABLE, NO_DEFRAG;
/// Percent of fragmentation at which moving works hardest.
active_defrag_threshold_upper: u32 = "active-defrag-threshold-upper" [], int(0, 1000), "100", MUTABLE, NO_DEFRAG;
/// The least share of time for moving, in percent.
active_defrag_cycle_min: u32 = "active-defrag-cycle-min" [], int(1, 99), "1", MUTABLE, NO_DEFRAG;
/// The biggest share of time for moving, in percent.
active_defrag_cycle_max: u32 = "active-defrag-cycle-max" [], int(1, 99), "25", MUTABLE, NO_DEFRAG;
/// The most fields of a collection moved in one go.
active_defrag_max_scan_fields: u64 = "active-defrag-max-scan-fields" [], int(1, i64::MAX), "1000", MUTABLE, NO_DEFRAG;
/// Let the allocator clean up in a thread of its own.
jemalloc_bg_thread: bool = "jemalloc-bg-thread" [], Bool, "yes", MUTABLE, Accepted("the allocator gives memory back in the background in any case");
/// Ask the system not to use huge pages for this process.
disable_thp: bool = "disable-thp" [], Bool, "yes", IMMUTABLE,
    Accepted("snapshots copy no pages, so huge pages do no harm");
/// Rehash tables in idle time.
activerehashing: bool = "activerehashing" [], Bool, "yes", MUTABLE, Accepted("tables grow in small steps by themselves");
    } } };
}
