//! Options that Valkey has and Redis has not, so that files written for it are read. CONFIG GET shows them to whoever asks by name;
//! patterns find what they find in Redis.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! valkey_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Valkey;
/// Microseconds of one step of defragmentation.
active_defrag_cycle_us: u32 = "active-defrag-cycle-us" [], int(0, 100_000), "500", HIDDEN, NO_DEFRAG;
/// A name for where the server stands.
availability_zone: String = "availability-zone" [], TEXT, "", HIDDEN, Accepted("nobody is told");
/// IPv4 address that clients of a node are told.
cluster_announce_client_ipv4: String = "cluster-announce-client-ipv4" [], TEXT, "", HIDDEN, ActsWith(Cluster);
/// IPv6 address that clients of a node are told.
cluster_announce_client_ipv6: String = "cluster-announce-client-ipv6" [], TEXT, "", HIDDEN, ActsWith(Cluster);
/// Port that clients of a node are told.
cluster_announce_client_port: u16 = "cluster-announce-client-port" [], PORT, "0", HIDDEN, ActsWith(Cluster);
/// TLS port that clients of a node are told.
cluster_announce_client_tls_port: u16 = "cluster-announce-client-tls-port" [], PORT, "0", HIDDEN, ActsWith(Cluster);
/// Seconds for which a forgotten node stays forgotten.
cluster_blacklist_ttl: u32 = "cluster-blacklist-ttl" [], COUNT, "60", HIDDEN, ActsWith(Cluster);
/// What happens when the file of a node can't be written.
cluster_config_save_behavior: String = "cluster-config-save-behavior" [], choice(&["sync", "best-effort"]), "sync", HIDDEN,
    ActsWith(Cluster);
/// Number of databases of a cluster.
cluster_databases: u32 = "cluster-databases" [], int(1, i32::MAX as i64), "1", HIDDEN.and(IMMUTABLE), ActsWith(Cluster);
/// Milliseconds that a failover by hand may take.
cluster_manual_failover_timeout: u32 = "cluster-manual-failover-timeout" [], COUNT, "5000", HIDDEN, ActsWith(Cluster);
/// How many migrations of slots are remembered.
cluster_slot_migration_log_max_len: u64 = "cluster-slot-migration-log-max-len" [], LONG, "1000", HIDDEN, ActsWith(Cluster);
/// Count what happens in each slot.
cluster_slot_stats_enabled: bool = "cluster-slot-stats-enabled" [], Bool, "no", HIDDEN, ActsWith(Cluster);
/// The most bytes that may be left to send when a slot changes hands; 0 none.
slot_migration_max_failover_repl_bytes: i64 = "slot-migration-max-failover-repl-bytes" [], int(-1, i64::MAX), "0", HIDDEN,
    ActsWith(Cluster);
/// How many long replies are remembered.
commandlog_large_reply_max_len: u64 = "commandlog-large-reply-max-len" [], LONG, "128", HIDDEN, NO_LOG_OF_SIZES;
/// How many long requests are remembered.
commandlog_large_request_max_len: u64 = "commandlog-large-request-max-len" [], LONG, "128", HIDDEN, NO_LOG_OF_SIZES;
/// Bytes from which a reply is remembered; -1 none.
commandlog_reply_larger_than: i64 = "commandlog-reply-larger-than" [], int(-1, i64::MAX), "1048576", HIDDEN, NO_LOG_OF_SIZES;
/// Bytes from which a request is remembered; -1 none.
commandlog_request_larger_than: i64 = "commandlog-request-larger-than" [], int(-1, i64::MAX), "1048576", HIDDEN, NO_LOG_OF_SIZES;
/// Let DEBUG ASSERT end the server.
enable_debug_assert: bool = "enable-debug-assert" [], Bool, "no", HIDDEN.and(IMMUTABLE),
    Accepted("there is no DEBUG ASSERT");
/// Say that the server is Redis.
extended_redis_compatibility: bool = "extended-redis-compatibility" [], Bool, "no", HIDDEN, Accepted("it always does");
/// What the order of SCAN is made of.
hash_seed: String = "hash-seed" [], TEXT, "", HIDDEN.and(IMMUTABLE), Accepted("the order is random");
/// Keys do not expire while others copy data into the server.
import_mode: bool = "import-mode" [], Bool, "no", HIDDEN, Accepted("keys always expire");
/// The form of times in log lines.
log_timestamp_format: String = "log-timestamp-format" [], choice(&["legacy", "iso8601", "milliseconds"]), "legacy", HIDDEN,
    Accepted("log-format decides it");
/// Listen by Multipath TCP.
mptcp: bool = "mptcp" [], Bool, "no", HIDDEN.and(IMMUTABLE), Accepted("TCP is the plain one");
/// How many requests are looked at ahead of the one that runs.
prefetch_batch_max_size: u32 = "prefetch-batch-max-size" [], int(0, 128), "16", HIDDEN, Accepted("always 16");
/// Whether RDB files of versions that nobody knows are tried.
rdb_version_check: String = "rdb-version-check" [], choice(&["strict", "relaxed"]), "strict", HIDDEN,
    Accepted("versions of Redis and Valkey are read alike");
/// Addresses for RDMA.
rdma_bind: String = "rdma-bind" [], TEXT, "", HIDDEN.and(IMMUTABLE), NO_RDMA;
/// Completion vector for RDMA.
rdma_completion_vector: i32 = "rdma-completion-vector" [], int(-1, 1024), "-1", HIDDEN.and(IMMUTABLE), NO_RDMA;
/// Port for RDMA.
rdma_port: u16 = "rdma-port" [], PORT, "0", HIDDEN.and(IMMUTABLE), NO_RDMA;
/// Bytes of a buffer for RDMA.
rdma_rx_size: u64 = "rdma-rx-size" [], memory(0), "1048576", HIDDEN.and(IMMUTABLE), NO_RDMA;
/// Replicate by Multipath TCP.
repl_mptcp: bool = "repl-mptcp" [], Bool, "no", HIDDEN.and(IMMUTABLE), ActsWith(Replication);
/// Seconds between two looks at the files of TLS; 0 none.
tls_auto_reload_interval: u32 = "tls-auto-reload-interval" [], COUNT, "0", HIDDEN, Accepted("files that change are taken up within a second");
/// Group that the Unix socket is to belong to.
unixsocketgroup: String = "unixsocketgroup" [], TEXT, "", HIDDEN.and(IMMUTABLE), Accepted("it belongs to that of the process");
    } } };
}
