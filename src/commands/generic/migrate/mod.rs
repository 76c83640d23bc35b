//! MIGRATE: moves keys to another server, over the network.
//!
//! ```text
//! handler, under the locks   copies of the entries (their nodes are shared) and a watch on each key; the client waits
//! a thread, under none       AUTH, SELECT, one RESTORE for each key; the answers
//! the same, under the locks  a key that is as it was sent: removed, told as DEL       one that has changed: sent again
//!                            … then the client gets its reply
//! ```
//!
//! *What others see.* Redis serves nobody meanwhile. Here everybody goes on, whatever the network does, and the keys stay where
//! they are, to be read and written, until the other server has them. A key moves at the moment at which it is removed
//! here: then the other server has exactly its value, because whatever changed since it was sent is sent again, over
//! what this very request had put there. After [`ROUNDS_MAX`] rounds the request gives up; such a key, like one whose answer was
//! lost, is on both servers, which is what Redis answers IOERR to. A key that goes away meanwhile is deleted there too.
//!
//! Because it waits for the network it can't be a part of a transaction or a script, which hold their locks.

mod settle;
mod target;

use crate::base::num::parse_i64;
use crate::dispatch::options::int;
use crate::dispatch::wait::Awaited;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, WriteCx};
use crate::rdb::write::Format;
use crate::resp::Args;
use crate::spec::keys::InvalidKeys;
use crate::spec::{AclCategories, Arg, BeginSearch, CommandFlags, FindKeys, Group, KeyFlags, KeySpec};
use settle::{Job, Parcel};
use target::{Address, Form};

/// How often a key is sent that changes each time.
pub const ROUNDS_MAX: usize = 8;
/// When the request names none, ms.
const TIMEOUT_DEFAULT_MS: u64 = 1000;
/// Where options begin.
const OPTIONS_AT: usize = 6;

const MOVED: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);

pub const COMMANDS: &[Command] = &[Command::write("migrate", -6, migrate)
    .key_walker(walk_keys)
    .doc(
        Group::Generic,
        "2.6.0",
        "Moves keys to another server.",
        "DUMP and DEL here and RESTORE there, with their complexity, and sending O(N) bytes between the servers.",
    )
    .flags(CommandFlags::MOVABLE_KEYS)
    .acl(AclCategories::DANGEROUS.union(AclCategories::KEYSPACE))
    .keys(&[
        KeySpec::one(3, MOVED),
        KeySpec {
            begin: BeginSearch::Keyword { word: "KEYS", start_from: -2 },
            find: FindKeys::Range { last: -1, step: 1, limit: 0 },
            flags: MOVED.union(KeyFlags::INCOMPLETE),
            notes: "",
        },
    ])
    .tips(&["nondeterministic_output"])
    .args(&[
        Arg::string("host"),
        Arg::integer("port"),
        Arg::oneof("key-selector", &[Arg::key("key", 0), Arg::token("empty-string", "")]),
        Arg::integer("destination-db"),
        Arg::integer("timeout"),
        Arg::token("copy", "COPY").since("3.0.0").optional(),
        Arg::token("replace", "REPLACE").since("3.0.0").optional(),
        Arg::oneof(
            "authentication",
            &[
                Arg::string("auth").with_token("AUTH").display("password").since("4.0.7"),
                Arg::block("auth2", &[Arg::string("username"), Arg::string("password")])
                    .with_token("AUTH2")
                    .since("6.0.0"),
            ],
        )
        .optional(),
        Arg::key("keys", 1).with_token("KEYS").display("key").since("3.0.6").optional().multiple(),
    ])];

/// The key, or those behind KEYS where the key is empty. A request with both is refused.
fn walk_keys(args: &Args<'_>, visit: &mut dyn FnMut(usize, KeyFlags)) -> Result<(), InvalidKeys> {
    let Some(first) = keys_at(args) else {
        visit(3, MOVED);
        return Ok(());
    };
    if !args.at(3).is_empty() {
        return Err(InvalidKeys);
    }
    (first..args.len()).for_each(|position| visit(position, MOVED));
    Ok(())
}

/// Where the keys behind KEYS begin, if it is there.
fn keys_at(args: &Args<'_>) -> Option<usize> {
    let mut at = OPTIONS_AT;
    while let Some(word) = args.get(at) {
        if word.eq_ignore_ascii_case(b"KEYS") {
            return Some(at + 1);
        }
        at += match () {
            () if word.eq_ignore_ascii_case(b"AUTH") => 2,
            () if word.eq_ignore_ascii_case(b"AUTH2") => 3,
            () => 1,
        };
    }
    None
}

/// What stands behind the timeout.
#[derive(Default)]
struct Options {
    copies: bool,
    replaces: bool,
    /// Words of an AUTH.
    credentials: Vec<Vec<u8>>,
}

fn options(args: &Args<'_>) -> Result<Options, CmdError> {
    let (mut options, mut cursor) = (Options::default(), args.cursor(OPTIONS_AT));
    while cursor.remaining() > 0 {
        let words = match () {
            () if cursor.take_word("COPY") => {
                options.copies = true;
                continue;
            }
            () if cursor.take_word("REPLACE") => {
                options.replaces = true;
                continue;
            }
            () if cursor.take_word("AUTH") => 1,
            () if cursor.take_word("AUTH2") => 2,
            () if cursor.take_word("KEYS") => {
                if !args.at(3).is_empty() {
                    return Err(CmdError::text(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                break;
            }
            () => return Err(CmdError::Syntax),
        };
        options.credentials.clear();
        for _ in 0..words {
            options.credentials.push(cursor.next().ok_or(CmdError::Syntax)?.to_vec());
        }
    }
    Ok(options)
}

fn migrate(cx: &mut WriteCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let Options { copies, replaces, credentials } = options(&req.args)?;
    let timeout_ms = int(req.arg(5))?;
    let db = int(req.arg(4))?;
    if !cx.may_wait() {
        return Err(CmdError::text("ERR MIGRATE can't be a part of a transaction or a script"));
    }
    let mut parcels = Vec::new();
    for &key in req.keys() {
        let Some(entry) = cx.read(key).cloned() else { continue };
        parcels.push(Parcel::new(key.bytes(), Some(entry)));
        if let Some(parcel) = parcels.last()
            && !copies
        {
            let db = cx.db();
            cx.keyspace().watch(db, key, &parcel.flag);
        }
    }
    if parcels.is_empty() {
        return Ok(reply.status("NOKEY"));
    }
    let job = Job {
        client: cx.session.id(),
        proto: reply.proto(),
        from: cx.db(),
        address: Address {
            host: String::from_utf8_lossy(req.arg(1)).into_owned(),
            port: parse_i64(req.arg(2)).and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
            db,
            credentials,
            timeout_ms: u64::try_from(timeout_ms).ok().filter(|&ms| ms > 0).unwrap_or(TIMEOUT_DEFAULT_MS),
        },
        copies,
        form: Form { replaces, compresses: cx.config.rdbcompression, format: Format::of(cx.config) },
        parcels,
    };
    let awaited = Awaited::elsewhere(move |engine, waiter| job.start(engine, waiter));
    Ok(cx.wait(reply, awaited, ReplySlot::null))
}
