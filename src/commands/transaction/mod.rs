//! MULTI, EXEC, DISCARD, WATCH, UNWATCH: their rows. What they do is the dispatcher's business, see
//! [`crate::dispatch::transaction`].

use crate::dispatch::Command;
use crate::dispatch::transaction::Control;
use crate::spec::{Arg, CommandFlags, Group, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command::control("multi", 1, Control::Multi)
        .doc(Group::Transactions, "1.2.0", "Begins a transaction: what follows is queued until EXEC.", "O(1)")
        .flags(ANYTIME.union(CommandFlags::ALLOW_BUSY).union(CommandFlags::FAST)),
    Command::control("exec", 1, Control::Exec)
        .doc(
            Group::Transactions,
            "1.2.0",
            "Runs the queued commands of a transaction, all or none.",
            "That of the commands.",
        )
        .flags(ANYTIME.union(CommandFlags::SKIP_SLOWLOG)),
    Command::control("discard", 1, Control::Discard)
        .doc(
            Group::Transactions,
            "2.0.0",
            "Forgets the queued commands of a transaction.",
            "O(N) in the commands.",
        )
        .flags(ANYTIME.union(CommandFlags::ALLOW_BUSY).union(CommandFlags::FAST)),
    Command::control("watch", -2, Control::Watch)
        .doc(
            Group::Transactions,
            "2.2.0",
            "Makes the next EXEC depend on keys: if one of them was changed by then, nothing is run.",
            "O(1) per key.",
        )
        .flags(ANYTIME.union(CommandFlags::ALLOW_BUSY).union(CommandFlags::FAST))
        .keys(&[KeySpec::range(1, -1, 1, KeyFlags::RO)])
        .args(&[Arg::key("key", 0).multiple()]),
    Command::control("unwatch", 1, Control::Unwatch)
        .doc(Group::Transactions, "2.2.0", "Forgets the watched keys.", "O(1)")
        .flags(ANYTIME.union(CommandFlags::ALLOW_BUSY).union(CommandFlags::FAST)),
];

const ANYTIME: CommandFlags = CommandFlags::LOADING.union(CommandFlags::NOSCRIPT).union(CommandFlags::STALE);
