//! HELLO: protocol version, login and name in one step; answers who the server is.
//!
//! Nothing is changed unless everything can be: a wrong password or name leaves the protocol as it was. The answer
//! comes in the protocol that was just chosen.

use super::auth::log_in;
use super::client::identity::check_name;
use crate::REDIS_VERSION;
use crate::base::num::parse_i64;
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::resp::{Cursor, Proto, Writer};
use crate::spec::{Arg, CommandFlags, Group};

/// The rows of this file.
pub const COMMANDS: &[Command] = &[Command::session("hello", -1, hello)
    .doc(
        Group::Connection,
        "6.0.0",
        "Introduces the client: protocol version, login and name in one step.",
        "O(1)",
    )
    .flags(
        CommandFlags::ALLOW_BUSY
            .union(CommandFlags::FAST)
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NO_AUTH)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .args(&[Arg::block(
        "arguments",
        &[
            Arg::integer("protover"),
            Arg::block("auth", &[Arg::string("username"), Arg::string("password")])
                .with_token("AUTH")
                .optional(),
            Arg::string("clientname").with_token("SETNAME").optional(),
        ],
    )
    .optional()])];

/// The options behind the version.
#[derive(Default)]
struct Options<'a> {
    login: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

fn hello(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let proto = if req.len() > 1 { Some(parse_proto(req.arg(1))?) } else { None };
    let options = parse_options(req.args.cursor(2))?;
    if let Some((user, password)) = options.login {
        log_in(cx, req, user, password)?;
    }
    cx.session.follow(&cx.engine.acl);
    if !cx.session.is_known() {
        return Err(CmdError::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
             the same time",
        ));
    }
    if let Some(name) = options.name {
        cx.session.shared.set_names(|names| names.name = name.to_vec());
    }
    cx.session.proto = proto.unwrap_or(cx.session.proto);
    cx.session.publish();
    let id = cx.session.id().0;
    Ok(reply.in_proto(cx.session.proto).write(|w| describe(w, id)))
}

fn parse_proto(arg: &[u8]) -> Result<Proto, CmdError> {
    match parse_i64(arg) {
        Some(2) => Ok(Proto::Resp2),
        Some(3) => Ok(Proto::Resp3),
        Some(_) => Err(CmdError::text("NOPROTO unsupported protocol version")),
        None => Err(CmdError::text("ERR Protocol version is not an integer or out of range")),
    }
}

fn parse_options(mut cursor: Cursor<'_>) -> Result<Options<'_>, CmdError> {
    let mut options = Options::default();
    while let Some(word) = cursor.next() {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("AUTH") && cursor.remaining() >= 2 {
            options.login = cursor.next().zip(cursor.next());
        } else if is("SETNAME") && cursor.remaining() >= 1 {
            let name = cursor.next().unwrap_or_default();
            check_name(name)?;
            options.name = Some(name);
        } else {
            return Err(CmdError::quoting("ERR Syntax error in HELLO option '", word, "'"));
        }
    }
    Ok(options)
}

fn describe(w: &mut Writer<'_>, id: u64) {
    w.map(7);
    w.bulk(b"server");
    w.bulk(b"redis");
    w.bulk(b"version");
    w.bulk(REDIS_VERSION.as_bytes());
    w.bulk(b"proto");
    w.int(if w.proto() == Proto::Resp3 { 3 } else { 2 });
    w.bulk(b"id");
    w.uint(id);
    w.bulk(b"mode");
    w.bulk(b"standalone");
    w.bulk(b"role");
    w.bulk(b"master");
    w.bulk(b"modules");
    w.array(0);
}
