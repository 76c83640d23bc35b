//! Options of cluster mode.
//!
//! A row: documentation, field and type in the snapshot, name and older names, kind, default, flags, state.

macro_rules! cluster_options {
    ([$next:ident $($rest:ident)*] $($before:tt)*) => { $next! { [$($rest)*] $($before)* { Topic::Cluster;
/// Be a node of a cluster.
cluster_enabled: bool = "cluster-enabled" [], Bool, "no", IMMUTABLE, ActsWith(Cluster);
/// The file in which a node keeps what it knows; nobody else writes it.
cluster_config_file: String = "cluster-config-file" [], TEXT, "nodes.conf", IMMUTABLE, ActsWith(Cluster);
/// Milliseconds of silence after which a node counts as failing.
cluster_node_timeout: u64 = "cluster-node-timeout" [], LONG, "15000", MUTABLE, ActsWith(Cluster);
/// Port of the cluster bus; 0 for the client port plus 10000.
cluster_port: u16 = "cluster-port" [], PORT, "0", IMMUTABLE, ActsWith(Cluster);
/// How old a replica's data may be for it to take over, in node timeouts; 0 any.
cluster_replica_validity_factor: u32 = "cluster-replica-validity-factor" ["cluster-slave-validity-factor"], COUNT, "10",
    MUTABLE, ActsWith(Cluster);
/// A replica never takes over by itself.
cluster_replica_no_failover: bool = "cluster-replica-no-failover" ["cluster-slave-no-failover"], Bool, "no", MUTABLE,
    ActsWith(Cluster);
/// Replicas a primary keeps when one moves to a primary without any.
cluster_migration_barrier: u32 = "cluster-migration-barrier" [], COUNT, "1", MUTABLE, ActsWith(Cluster);
/// Let replicas move to primaries without any.
cluster_allow_replica_migration: bool = "cluster-allow-replica-migration" [], Bool, "yes", MUTABLE, ActsWith(Cluster);
/// Stop answering when a slot has no node.
cluster_require_full_coverage: bool = "cluster-require-full-coverage" [], Bool, "yes", MUTABLE, ActsWith(Cluster);
/// Answer reads while the cluster is down.
cluster_allow_reads_when_down: bool = "cluster-allow-reads-when-down" [], Bool, "no", MUTABLE, ActsWith(Cluster);
/// Serve sharded channels while the cluster is down.
cluster_allow_pubsubshard_when_down: bool = "cluster-allow-pubsubshard-when-down" [], Bool, "yes", MUTABLE,
    ActsWith(Cluster);
/// The most bytes waiting on one link of the bus; 0 is no limit.
cluster_link_sendbuf_limit: u64 = "cluster-link-sendbuf-limit" [], MEMORY_UNBOUNDED, "0", MUTABLE, ActsWith(Cluster);
/// Address that the node announces; empty finds out.
cluster_announce_ip: Option<String> = "cluster-announce-ip" [], TEXT, "", MUTABLE, ActsWith(Cluster);
/// Client port that the node announces; 0 for its own.
cluster_announce_port: u16 = "cluster-announce-port" [], PORT, "0", MUTABLE, ActsWith(Cluster);
/// TLS port that the node announces; 0 for its own.
cluster_announce_tls_port: u16 = "cluster-announce-tls-port" [], PORT, "0", MUTABLE, ActsWith(Cluster);
/// Bus port that the node announces; 0 for its own.
cluster_announce_bus_port: u16 = "cluster-announce-bus-port" [], PORT, "0", MUTABLE, ActsWith(Cluster);
/// Host name that the node announces.
cluster_announce_hostname: Option<String> = "cluster-announce-hostname" [], Text(special::hostname), "", MUTABLE, ActsWith(Cluster);
/// Name for people to tell nodes apart in logs.
cluster_announce_human_nodename: Option<String> = "cluster-announce-human-nodename" [], Text(special::node_name), "", MUTABLE, ActsWith(Cluster);
/// What clients are told as a node's address: its IP, its host name, nothing.
cluster_preferred_endpoint_type: EndpointType = "cluster-preferred-endpoint-type" [], choice(EndpointType::NAMES), "ip",
    MUTABLE, ActsWith(Cluster);
/// Share of commands, in percent, that are checked for what a cluster would refuse.
cluster_compatibility_sample_ratio: u32 = "cluster-compatibility-sample-ratio" [], int(0, 100), "0", MUTABLE,
    ActsWith(Cluster);
    } } };
}
