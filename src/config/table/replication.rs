//! Options of replicas and primaries.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! replication_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Replication;
/// Host and port of the primary to copy; `no one` for none.
replicaof: Option<PrimaryAddress> = "replicaof" ["slaveof"], Special(&special::REPLICAOF), "", IMMUTABLE, ActsWith(Replication);
/// Password for the primary.
masterauth: Option<Secret> = "masterauth" [], Kind::Secret, "", SENSITIVE, ActsWith(Replication);
/// User to log in to the primary as; empty for the default user.
masteruser: Option<String> = "masteruser" [], TEXT, "", SENSITIVE, ActsWith(Replication);
/// A replica that lost its primary answers with what it has.
replica_serve_stale_data: bool = "replica-serve-stale-data" ["slave-serve-stale-data"], Bool, "yes", MUTABLE, ActsWith(Replication);
/// A replica refuses writes of clients.
replica_read_only: bool = "replica-read-only" ["slave-read-only"], Bool, "yes", MUTABLE, ActsWith(Replication);
/// Send full syncs straight over the network, without a file.
repl_diskless_sync: bool = "repl-diskless-sync" [], Bool, "yes", MUTABLE, ActsWith(Replication);
/// Seconds to wait for more replicas before such a sync starts.
repl_diskless_sync_delay: u32 = "repl-diskless-sync-delay" [], COUNT, "5", MUTABLE, ActsWith(Replication);
/// Start at once when so many replicas wait; 0 always waits.
repl_diskless_sync_max_replicas: u32 = "repl-diskless-sync-max-replicas" [], COUNT, "0", MUTABLE, ActsWith(Replication);
/// How a replica takes a full sync without a file: not at all, only when it is empty, beside the old data.
repl_diskless_load: ReplDisklessLoad = "repl-diskless-load" [], choice(ReplDisklessLoad::NAMES), "disabled",
    MUTABLE, ActsWith(Replication);
/// Send the snapshot and the changes since over two connections.
repl_rdb_channel: bool = "repl-rdb-channel" [], Bool, "yes", HIDDEN,
    Accepted("snapshot and changes share one connection");
/// The most bytes a replica keeps of changes that arrive during a full sync; 0 takes the output limit.
replica_full_sync_buffer_limit: u64 = "replica-full-sync-buffer-limit" [], memory(0), "0", MUTABLE, ActsWith(Replication);
/// Seconds between pings to replicas.
repl_ping_replica_period: u32 = "repl-ping-replica-period" ["repl-ping-slave-period"], int(1, i32::MAX as i64), "10",
    MUTABLE, ActsWith(Replication);
/// Seconds of silence after which a link is given up.
repl_timeout: u32 = "repl-timeout" [], int(1, i32::MAX as i64), "60", MUTABLE, ActsWith(Replication);
/// Let the system gather small packets to replicas: less traffic, more delay.
repl_disable_tcp_nodelay: bool = "repl-disable-tcp-nodelay" [], Bool, "no", MUTABLE, ActsWith(Replication);
/// Bytes of past changes kept for replicas that come back; at least 16 kb.
repl_backlog_size: u64 = "repl-backlog-size" [], Kind::Memory { min: 1, max: i64::MAX as u64, low: 16384 }, "1048576",
    MUTABLE, ActsWith(Replication);
/// Seconds without replicas after which the past changes are dropped; 0 never.
repl_backlog_ttl: u64 = "repl-backlog-ttl" [], LONG, "3600", MUTABLE, ActsWith(Replication);
/// Which replica a failover should take: the lowest above 0; 0 never this one.
replica_priority: u32 = "replica-priority" ["slave-priority"], COUNT, "100", MUTABLE, ActsWith(Replication);
/// Show up in the primary's list for clients and sentinels.
replica_announced: bool = "replica-announced" [], Bool, "yes", MUTABLE, ActsWith(Replication);
/// Address under which a replica presents itself; empty for the one its connection has.
replica_announce_ip: Option<String> = "replica-announce-ip" ["slave-announce-ip"], TEXT, "", MUTABLE, ActsWith(Replication);
/// Port under which a replica presents itself; 0 for its own.
replica_announce_port: u16 = "replica-announce-port" ["slave-announce-port"], PORT, "0", MUTABLE, ActsWith(Replication);
/// A replica that cannot write to disk goes on.
replica_ignore_disk_write_errors: bool = "replica-ignore-disk-write-errors" [], Bool, "no", MUTABLE, ActsWith(Replication);
/// What a failing command from the primary or the AOF does: nothing, stop the server, stop it on replicas.
propagation_error_behavior: PropagationErrorBehavior = "propagation-error-behavior" [],
    choice(PropagationErrorBehavior::NAMES), "ignore", MUTABLE, ActsWith(Replication);
/// Refuse writes with fewer good replicas than this; 0 never.
min_replicas_to_write: u32 = "min-replicas-to-write" ["min-slaves-to-write"], COUNT, "0", MUTABLE, ActsWith(Replication);
/// Seconds of lag up to which a replica is good; 0 turns the check off.
min_replicas_max_lag: u32 = "min-replicas-max-lag" ["min-slaves-max-lag"], COUNT, "10", MUTABLE, ActsWith(Replication);
    } } };
}
