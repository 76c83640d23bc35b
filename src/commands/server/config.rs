//! CONFIG: the options, read and changed while the server runs.
//!
//! All the work is done by [`crate::config::Store`]; here the words become pairs and the errors get their code. A
//! change is applied to the running parts (listeners, log, …) before it is stored, by `Engine::apply_config`; when that
//! fails nothing is stored.

use std::sync::atomic::Ordering::Relaxed;

use crate::config::{Caller, Config, OptionSpec, Store};
use crate::dispatch::gates::LOADING;
use crate::dispatch::{AdminCx, CmdError, Command, Engine, Outcome, ReplySlot, Request};
use crate::script::Scripts;
use crate::spec::{Arg, CommandFlags, Group};

/// The row of CONFIG.
pub const COMMANDS: &[Command] = &[Command::container("config", -2, SUBCOMMANDS).doc(
    Group::Server,
    "2.0.0",
    "Commands about the configuration.",
    "Depends on subcommand.",
)];

const SUBCOMMANDS: &[Command] = &[GET, SET, REWRITE, RESETSTAT, HELP];

const GET: Command = Command::admin("get", -3, get)
    .doc(Group::Server, "2.0.0", "Shows the values of options.", "O(N) in the number of options asked for")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .args(&[Arg::string("parameter").multiple()]);

const SET: Command = Command::admin("set", -4, set)
    .doc(
        Group::Server,
        "2.0.0",
        "Changes options, all that are named or none.",
        "O(N) in the number of options",
    )
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
    .args(&[Arg::block("data", &[Arg::string("parameter"), Arg::string("value")]).multiple()]);

const REWRITE: Command = Command::admin("rewrite", 2, rewrite)
    .doc(Group::Server, "2.8.0", "Writes the present configuration to the file.", "O(1)")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]);

const RESETSTAT: Command = Command::admin("resetstat", 2, resetstat)
    .doc(Group::Server, "2.0.0", "Sets the counters of INFO back to zero.", "O(1)")
    .flags(
        CommandFlags::ADMIN
            .union(CommandFlags::LOADING)
            .union(CommandFlags::NOSCRIPT)
            .union(CommandFlags::STALE),
    )
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]);

const HELP: Command = Command::admin("help", 2, help)
    .doc(Group::Server, "5.0.0", "Lists the subcommands.", "O(1)")
    .flags(CommandFlags::LOADING.union(CommandFlags::STALE));

const HELP_LINES: &[&str] = &[
    "GET <pattern> [<pattern> ...]",
    "    Show the options that match a pattern, and their values.",
    "RESETSTAT",
    "    Set the counters of INFO back to zero.",
    "REWRITE",
    "    Write what is set now to the configuration file.",
    "SET <option> <value> [<option> <value> ...]",
    "    Change options, all that are named or none.",
];

fn get(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let patterns: Vec<&[u8]> = req.args.iter().skip(2).collect();
    let found = cx.engine.config.get(&patterns);
    Ok(reply.write(|w| {
        w.map(found.len());
        for (name, value) in &found {
            w.bulk(name.as_bytes());
            w.bulk(value);
        }
    }))
}

fn set(cx: &mut AdminCx<'_, '_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let words: Vec<&[u8]> = req.args.iter().skip(2).collect();
    let (pairs, []) = words.as_chunks::<2>() else { return Err(CmdError::Syntax) };
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|[name, value]| (*name, *value)).collect();
    // Whatever is wrong with the others: clients know what to do about this.
    if cx.engine.lifecycle.loading.load(Relaxed) && Store::is_fixed_while_loading(&pairs) {
        return Err(LOADING);
    }
    let caller = if cx.session.shared.is_local() { Caller::Local } else { Caller::Remote };
    let apply =
        |old: &Config, new: &Config, changed: &[&'static OptionSpec]| apply(cx.engine, old, new, changed);
    match cx.engine.config.set(&pairs, caller, apply) {
        Ok(()) => Ok(reply.ok()),
        Err(error) => Err(CmdError::owned(format!("ERR {error}"))),
    }
}

fn apply(
    engine: &Engine,
    old: &Config,
    new: &Config,
    changed: &[&'static OptionSpec],
) -> Result<(), (&'static str, String)> {
    engine.apply_config.lock().as_ref().map_or(Ok(()), |apply| apply(old, new, changed))
}

fn rewrite(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    // Where users have a file of their own, the configuration holds none.
    let users = if cx.config.aclfile.is_some() { Vec::new() } else { cx.engine.acl.declarations() };
    match cx.engine.config.rewrite_with_users(Some(&users)) {
        Ok(()) => {
            tracing::info!("CONFIG REWRITE executed with success.");
            Ok(reply.ok())
        }
        Err(error) => {
            tracing::warn!("CONFIG REWRITE failed: {error}");
            Err(CmdError::owned(format!("ERR {error}")))
        }
    }
}

fn resetstat(cx: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    cx.engine.stats.reset();
    if let Some(scripts) = cx.engine.parts.find::<Scripts>() {
        scripts.reset_evicted();
    }
    crate::keyspace::reclaim::reset_freed();
    Ok(reply.ok())
}

fn help(_: &mut AdminCx<'_, '_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.help("config", HELP_LINES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_stays_while_data_is_loaded() {
        let pair = |name: &'static str| (name.as_bytes(), b"asdf".as_slice());
        assert!(Store::is_fixed_while_loading(&[pair("nosuch"), pair("DIR")]));
        assert!(!Store::is_fixed_while_loading(&[pair("loglevel"), pair("dbfilename")]));
    }
}
