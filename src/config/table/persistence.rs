//! Options of snapshots and of the append only file.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! persistence_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Persistence;
/// Pairs of seconds and changes: a snapshot is written when so many keys changed in so many seconds. Empty
/// writes none by itself. Lines add up; the first one replaces the default.
save: SavePoints = "save" [], Special(&special::SAVE), "3600 1 300 100 60 10000", MUTABLE, Acts;
/// The snapshot's file name, within `dir`.
dbfilename: String = "dbfilename" [], Text(special::plain_dbfilename), "dump.rdb", PROTECTED, Acts;
/// The directory of all data files; the server works there. The default is where it was started.
dir: PathBuf = "dir" [], Special(&special::DIR), ".", PROTECTED.and(NOT_WHILE_LOADING), Acts;
/// The version of the snapshot format to write, for older servers to read.
rdb_save_version: u32 = "rdb-save-version" [], int(9, 12), "12", MUTABLE, Acts;
/// Compress texts in snapshots.
rdbcompression: bool = "rdbcompression" [], Bool, "yes", MUTABLE, Acts;
/// End snapshots with a checksum and verify it when loading.
rdbchecksum: bool = "rdbchecksum" [], Bool, "yes", IMMUTABLE, Acts;
/// Start with a file that holds data of modules, which nobody here can read: that data is left out, and lost when the file is
/// written anew. Otherwise such a file is refused, and the module named.
rdb_skip_module_data: bool = "rdb-skip-module-data" [], Bool, "no", MUTABLE, Acts;
/// Check loaded payloads deeply: never, always, only those of ordinary clients.
sanitize_dump_payload: SanitizeDumpPayload = "sanitize-dump-payload" [], choice(SanitizeDumpPayload::NAMES), "no",
    MUTABLE, Accepted("every payload is checked deeply, always");
/// Refuse writes after a snapshot failed.
stop_writes_on_bgsave_error: bool = "stop-writes-on-bgsave-error" [], Bool, "yes", MUTABLE, Acts;
/// Remove the snapshot files that full syncs leave behind when nothing else is persisted.
rdb_del_sync_files: bool = "rdb-del-sync-files" [], Bool, "no", MUTABLE, ActsWith(Replication);
/// Sync the snapshot every few megabytes while it is written.
rdb_save_incremental_fsync: bool = "rdb-save-incremental-fsync" [], Bool, "yes", MUTABLE, Acts;
/// Microseconds to wait between keys of a snapshot, for tests.
rdb_key_save_delay: i32 = "rdb-key-save-delay" [], int(i32::MIN as i64, i32::MAX as i64), "0", HIDDEN, Acts;
/// Microseconds to wait between keys while loading, for tests.
key_load_delay: i32 = "key-load-delay" [], int(i32::MIN as i64, i32::MAX as i64), "0", HIDDEN, Acts;
/// Bytes loaded between two looks at the clients.
loading_process_events_interval_bytes: u64 = "loading-process-events-interval-bytes" [], int(1024, i32::MAX as i64), "524288", HIDDEN,
    Accepted("loading never keeps clients waiting");
/// Write every change to the append only file.
appendonly: bool = "appendonly" [], Bool, "no", MUTABLE, Acts;
/// The first part of the names of the append only files.
appendfilename: String = "appendfilename" [], Text(special::plain_appendfilename), "appendonly.aof", IMMUTABLE,
    Acts;
/// The directory of the append only files, within `dir`.
appenddirname: String = "appenddirname" [], Text(special::plain_appenddirname), "appendonlydir", IMMUTABLE,
    Acts;
/// When the append only file is synced: after every write, every second, when the system likes.
appendfsync: AppendFsync = "appendfsync" [], choice(AppendFsync::NAMES), "everysec", MUTABLE, Acts;
/// Do not sync while a rewrite or snapshot is being written.
no_appendfsync_on_rewrite: bool = "no-appendfsync-on-rewrite" [], Bool, "no", MUTABLE, Acts;
/// Rewrite the append only file when it grew by so many percent; 0 never.
auto_aof_rewrite_percentage: u32 = "auto-aof-rewrite-percentage" [], COUNT, "100", MUTABLE, Acts;
/// No rewrite by itself below this size.
auto_aof_rewrite_min_size: u64 = "auto-aof-rewrite-min-size" [], memory(0), "67108864", MUTABLE, Acts;
/// Load a file that ends in the middle of a command, without that command.
aof_load_truncated: bool = "aof-load-truncated" [], Bool, "yes", MUTABLE, Acts;
/// Load a file without checksums that ends in up to so many bytes which are no commands, without them; 0 refuses such a
/// file. A file with checksums knows by itself what a power failure can have torn.
aof_load_corrupt_tail_max_size: u64 = "aof-load-corrupt-tail-max-size" [], memory(0), "0", MUTABLE, Acts;
/// Put a checksum before each block of commands, in a line that loaders of Redis 7 and later skip, so that damage is found
/// instead of loaded. Taken up by the next file.
aof_checksum: bool = "aof-checksum" [], Bool, "yes", MUTABLE, Acts;
/// Rewrites start with a snapshot instead of commands.
aof_use_rdb_preamble: bool = "aof-use-rdb-preamble" [], Bool, "yes", MUTABLE, Acts;
/// Put the time into the file, so that it can be cut at a moment.
aof_timestamp_enabled: bool = "aof-timestamp-enabled" [], Bool, "no", MUTABLE, Acts;
/// Sync the rewritten file every few megabytes.
aof_rewrite_incremental_fsync: bool = "aof-rewrite-incremental-fsync" [], Bool, "yes", MUTABLE, Acts;
/// Keep append only files that are no longer needed, for tests.
aof_disable_auto_gc: bool = "aof-disable-auto-gc" [], Bool, "no", HIDDEN, Acts;
    } } };
}
