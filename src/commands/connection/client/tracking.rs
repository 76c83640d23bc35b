//! TRACKING, CACHING, TRACKINGINFO, GETREDIR: client-side caching, for this connection.

use std::sync::Arc;

use crate::dispatch::options::{int, value};
use crate::dispatch::{CmdError, Command, Outcome, ReplySlot, Request, SessionCx};
use crate::session::{ClientId, Scope, Tracker};
use crate::spec::{Arg, CommandFlags, Group};

const FLAGS: CommandFlags = CommandFlags::LOADING.union(CommandFlags::NOSCRIPT).union(CommandFlags::STALE);

pub(super) const TRACKING: Command = Command::session("tracking", -3, tracking)
    .doc(
        Group::Connection,
        "6.0.0",
        "Turns messages about changes of what this connection has read on or off.",
        "O(1). Some options may introduce additional complexity.",
    )
    .flags(FLAGS)
    .args(&[
        Arg::oneof("status", &[Arg::token("on", "ON"), Arg::token("off", "OFF")]),
        Arg::integer("client-id").with_token("REDIRECT").optional(),
        Arg::string("prefix").with_token("PREFIX").optional().multiple().multiple_token(),
        Arg::token("bcast", "BCAST").optional(),
        Arg::token("optin", "OPTIN").optional(),
        Arg::token("optout", "OPTOUT").optional(),
        Arg::token("noloop", "NOLOOP").optional(),
    ]);

pub(super) const CACHING: Command = Command::session("caching", 3, caching)
    .doc(
        Group::Connection,
        "6.0.0",
        "Says whether changes of what the next command reads are to be told.",
        "O(1)",
    )
    .flags(FLAGS)
    .args(&[Arg::oneof("mode", &[Arg::token("yes", "YES"), Arg::token("no", "NO")])]);

pub(super) const TRACKINGINFO: Command = Command::session("trackinginfo", 2, trackinginfo)
    .doc(Group::Connection, "6.2.0", "Tells what this connection tracks, and how.", "O(1)")
    .flags(FLAGS);

pub(super) const GETREDIR: Command = Command::session("getredir", 2, getredir)
    .doc(
        Group::Connection,
        "6.0.0",
        "Tells which connection gets the invalidation messages of this one.",
        "O(1)",
    )
    .flags(FLAGS);

/// The options of CLIENT TRACKING.
#[derive(Default)]
struct Options<'a> {
    redirect: Option<ClientId>,
    prefixes: Vec<&'a [u8]>,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
}

impl<'a> Options<'a> {
    fn parse(cx: &SessionCx<'_>, req: &Request<'a>) -> Result<Options<'a>, CmdError> {
        const NOBODY: CmdError = CmdError::text("ERR The client ID you want redirect to does not exist");
        const TWICE: CmdError = CmdError::text("ERR A client can only redirect to a single other client");
        let mut options = Options::default();
        let mut cursor = req.args.cursor(3);
        while let Some(word) = cursor.next() {
            match word.to_ascii_lowercase().as_slice() {
                b"redirect" if cursor.remaining() > 0 => {
                    if options.redirect.is_some() {
                        return Err(TWICE);
                    }
                    let id = int(value(&mut cursor)?)?;
                    let client = u64::try_from(id).ok().and_then(|id| cx.engine.clients.find(ClientId(id)));
                    options.redirect = Some(client.ok_or(NOBODY)?.id);
                }
                b"bcast" => options.broadcast = true,
                b"optin" => options.opt_in = true,
                b"optout" => options.opt_out = true,
                b"noloop" => options.no_loop = true,
                b"prefix" if cursor.remaining() > 0 => options.prefixes.push(value(&mut cursor)?),
                _ => return Err(CmdError::Syntax),
            }
        }
        Ok(options)
    }

    /// Checks them against each other and against what holds now.
    fn scope(&self, now: Option<&Tracker>) -> Result<Scope, CmdError> {
        const SWITCH_BROADCAST: CmdError = CmdError::text(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
             re-enabling it with a different mode.",
        );
        const SWITCH_OPT: CmdError = CmdError::text(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
             re-enabling it with a different mode.",
        );
        const PREFIX: CmdError = CmdError::text("ERR PREFIX option requires BCAST mode to be enabled");
        const BOTH: CmdError = CmdError::text("ERR You can't specify both OPTIN mode and OPTOUT mode");
        const OPT_BROADCAST: CmdError = CmdError::text("ERR OPTIN and OPTOUT are not compatible with BCAST");
        if !self.broadcast && !self.prefixes.is_empty() {
            return Err(PREFIX);
        }
        let was = now.map(|tracker| tracker.scope);
        if was.is_some_and(|was| (was == Scope::Broadcast) != self.broadcast) {
            return Err(SWITCH_BROADCAST);
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Err(OPT_BROADCAST);
        }
        if self.opt_in && self.opt_out {
            return Err(BOTH);
        }
        if self.opt_in && was == Some(Scope::OptOut) || self.opt_out && was == Some(Scope::OptIn) {
            return Err(SWITCH_OPT);
        }
        Ok(match self {
            _ if self.broadcast => Scope::Broadcast,
            _ if self.opt_in => Scope::OptIn,
            _ if self.opt_out => Scope::OptOut,
            _ => Scope::Read,
        })
    }

    /// The prefixes asked for now and before; none may be the beginning of another.
    fn all_prefixes(&self, now: Option<&Tracker>) -> Result<Vec<Box<[u8]>>, CmdError> {
        let before = now.map(|tracker| tracker.prefixes.as_slice()).unwrap_or_default();
        let first_among_themselves = first_overlapping(&self.prefixes);
        for (index, prefix) in self.prefixes.iter().enumerate() {
            if let Some(other) = find_overlapping(before, prefix) {
                return Err(overlaps(prefix, "an existing prefix", other));
            }
            if first_among_themselves == Some(index) {
                let mut behind = self.prefixes.iter().skip(index + 1);
                let other = behind.find(|other| prefix.starts_with(other) || other.starts_with(prefix));
                return Err(overlaps(prefix, "another provided prefix", other.copied().unwrap_or_default()));
            }
        }
        let mut all = before.to_vec();
        all.extend(self.prefixes.iter().map(|prefix| Box::from(*prefix)));
        all.sort_unstable();
        // None at all are all keys, beside prefixes from before too.
        if self.prefixes.is_empty() && all.first().is_none_or(|first| !first.is_empty()) {
            all.insert(0, Box::default());
        }
        Ok(all)
    }
}

/// The first of `sorted`, of which only the empty one is the beginning of another, that begins with `prefix` or that `prefix` begins with.
fn find_overlapping<'p>(sorted: &'p [Box<[u8]>], prefix: &[u8]) -> Option<&'p [u8]> {
    if let Some(all) = sorted.first().filter(|first| first.is_empty()) {
        return Some(all);
    }
    // What would stand between a prefix and what begins with it begins with it too.
    let place = sorted.partition_point(|known| **known < *prefix);
    let [before, behind] =
        [place.checked_sub(1), Some(place)].map(|at| sorted.get(at?).map(|known| &**known));
    before.filter(|known| prefix.starts_with(known)).or(behind.filter(|known| known.starts_with(prefix)))
}

/// Position of the first that overlaps with another; so that one stands behind it.
fn first_overlapping(prefixes: &[&[u8]]) -> Option<usize> {
    let mut sorted: Vec<(&[u8], usize)> =
        prefixes.iter().enumerate().map(|(index, prefix)| (*prefix, index)).collect();
    sorted.sort_unstable();
    let (mut shortest, mut first) = (*sorted.first()?, None::<usize>);
    for &(prefix, index) in sorted.iter().skip(1) {
        if prefix.starts_with(shortest.0) {
            first = Some(first.unwrap_or(index).min(index).min(shortest.1));
        } else {
            shortest = (prefix, index);
        }
    }
    first
}

fn overlaps(prefix: &[u8], what: &str, other: &[u8]) -> CmdError {
    let mut text = b"ERR Prefix '".to_vec();
    text.extend_from_slice(prefix);
    text.extend_from_slice(format!("' overlaps with {what} '").as_bytes());
    text.extend_from_slice(other);
    text.extend_from_slice(b"'. Prefixes for a single client must not overlap.");
    CmdError::Bytes(text)
}

fn tracking(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let options = Options::parse(cx, req)?;
    match req.arg(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            let now = cx.session.tracking.as_deref();
            let scope = options.scope(now)?;
            let client = Arc::clone(&cx.session.shared);
            let mut tracker = Tracker::new(client, scope, options.no_loop, options.redirect);
            if scope == Scope::Broadcast {
                tracker.prefixes = options.all_prefixes(now)?;
            }
            cx.engine.track(cx.session, tracker);
        }
        b"off" => cx.engine.stop_tracking(cx.session),
        _ => return Err(CmdError::Syntax),
    }
    Ok(reply.ok())
}

fn caching(cx: &mut SessionCx<'_>, req: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    const OFF: CmdError = CmdError::text(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    );
    const YES: CmdError =
        CmdError::text("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    const NO: CmdError =
        CmdError::text("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    let scope = cx.session.tracking.as_deref().map(|tracker| tracker.scope).ok_or(OFF)?;
    match req.arg(2).to_ascii_lowercase().as_slice() {
        b"yes" if scope != Scope::OptIn => return Err(YES),
        b"no" if scope != Scope::OptOut => return Err(NO),
        b"yes" | b"no" => cx.session.caching = true,
        _ => return Err(CmdError::Syntax),
    }
    Ok(reply.ok())
}

fn trackinginfo(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    let tracker = cx.session.tracking.as_deref();
    let caching = cx.session.caching;
    let is = |scope: Scope| tracker.is_some_and(|tracker| tracker.scope == scope);
    let words = [
        (tracker.is_none(), "off"),
        (tracker.is_some(), "on"),
        (is(Scope::Broadcast), "bcast"),
        (is(Scope::OptIn), "optin"),
        (is(Scope::OptIn) && caching, "caching-yes"),
        (is(Scope::OptOut), "optout"),
        (is(Scope::OptOut) && caching, "caching-no"),
        (tracker.is_some_and(|tracker| tracker.no_loop), "noloop"),
        (tracker.is_some_and(Tracker::is_broken), "broken_redirect"),
    ];
    let flags: Vec<&str> = words.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word).collect();
    // That all keys are meant is kept as an empty prefix, and shown as such.
    let prefixes = tracker.map(|tracker| tracker.prefixes.as_slice()).unwrap_or_default();
    Ok(reply.write(|w| {
        w.map(3);
        w.bulk(b"flags");
        w.set(flags.len());
        flags.iter().for_each(|flag| w.bulk(flag.as_bytes()));
        w.bulk(b"redirect");
        w.int(Tracker::redirect_of(tracker));
        w.bulk(b"prefixes");
        w.array(prefixes.len());
        prefixes.iter().for_each(|prefix| w.bulk(prefix));
    }))
}

fn getredir(cx: &mut SessionCx<'_>, _: &Request<'_>, reply: ReplySlot<'_>) -> Outcome {
    Ok(reply.int(Tracker::redirect_of(cx.session.tracking.as_deref())))
}
