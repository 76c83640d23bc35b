//! CLUSTER, READONLY, READWRITE and ASKING, as a server without cluster support answers them.

use crate::dispatch::{AdminCx, CmdError, Command, Outcome, ReplySlot, Request};
use crate::spec::{AclCategories, Arg, CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[
    Command::container("cluster", -2, SUBCOMMANDS).doc(
        Group::Cluster,
        "3.0.0",
        "Commands about the cluster.",
        "Depends on subcommand.",
    ),
    Command::admin("readonly", 1, disabled)
        .doc(Group::Cluster, "3.0.0", "Allows reads from a replica on this connection.", "O(1)")
        .flags(CommandFlags::FAST.union(CommandFlags::LOADING).union(CommandFlags::STALE))
        .acl(AclCategories::CONNECTION),
    Command::admin("readwrite", 1, disabled)
        .doc(Group::Cluster, "3.0.0", "Takes back READONLY.", "O(1)")
        .flags(CommandFlags::FAST.union(CommandFlags::LOADING).union(CommandFlags::STALE))
        .acl(AclCategories::CONNECTION),
    Command::admin("asking", 1, disabled)
        .doc(Group::Cluster, "3.0.0", "Allows the next command on a slot that is being imported.", "O(1)")
        .flags(CommandFlags::FAST)
        .acl(AclCategories::CONNECTION),
];

const SUBCOMMANDS: &[Command] = &[
    Command::admin("addslots", -3, disabled)
        .doc(Group::Cluster, "3.0.0", "Gives hash slots to this node.", "O(N) in the number of slots")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE))
        .args(&[Arg::integer("slot").multiple()]),
    Command::admin("addslotsrange", -4, disabled)
        .doc(
            Group::Cluster,
            "7.0.0",
            "Gives ranges of hash slots to this node.",
            "O(N) in the number of slots",
        )
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE))
        .args(&[Arg::block("range", &[Arg::integer("start-slot"), Arg::integer("end-slot")]).multiple()]),
    Command::admin("bumpepoch", 2, disabled)
        .doc(Group::Cluster, "3.0.0", "Raises the configuration epoch.", "O(1)")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE))
        .tips(&["nondeterministic_output"]),
    Command::admin("count-failure-reports", 3, disabled)
        .doc(
            Group::Cluster,
            "3.0.0",
            "Counts the reports of failure about a node.",
            "O(N) in the number of reports",
        )
        .flags(CommandFlags::ADMIN.union(CommandFlags::STALE))
        .tips(&["nondeterministic_output"])
        .args(&[Arg::string("node-id")]),
    Command::admin("countkeysinslot", 3, disabled)
        .doc(Group::Cluster, "3.0.0", "Counts the keys in a hash slot.", "O(1)")
        .flags(CommandFlags::STALE)
        .args(&[Arg::integer("slot")]),
    Command::admin("delslots", -3, disabled)
        .doc(Group::Cluster, "3.0.0", "Takes hash slots from this node.", "O(N) in the number of slots")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE))
        .args(&[Arg::integer("slot").multiple()]),
    Command::admin("delslotsrange", -4, disabled)
        .doc(
            Group::Cluster,
            "7.0.0",
            "Takes ranges of hash slots from this node.",
            "O(N) in the number of slots",
        )
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE))
        .args(&[Arg::block("range", &[Arg::integer("start-slot"), Arg::integer("end-slot")]).multiple()]),
    Command::admin("failover", -2, disabled)
        .doc(Group::Cluster, "3.0.0", "Makes this replica take over from its primary.", "O(1)")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE))
        .args(&[Arg::oneof("options", &[Arg::token("force", "FORCE"), Arg::token("takeover", "TAKEOVER")])
            .optional()]),
    Command::admin("flushslots", 2, disabled)
        .doc(Group::Cluster, "3.0.0", "Takes all hash slots from this node.", "O(1)")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE)),
    Command::admin("forget", 3, disabled)
        .doc(Group::Cluster, "3.0.0", "Forgets a node.", "O(1)")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE))
        .args(&[Arg::string("node-id")]),
    Command::admin("getkeysinslot", 4, disabled)
        .doc(Group::Cluster, "3.0.0", "Lists keys of a hash slot.", "O(N) in the number of keys asked for")
        .flags(CommandFlags::STALE)
        .tips(&["nondeterministic_output"])
        .args(&[Arg::integer("slot"), Arg::integer("count")]),
    Command::admin("help", 2, disabled)
        .doc(Group::Cluster, "5.0.0", "Lists the subcommands.", "O(1)")
        .flags(CommandFlags::LOADING.union(CommandFlags::STALE)),
    Command::admin("info", 2, disabled)
        .doc(Group::Cluster, "3.0.0", "Describes the state of the cluster.", "O(1)")
        .flags(CommandFlags::STALE)
        .tips(&["nondeterministic_output"]),
    Command::admin("keyslot", 3, disabled)
        .doc(Group::Cluster, "3.0.0", "Tells the hash slot of a key.", "O(N) in the bytes of the key")
        .flags(CommandFlags::STALE)
        .args(&[Arg::string("key")]),
    Command::admin("links", 2, disabled)
        .doc(Group::Cluster, "7.0.0", "Lists the links to other nodes.", "O(N) in the number of nodes")
        .flags(CommandFlags::STALE)
        .tips(&["nondeterministic_output"]),
    Command::admin("meet", -4, disabled)
        .doc(Group::Cluster, "3.0.0", "Introduces another node.", "O(1)")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE))
        .args(&[
            Arg::string("ip"),
            Arg::integer("port"),
            Arg::integer("cluster-bus-port").since("4.0.0").optional(),
        ]),
    Command::admin("myid", 2, disabled)
        .doc(Group::Cluster, "3.0.0", "Tells the id of this node.", "O(1)")
        .flags(CommandFlags::STALE),
    Command::admin("myshardid", 2, disabled)
        .doc(Group::Cluster, "7.2.0", "Tells the id of the shard of this node.", "O(1)")
        .flags(CommandFlags::STALE)
        .tips(&["nondeterministic_output"]),
    Command::admin("nodes", 2, disabled)
        .doc(Group::Cluster, "3.0.0", "Describes the nodes of the cluster.", "O(N) in the number of nodes")
        .flags(CommandFlags::STALE)
        .tips(&["nondeterministic_output"]),
    Command::admin("replicas", 3, disabled)
        .doc(Group::Cluster, "5.0.0", "Lists the replicas of a primary.", "O(N) in the number of replicas")
        .flags(CommandFlags::ADMIN.union(CommandFlags::STALE))
        .tips(&["nondeterministic_output"])
        .args(&[Arg::string("node-id")]),
    Command::admin("replicate", 3, disabled)
        .doc(Group::Cluster, "3.0.0", "Makes this node a replica of another.", "O(1)")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE))
        .args(&[Arg::string("node-id")]),
    Command::admin("reset", -2, disabled)
        .doc(
            Group::Cluster,
            "3.0.0",
            "Makes this node leave the cluster.",
            "O(N) in the number of nodes; may also empty the database",
        )
        .flags(CommandFlags::ADMIN.union(CommandFlags::NOSCRIPT).union(CommandFlags::STALE))
        .args(&[
            Arg::oneof("reset-type", &[Arg::token("hard", "HARD"), Arg::token("soft", "SOFT")]).optional()
        ]),
    Command::admin("saveconfig", 2, disabled)
        .doc(Group::Cluster, "3.0.0", "Writes the state of the cluster to its file.", "O(1)")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE)),
    Command::admin("set-config-epoch", 3, disabled)
        .doc(Group::Cluster, "3.0.0", "Sets the configuration epoch of a new node.", "O(1)")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE))
        .args(&[Arg::integer("config-epoch")]),
    Command::admin("setslot", -4, disabled)
        .doc(Group::Cluster, "3.0.0", "Binds a hash slot to a node.", "O(1)")
        .flags(CommandFlags::ADMIN.union(CommandFlags::NO_ASYNC_LOADING).union(CommandFlags::STALE))
        .args(&[
            Arg::integer("slot"),
            Arg::oneof(
                "subcommand",
                &[
                    Arg::string("importing").with_token("IMPORTING").display("node-id"),
                    Arg::string("migrating").with_token("MIGRATING").display("node-id"),
                    Arg::string("node").with_token("NODE").display("node-id"),
                    Arg::token("stable", "STABLE"),
                ],
            ),
        ]),
    Command::admin("shards", 2, disabled)
        .doc(Group::Cluster, "7.0.0", "Describes the shards of the cluster.", "O(N) in the number of nodes")
        .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
        .tips(&["nondeterministic_output"]),
    Command::admin("slaves", 3, disabled)
        .doc(Group::Cluster, "3.0.0", "Lists the replicas of a primary.", "O(N) in the number of replicas")
        .flags(CommandFlags::ADMIN.union(CommandFlags::STALE))
        .tips(&["nondeterministic_output"])
        .args(&[Arg::string("node-id")])
        .deprecated("5.0.0", "`CLUSTER REPLICAS`"),
    Command::admin("slots", 2, disabled)
        .doc(Group::Cluster, "3.0.0", "Maps hash slots to nodes.", "O(N) in the number of nodes")
        .flags(CommandFlags::LOADING.union(CommandFlags::STALE))
        .tips(&["nondeterministic_output"])
        .deprecated("7.0.0", "`CLUSTER SHARDS`"),
];

fn disabled(_: &mut AdminCx<'_, '_>, _: &Request<'_>, _: ReplySlot<'_>) -> Outcome {
    Err(CmdError::text("ERR This instance has cluster support disabled"))
}
