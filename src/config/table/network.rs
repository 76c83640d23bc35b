//! Options of addresses, sockets and connections.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! network_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Network;
/// TCP port for clients; 0 turns plain TCP off.
port: u16 = "port" [], PORT, "6379", MUTABLE, Acts;
/// Addresses to listen on. `*` is every IPv4 and `::*` every IPv6 address; a `-` in front makes an address
/// that is not there no error. Empty listens on nothing.
bind: Vec<String> = "bind" [], Special(&special::BIND), "* -::*", MUTABLE, Acts;
/// Address that connections to other servers (primary, cluster nodes) start from; empty lets the system choose.
bind_source_addr: Option<String> = "bind-source-addr" [], TEXT, "", MUTABLE, ActsWith(Replication);
/// Without a password and without `bind`, only clients of this machine are served.
protected_mode: bool = "protected-mode" [], Bool, "yes", MUTABLE, Acts;
/// How many connections the system keeps waiting to be accepted.
tcp_backlog: u32 = "tcp-backlog" [], COUNT, "511", IMMUTABLE, Acts;
/// Seconds of silence before the system probes a connection; 0 never probes.
tcp_keepalive: u32 = "tcp-keepalive" [], COUNT, "300", MUTABLE, Acts;
/// Close clients that were idle for so many seconds; 0 never does.
timeout: u32 = "timeout" [], COUNT, "0", MUTABLE, Acts;
/// Close clients whose request is still incomplete after so many seconds, if less than 128 bytes per second of it
/// came: slow clients pass, those that drip to keep connections busy don't. 0 never does.
request_timeout: u32 = "request-timeout" [], COUNT, "60", MUTABLE, Acts;
/// Path of a Unix socket to listen on; empty for none.
unixsocket: Option<PathBuf> = "unixsocket" [], TEXT, "", IMMUTABLE, Acts;
/// File mode of the Unix socket in octal; 0 leaves it to the umask.
unixsocketperm: FileMode = "unixsocketperm" [], Octal, "0", IMMUTABLE, Acts;
/// The most clients at a time.
maxclients: u32 = "maxclients" [], int(1, 4_294_967_295), "10000", MUTABLE, Acts;
/// Worker threads; 0 takes as many as the process may use processors (affinity and cgroup quota counted).
io_threads: u32 = "io-threads" [], int(0, 128), "0", IMMUTABLE, Acts;
/// The most new connections accepted in one go.
max_new_connections_per_cycle: u32 = "max-new-connections-per-cycle" [], int(1, 1000), "10", MUTABLE,
    Accepted("every worker accepts on its own, a burst delays no other client");
/// The most new TLS connections accepted in one go.
max_new_tls_connections_per_cycle: u32 = "max-new-tls-connections-per-cycle" [], int(1, 1000), "1", MUTABLE,
    Accepted("every worker accepts on its own, a handshake delays no other client");
/// The most bytes of a request that is not complete yet; the client is closed beyond.
client_query_buffer_limit: u64 = "client-query-buffer-limit" [], memory(1_048_576), "1073741824", MUTABLE, Acts;
/// The biggest single argument of a request in bytes.
proto_max_bulk_len: u64 = "proto-max-bulk-len" [], memory(1_048_576), "536870912", MUTABLE, Acts;
/// For each class (normal, replica, pubsub): bytes of pending replies that close a client at once, and bytes
/// that close it after so many seconds. 0 is no limit.
client_output_buffer_limit: OutputLimits = "client-output-buffer-limit" [], Special(&special::OUTPUT_LIMITS),
    "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", MUTABLE, Acts;
/// A mark that the system puts on every socket (SO_MARK); 0 for none.
socket_mark_id: u32 = "socket-mark-id" [], int(0, 4_294_967_295), "0", IMMUTABLE,
    Accepted("marks need rights that a server should not have");
    } } };
}
