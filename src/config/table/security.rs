//! Options of passwords, users and guarded commands.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! security_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Security;
/// The password of the default user; empty for none.
requirepass: Option<Secret> = "requirepass" [], Kind::Secret, "", SENSITIVE, Acts;
/// Seconds within which a client has to finish its TLS handshake and, where a password is asked for, to
/// authenticate; it is closed then. 0 waits for ever.
authentication_timeout: u32 = "authentication-timeout" [], COUNT, "10", MUTABLE, Acts;
/// The most bytes that all clients that have not authenticated may take together, where a password is asked for; one that
/// needs more is closed. 0 is no limit.
unauthenticated_memory_limit: u64 = "unauthenticated-memory-limit" [], memory(0), "67108864", MUTABLE, Acts;
/// A file of users that ACL LOAD and ACL SAVE work with; not together with `user` lines.
aclfile: Option<PathBuf> = "aclfile" [], TEXT, "", IMMUTABLE, Acts;
/// How many refusals ACL LOG remembers; a smaller number counts from the next refusal on.
acllog_max_len: u64 = "acllog-max-len" [], LONG, "128", MUTABLE, Acts;
/// What a new user may do with channels: everything or nothing.
acl_pubsub_default: AclPubsubDefault = "acl-pubsub-default" [], choice(AclPubsubDefault::NAMES), "resetchannels",
    MUTABLE, Acts;
/// Who may change guarded options (`dir`, `dbfilename`, `logfile`) with CONFIG SET: nobody, everybody, local clients.
enable_protected_configs: EnableCommand = "enable-protected-configs" [], choice(EnableCommand::NAMES), "no", IMMUTABLE, Acts;
/// Who may use DEBUG: nobody, everybody, local clients.
enable_debug_command: EnableCommand = "enable-debug-command" [], choice(EnableCommand::NAMES), "no", IMMUTABLE, Acts;
/// Who may use MODULE: nobody, everybody, local clients.
enable_module_command: EnableCommand = "enable-module-command" [], choice(EnableCommand::NAMES), "no", IMMUTABLE, Acts;
/// Keep keys and values of users out of the log.
hide_user_data_from_log: bool = "hide-user-data-from-log" [], Bool, "no", MUTABLE,
    Accepted("the log never holds user data");
    } } };
}
