//! CLIENT: what is known of connections, and what one may do to others.
//!
//! ```text
//! identity  ID GETNAME SETNAME SETINFO               list  LIST INFO, and the line of one client
//! kill      KILL and its filters                     modes PAUSE UNPAUSE REPLY NO-EVICT NO-TOUCH UNBLOCK
//! tracking  TRACKING CACHING TRACKINGINFO GETREDIR
//! ```

pub mod identity;
pub mod kill;
pub mod list;
pub mod modes;
pub mod tracking;

use crate::dispatch::{Command, Outcome, ReplySlot, Request, SessionCx};
use crate::spec::{CommandFlags, Group};

/// The row of CLIENT.
pub const COMMANDS: &[Command] = &[Command::container("client", -2, SUBCOMMANDS).doc(
    Group::Connection,
    "2.4.0",
    "Commands about client connections.",
    "Depends on subcommand.",
)];

const SUBCOMMANDS: &[Command] = &[
    identity::ID,
    identity::GETNAME,
    identity::SETNAME,
    identity::SETINFO,
    tracking::TRACKING,
    tracking::CACHING,
    tracking::TRACKINGINFO,
    tracking::GETREDIR,
    list::INFO,
    list::LIST,
    kill::KILL,
    modes::PAUSE,
    modes::UNPAUSE,
    modes::REPLY,
    modes::NO_EVICT,
    modes::NO_TOUCH,
    modes::UNBLOCK,
    HELP,
];

const HELP: Command = Command::session("help", 2, help)
    .doc(Group::Connection, "5.0.0", "Lists the subcommands.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE));

const HELP_LINES: &[&str] = &[
    "CACHING (YES|NO)",
    "    Say whether changes of what the next command reads are to be told.",
    "GETNAME",
    "    Tell the name of this connection.",
    "GETREDIR",
    "    Tell which connection gets invalidation messages in place of this one.",
    "ID",
    "    Tell the number of this connection.",
    "INFO",
    "    Describe this connection in one line.",
    "KILL <ip:port>",
    "    Close the connection that comes from this address.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close all connections that every option fits:",
    "    * ID <client-id>",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "    * USER <username>",
    "    * ADDR (<ip:port>|<unixsocket>:0), the client's end",
    "    * LADDR (<ip:port>|<unixsocket>:0), the server's end",
    "    * MAXAGE <seconds>, connected for at least that long",
    "    * SKIPME (YES|NO), spare this connection (YES unless told)",
    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <client-id> [...]]",
    "    Describe connections, one in a line.",
    "NO-EVICT (ON|OFF)",
    "    Keep this connection when memory for clients runs out.",
    "NO-TOUCH (ON|OFF)",
    "    Don't count this connection's reads as uses of keys.",
    "PAUSE <milliseconds> [WRITE|ALL]",
    "    Make commands wait, all of them or those that write.",
    "REPLY (ON|OFF|SKIP)",
    "    Send replies to this connection, none, or none to the next command.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Note the client library's name or version.",
    "SETNAME <name>",
    "    Name this connection.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
    "    Tell this connection, or another one, when keys that it has read change.",
    "TRACKINGINFO",
    "    Tell what this connection tracks, and how.",
    "UNBLOCK <client-id> [TIMEOUT|ERROR]",
    "    Wake a connection from a blocking command.",
    "UNPAUSE",
    "    Let commands that wait go on.",
];

fn help(_: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help("client", HELP_LINES))
}
