//! The gate of users: has the client said who it is, and may that user run the request?
//!
//! It costs one comparison for a client that may do everything ([`Session::may_do_everything`]). For others the keys that
//! rules are compared with come from the same walker as those that the handler gets, so nothing is touched that was not
//! checked. A refusal is counted, and kept in ACL LOG.

use super::client_line::ClientLines;
use super::command::Request;
use super::cx::ReadCx;
use super::engine::Engine;
use super::error::CmdError;
use super::exec::Executor;
use super::stats::Counters;
use super::table::Registered;
use crate::acl::check::{ChannelsUsed, KeysUsed};
use crate::acl::log::Refusal;
use crate::acl::{Context, Denied, Reason, Touches, User};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::resp::Args;
use crate::session::{Session, bump};
use crate::spec::CommandFlags;

/// A request as rules see it.
pub struct Asked<'a> {
    pub command: &'a Registered,
    pub args: Args<'a>,
}

impl Touches for Asked<'_> {
    fn command(&self) -> u16 {
        self.command.id
    }

    fn is_subcommand(&self) -> bool {
        self.command.full_name.contains('|')
    }

    fn is_for_strangers(&self) -> bool {
        self.command.command.spec.flags.contains(CommandFlags::NO_AUTH)
    }

    fn args(&self) -> &Args<'_> {
        &self.args
    }

    fn keys(&self) -> KeysUsed {
        let mut keys = KeysUsed::new();
        let walked =
            self.command.command.walk_keys(&self.args, |position, flags| keys.push((position, flags)));
        if walked.is_err() {
            // As for the locks: the command touches none, and says what is wrong.
            keys.clear();
        }
        keys
    }

    fn channels(&self) -> ChannelsUsed {
        let Some(spec) = self.command.command.channels else { return ChannelsUsed::new() };
        let end = if spec.is_all { self.args.len() } else { spec.first + 1 };
        (spec.first..end).map(|position| (position, spec.is_pattern)).collect()
    }
}

/// What the client is told; `is_detailed` names the key or channel (ACL DRYRUN).
pub fn denial(user: &User, asked: &Asked<'_>, denied: Denied, is_detailed: bool) -> Vec<u8> {
    let full_name = asked.command.full_name.as_bytes();
    let name = &*user.name;
    let (kind, position) = match denied {
        Denied::Command => {
            let parts = [&b"User "[..], name, b" has no permissions to run the '", full_name, b"' command"];
            return parts.concat();
        }
        Denied::Key(position) => ("key", position),
        Denied::Channel(position) => ("channel", position),
    };
    if !is_detailed {
        return format!("No permissions to access a {kind}").into_bytes();
    }
    let tail = format!("' {kind}");
    let object = asked.args.at(position);
    [b"User ", name, b" has no permissions to access the '", object, tail.as_bytes()].concat()
}

/// Counts a refusal and keeps it in ACL LOG.
pub fn note_refusal(
    engine: &Engine,
    config: &Config,
    session: &Session,
    (reason, context): (Reason, Context),
    object: &[u8],
    username: &[u8],
) {
    let counters: &Counters = &engine.stats.worker(session.shared.worker).counters;
    let counter = match reason {
        Reason::Command => &counters.acl_denied_command,
        Reason::Key => &counters.acl_denied_key,
        Reason::Channel => &counters.acl_denied_channel,
        Reason::Auth => &counters.acl_denied_auth,
    };
    bump(counter, 1);
    session.publish();
    let mut client = Vec::new();
    ClientLines::new(engine).push(&mut client, &session.shared);
    let refusal = Refusal {
        reason,
        context,
        object,
        username,
        client: client.trim_ascii_end().to_vec(),
        now_ms: engine.time.now_ms().0,
    };
    engine.acl.log.add(refusal, usize::try_from(config.acllog_max_len).unwrap_or(usize::MAX));
}

impl Executor<'_> {
    /// Whether the client may run a request that was found in the table.
    ///
    /// # Errors
    /// NOAUTH or NOPERM.
    #[cold]
    pub(super) fn check_access(
        &mut self,
        session: &mut Session,
        registered: &Registered,
        args: &Args<'_>,
    ) -> Result<(), CmdError> {
        session.follow(&self.engine.acl);
        self.acl_version = self.engine.acl.version();
        if !session.is_known() && !registered.command.spec.flags.contains(CommandFlags::NO_AUTH) {
            return Err(CmdError::NotAuthenticated);
        }
        let asked = Asked { command: registered, args: *args };
        let is_in_transaction = self.gathered.is_some() || session.transaction.is_some();
        let context = if is_in_transaction { Context::Multi } else { Context::TopLevel };
        let Some(denied) = self.denied(session, &asked, context) else { return Ok(()) };
        if self.gathered.is_none() {
            return Err(CmdError::NoPermission(denial(session.user(), &asked, denied, false)));
        }
        let what = match denied {
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => "no permission to access one of the channels used as arguments",
        };
        let text = format!(
            "ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no \
             longer allowed for the following reason: {what}"
        );
        Err(CmdError::NoPermission(text.into_bytes()))
    }

    /// Whether a script's user may run a command.
    ///
    /// # Errors
    /// What the script is told.
    pub(super) fn check_script_rights(
        &mut self,
        session: &mut Session,
        registered: &Registered,
        args: &Args<'_>,
    ) -> Result<(), CmdError> {
        if session.may_do_everything(self.engine.acl.version()) {
            return Ok(());
        }
        session.follow(&self.engine.acl);
        let asked = Asked { command: registered, args: *args };
        let Some(denied) = self.denied(session, &asked, Context::Lua) else { return Ok(()) };
        let mut text = b"ERR ACL failure in script: ".to_vec();
        text.extend_from_slice(&denial(session.user(), &asked, denied, false));
        Err(CmdError::Bytes(text))
    }

    /// What the rules have against a request, which is counted and kept in ACL LOG.
    fn denied(&self, session: &Session, asked: &Asked<'_>, context: Context) -> Option<Denied> {
        let denied = session.user().check(asked).err()?;
        let (reason, object) = match denied {
            Denied::Command => (Reason::Command, asked.command.full_name.as_bytes()),
            Denied::Key(position) => (Reason::Key, asked.args.at(position)),
            Denied::Channel(position) => (Reason::Channel, asked.args.at(position)),
        };
        if context != Context::Lua && self.gathered.is_none() {
            // What EXEC or a script runs was not sent as a request of its own.
            session.shared.set_last_command(asked.command.id);
        }
        note_refusal(self.engine, self.config(), session, (reason, context), object, &session.user().name);
        Some(denied)
    }

    /// Whether the client may run a command, without a trace.
    pub(super) fn may_access(
        &mut self,
        session: &mut Session,
        registered: &Registered,
        args: &Args<'_>,
    ) -> bool {
        session.follow(&self.engine.acl);
        session.user().clone().check(&Asked { command: registered, args: *args }).is_ok()
    }
}

impl ReadCx<'_, '_> {
    /// Whether the client may read every key there is: for options that make names of keys out of values.
    pub fn may_read_all(&self, request: &Request<'_>) -> bool {
        self.session.user().may_read_all(&Asked { command: request.command, args: request.args })
    }
}
