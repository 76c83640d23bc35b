//! Options of the process, of logging and of diagnostics.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! server_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Server;
/// Number of databases that SELECT reaches.
databases: u32 = "databases" [], int(1, i32::MAX as i64), "16", IMMUTABLE, Acts;
/// Go on in the background.
daemonize: bool = "daemonize" [], Bool, "no", IMMUTABLE, Acts;
/// Who started the server and wants to know that it is ready.
supervised: Supervised = "supervised" [], choice(Supervised::NAMES), "no", IMMUTABLE, Acts;
/// File that holds the process id while the server runs; empty for none.
pidfile: Option<PathBuf> = "pidfile" [], TEXT, "", IMMUTABLE, Acts;
/// The lowest level that is logged.
loglevel: LogLevel = "loglevel" [], choice(LogLevel::NAMES), "notice", MUTABLE, Acts;
/// The form of log lines: as Redis writes them, one JSON object a line, or key=value pairs. Valkey says `legacy` for the first.
log_format: LogFormat = "log-format" [],
    Kind::Choice { names: &["redis", "json", "logfmt", "legacy"], same: &[("legacy", "redis")] }, "redis", MUTABLE, Acts;
/// File to log to; empty for standard output. Set at run time it has to be a regular file.
logfile: Option<PathBuf> = "logfile" [], TEXT, "", PROTECTED, Acts;
/// Log to syslog as well.
syslog_enabled: bool = "syslog-enabled" [], Bool, "no", IMMUTABLE, Acts;
/// The name in syslog.
syslog_ident: String = "syslog-ident" [], TEXT, "redis", IMMUTABLE, Acts;
/// The facility in syslog.
syslog_facility: SyslogFacility = "syslog-facility" [], choice(SyslogFacility::NAMES), "local0", IMMUTABLE,
    Acts;
/// Print the logo even when standard output is no terminal.
always_show_logo: bool = "always-show-logo" [], Bool, "no", IMMUTABLE, Accepted("there is no logo");
/// Show state in the process title.
set_proc_title: bool = "set-proc-title" [], Bool, "yes", IMMUTABLE, Accepted("the process keeps the title it was started with");
/// The form of the process title.
proc_title_template: String = "proc-title-template" [], Text(special::title_template), "{title} {listen-addr} {server-mode}",
    MUTABLE, Accepted("the process keeps the title it was started with");
/// Write a report to the log when the server crashes.
crash_log_enabled: bool = "crash-log-enabled" [], Bool, "yes", MUTABLE, Accepted("a panic is always logged, with its backtrace");
/// Test the memory after a crash.
crash_memcheck_enabled: bool = "crash-memcheck-enabled" [], Bool, "yes", MUTABLE,
    Accepted("a crashed process is not trusted to test anything");
/// Leave with an exit code instead of a core dump when an invariant breaks.
use_exit_on_panic: bool = "use-exit-on-panic" [], Bool, "no", HIDDEN, Accepted("the process ends the way the runtime ends it");
/// Warnings of the start that are not repeated.
ignore_warnings: String = "ignore-warnings" [], TEXT, "", MUTABLE, Accepted("the warnings it can name are about other builds");
/// Ask the system to end this process later (or sooner) than others when memory is short.
oom_score_adj: OomScoreAdj = "oom-score-adj" [],
    Kind::Choice { names: &["no", "yes", "relative", "absolute"], same: &[("relative", "yes")] }, "no", MUTABLE, Acts;
/// The values for a primary, a replica and a child.
oom_score_adj_values: [i32; 3] = "oom-score-adj-values" [], Special(&special::OOM_VALUES), "0 200 800", MUTABLE, Acts;
/// Processors for the server's threads, such as `0-7:2`; empty for all.
server_cpulist: String = "server-cpulist" ["server_cpulist"], TEXT, "", IMMUTABLE, NO_PINNING;
/// Processors for background work.
bio_cpulist: String = "bio-cpulist" ["bio_cpulist"], TEXT, "", IMMUTABLE, NO_PINNING;
/// Processors for rewrites of the append only file.
aof_rewrite_cpulist: String = "aof-rewrite-cpulist" ["aof_rewrite_cpulist"], TEXT, "", IMMUTABLE, NO_PINNING;
/// Processors for snapshots.
bgsave_cpulist: String = "bgsave-cpulist" ["bgsave_cpulist"], TEXT, "", IMMUTABLE, NO_PINNING;
/// How often a second background chores run, 1 to 500.
hz: u32 = "hz" [], clamped(0, i32::MAX as i64, 1, 500), "10", MUTABLE, Accepted("chores have their own pace");
/// More chores with more clients.
dynamic_hz: bool = "dynamic-hz" [], Bool, "yes", MUTABLE, Accepted("chores have their own pace");
/// Seconds to wait for replicas when shutting down.
shutdown_timeout: u32 = "shutdown-timeout" [], COUNT, "10", MUTABLE, ActsWith(Replication);
/// How SIGINT shuts down: any of `save nosave now force`, or `default`.
shutdown_on_sigint: ShutdownFlags = "shutdown-on-sigint" [], Special(&special::SHUTDOWN), "default", MUTABLE, Acts;
/// How SIGTERM shuts down: any of `save nosave now force`, or `default`.
shutdown_on_sigterm: ShutdownFlags = "shutdown-on-sigterm" [], Special(&special::SHUTDOWN), "default", MUTABLE, Acts;
/// Microseconds from which a command is remembered by the slow log; 0 all, -1 none.
slowlog_log_slower_than: i64 = "slowlog-log-slower-than" [], int(-1, i64::MAX), "10000", MUTABLE, Acts;
/// How many slow commands are remembered.
slowlog_max_len: u64 = "slowlog-max-len" [], LONG, "128", MUTABLE, Acts;
/// Milliseconds from which LATENCY remembers an event; 0 none.
latency_monitor_threshold: u64 = "latency-monitor-threshold" [], LONG, "0", MUTABLE, Acts;
/// Measure the time of every command.
latency_tracking: bool = "latency-tracking" [], Bool, "yes", MUTABLE, Acts;
/// The percentiles that INFO latencystats shows.
latency_tracking_info_percentiles: Vec<f64> = "latency-tracking-info-percentiles" [], Special(&special::PERCENTILES),
    "50 99 99.9", MUTABLE, Acts;
/// Which keyspace events are published, as letters: `K` and `E` say where, the others what (`A` is most of them).
notify_keyspace_events: NotifyFlags = "notify-keyspace-events" [], Special(&special::NOTIFY), "", MUTABLE, Acts;
/// The most keys remembered for client-side caching; 0 is no limit.
tracking_table_max_keys: u64 = "tracking-table-max-keys" [], LONG, "1000000", MUTABLE, Acts;
/// The locale of text comparisons; only those without tables of their own.
locale_collate: String = "locale-collate" [], Text(special::locale), "", MUTABLE,
    Accepted("texts are compared byte by byte");
    } } };
}
