//! A command: its row in the table and the function that runs it.
//!
//! The kind of its handler decides what a command can touch:
//!
//! | kind | gets | for |
//! |---|---|---|
//! | read | [`ReadCx`] | answers from keys; no mutating method exists |
//! | write | [`WriteCx`] | changes keys, through `edit` |
//! | session | [`SessionCx`] | the connection itself |
//! | admin | [`AdminCx`] | the server: configuration, statistics, other clients |
//! | script | [`ScriptCx`] | runs commands that a script chooses |
//! | control | the executor | transactions: runs other commands |
//! | container | – | only its subcommands run |

use super::cx::{AdminCx, ReadCx, SessionCx, WriteCx};
use super::engine::Engine;
use super::error::CmdError;
use super::reply::{Replied, ReplySlot};
use super::script::ScriptCx;
use super::transaction::Control;
use crate::keyspace::Key;
use crate::resp::Args;
use crate::spec::keys::{InvalidKeys, KeyFlags};
use crate::spec::{AclCategories, Arg, ChannelSpec, CommandFlags, CommandSpec, Group, KeySpec};

/// What a handler returns.
pub type Outcome = Result<Replied, CmdError>;

pub(super) type SessionHandler =
    for<'c, 'a, 'o> fn(&mut SessionCx<'c>, &Request<'a>, ReplySlot<'o>) -> Outcome;
pub(super) type ScriptHandler =
    for<'c, 'k, 'a, 'o> fn(&mut ScriptCx<'c, 'k>, &Request<'a>, ReplySlot<'o>) -> Outcome;

/// The function behind a command; its kind decides what it can touch.
#[derive(Clone, Copy)]
pub enum Handler {
    Read(for<'c, 'k, 'a, 'o> fn(&mut ReadCx<'c, 'k>, &Request<'a>, ReplySlot<'o>) -> Outcome),
    Write(for<'c, 'k, 'a, 'o> fn(&mut WriteCx<'c, 'k>, &Request<'a>, ReplySlot<'o>) -> Outcome),
    Session(SessionHandler),
    Admin(for<'c, 'k, 'a, 'o> fn(&mut AdminCx<'c, 'k>, &Request<'a>, ReplySlot<'o>) -> Outcome),
    /// Runs other commands, or decides when they run.
    Control(Control),
    /// Runs a script, which runs commands.
    Script(ScriptHandler),
    /// Runs one of its subcommands.
    Container,
}

/// Which shards the command needs.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// Those of its keys.
    Keys,
    /// All: it concerns whole databases.
    All,
    /// All, if its arguments lead to keys that only the data names (SORT BY).
    AllIf(fn(&Args<'_>) -> bool),
}

impl Scope {
    /// Whether this request needs every shard.
    pub fn is_all(self, args: &Args<'_>) -> bool {
        match self {
            Scope::Keys => false,
            Scope::All => true,
            Scope::AllIf(leads_elsewhere) => leads_elsewhere(args),
        }
    }
}

/// Finds keys that key specs can't describe.
pub type KeyWalker = fn(&Args<'_>, &mut dyn FnMut(usize, KeyFlags)) -> Result<(), InvalidKeys>;

/// One command.
#[derive(Clone, Copy)]
pub struct Command {
    pub spec: CommandSpec,
    pub handler: Handler,
    pub scope: Scope,
    pub subcommands: &'static [Command],
    /// Only for commands whose specs are incomplete.
    pub key_walker: Option<KeyWalker>,
    /// What the options of this request do with keys whose spec says that it depends on them.
    pub key_flags: Option<fn(&Args<'_>) -> KeyFlags>,
    /// Repeating it with the same arguments would do something else (relative expiry, chance), so a change must
    /// be journalled in another form.
    pub must_rewrite: bool,
    /// For commands that run scripts: the flags that this request has besides, by what the script says of itself.
    pub more_flags: Option<fn(&Engine, &Args<'_>) -> CommandFlags>,
    /// Between MULTI and EXEC it is queued; otherwise it runs at once.
    pub is_queued: bool,
    /// A client that speaks RESP2 may send it while it listens to channels.
    pub while_subscribed: bool,
    /// Position of the first element that it looks up in the collection under its key; 0 for none.
    pub element: usize,
    /// The arguments that are channels.
    pub channels: Option<ChannelSpec>,
}

impl Command {
    const fn new(name: &'static str, arity: i32, handler: Handler) -> Command {
        Command {
            spec: CommandSpec::new(name, arity),
            handler,
            scope: Scope::Keys,
            subcommands: &[],
            key_walker: None,
            key_flags: None,
            more_flags: None,
            must_rewrite: false,
            is_queued: true,
            while_subscribed: false,
            element: 0,
            channels: None,
        }
    }

    /// What it answers is a message, like those that follow: CLIENT REPLY does not silence it.
    pub fn is_pushed(&self) -> bool {
        self.while_subscribed && self.spec.flags.contains(CommandFlags::PUBSUB)
    }

    /// A command that only reads keys.
    pub const fn read(
        name: &'static str,
        arity: i32,
        run: for<'c, 'k, 'a, 'o> fn(&mut ReadCx<'c, 'k>, &Request<'a>, ReplySlot<'o>) -> Outcome,
    ) -> Command {
        Command::new(name, arity, Handler::Read(run)).flags(CommandFlags::READONLY)
    }

    /// A command that may change keys.
    pub const fn write(
        name: &'static str,
        arity: i32,
        run: for<'c, 'k, 'a, 'o> fn(&mut WriteCx<'c, 'k>, &Request<'a>, ReplySlot<'o>) -> Outcome,
    ) -> Command {
        Command::new(name, arity, Handler::Write(run)).flags(CommandFlags::WRITE)
    }

    /// A command that reads keys for its client, but may keep in them what it worked out (PFCOUNT).
    pub const fn caching(
        name: &'static str,
        arity: i32,
        run: for<'c, 'k, 'a, 'o> fn(&mut WriteCx<'c, 'k>, &Request<'a>, ReplySlot<'o>) -> Outcome,
    ) -> Command {
        let flags = CommandFlags::READONLY.union(CommandFlags::MAY_REPLICATE);
        Command::new(name, arity, Handler::Write(run)).flags(flags)
    }

    /// A command about its own connection.
    pub const fn session(
        name: &'static str,
        arity: i32,
        run: for<'c, 'a, 'o> fn(&mut SessionCx<'c>, &Request<'a>, ReplySlot<'o>) -> Outcome,
    ) -> Command {
        Command::new(name, arity, Handler::Session(run))
    }

    /// A command about the server.
    pub const fn admin(
        name: &'static str,
        arity: i32,
        run: for<'c, 'k, 'a, 'o> fn(&mut AdminCx<'c, 'k>, &Request<'a>, ReplySlot<'o>) -> Outcome,
    ) -> Command {
        Command::new(name, arity, Handler::Admin(run))
    }

    /// A command about transactions.
    pub const fn control(name: &'static str, arity: i32, control: Control) -> Command {
        let mut command = Command::new(name, arity, Handler::Control(control));
        command.is_queued = matches!(control, Control::Unwatch | Control::WaitAof);
        command
    }

    /// A command that runs a script.
    pub const fn script(
        name: &'static str,
        arity: i32,
        run: for<'c, 'k, 'a, 'o> fn(&mut ScriptCx<'c, 'k>, &Request<'a>, ReplySlot<'o>) -> Outcome,
    ) -> Command {
        Command::new(name, arity, Handler::Script(run)).flags(
            CommandFlags::MOVABLE_KEYS
                .union(CommandFlags::NO_MANDATORY_KEYS)
                .union(CommandFlags::NOSCRIPT)
                .union(CommandFlags::SKIP_MONITOR)
                .union(CommandFlags::MAY_REPLICATE)
                .union(CommandFlags::STALE),
        )
    }

    /// Says how to know what a script does, before it runs.
    pub const fn more_flags(mut self, flags: fn(&Engine, &Args<'_>) -> CommandFlags) -> Command {
        self.more_flags = Some(flags);
        self
    }

    /// A client that speaks RESP2 may send it while it listens to channels.
    pub const fn while_subscribed(mut self) -> Command {
        self.while_subscribed = true;
        self
    }

    /// It looks up the argument at `position` in the collection under its key, whose memory is worth fetching ahead.
    pub const fn element(mut self, position: usize) -> Command {
        self.element = position;
        self
    }

    /// The arguments that are channels which it publishes to or begins to listen to.
    pub const fn channels(mut self, channels: ChannelSpec) -> Command {
        self.channels = Some(channels);
        self
    }

    /// MULTI does not queue it.
    pub const fn never_queued(mut self) -> Command {
        self.is_queued = false;
        self
    }

    /// A command that only has subcommands.
    pub const fn container(name: &'static str, arity: i32, subcommands: &'static [Command]) -> Command {
        let mut command = Command::new(name, arity, Handler::Container);
        command.spec.is_container = true;
        command.subcommands = subcommands;
        command
    }

    /// Subcommands of a command that also runs by itself (COMMAND).
    pub const fn subcommands(mut self, subcommands: &'static [Command]) -> Command {
        self.subcommands = subcommands;
        self
    }

    /// Adds flags to those that follow from the kind.
    pub const fn flags(mut self, flags: CommandFlags) -> Command {
        self.spec.flags = self.spec.flags.union(flags);
        self
    }

    /// Adds ACL categories to those that follow from flags and group.
    pub const fn acl(mut self, categories: AclCategories) -> Command {
        self.spec.acl = self.spec.acl.union(categories);
        self
    }

    pub const fn keys(mut self, keys: &'static [KeySpec]) -> Command {
        self.spec.keys = keys;
        self
    }

    pub const fn tips(mut self, tips: &'static [&'static str]) -> Command {
        self.spec.tips = tips;
        self
    }

    /// Chapter, first version of Redis, and what the documentation says.
    pub const fn doc(
        mut self,
        group: Group,
        since: &'static str,
        summary: &'static str,
        complexity: &'static str,
    ) -> Command {
        self.spec.group = group;
        self.spec.since = since;
        self.spec.summary = summary;
        self.spec.complexity = complexity;
        self
    }

    pub const fn args(mut self, args: &'static [Arg]) -> Command {
        self.spec.args = args;
        self
    }

    pub const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Command {
        self.spec.deprecated = Some((since, replaced_by));
        self
    }

    pub const fn syscmd(mut self) -> Command {
        self.spec.is_syscmd = true;
        self
    }

    /// The command needs every shard.
    pub const fn whole_keyspace(mut self) -> Command {
        self.scope = Scope::All;
        self
    }

    /// The command needs every shard if `leads_elsewhere` says so of its arguments.
    pub const fn whole_keyspace_if(mut self, leads_elsewhere: fn(&Args<'_>) -> bool) -> Command {
        self.scope = Scope::AllIf(leads_elsewhere);
        self
    }

    pub const fn key_walker(mut self, walker: KeyWalker) -> Command {
        self.key_walker = Some(walker);
        self
    }

    /// Decides the flags of keys whose spec has [`KeyFlags::VARIABLE`].
    pub const fn key_flags(mut self, flags: fn(&Args<'_>) -> KeyFlags) -> Command {
        self.key_flags = Some(flags);
        self
    }

    pub const fn must_rewrite(mut self) -> Command {
        self.must_rewrite = true;
        self
    }

    /// Calls `visit` with the position of every key, by the one walker.
    #[inline]
    pub fn walk_keys(
        &self,
        args: &Args<'_>,
        mut visit: impl FnMut(usize, KeyFlags),
    ) -> Result<(), InvalidKeys> {
        match self.key_walker {
            Some(walker) => walker(args, &mut visit),
            None => crate::spec::keys::walk(self.spec.keys, args, |position, flags| {
                let depends = self.key_flags.filter(|_| flags.contains(KeyFlags::VARIABLE));
                visit(position, depends.map_or(flags, |decide| decide(args)));
            }),
        }
    }

    pub fn is_write(&self) -> bool {
        self.spec.flags.contains(CommandFlags::WRITE)
    }

    pub fn is_container(&self) -> bool {
        !self.subcommands.is_empty()
    }
}

/// A request on its way to a handler.
pub struct Request<'a> {
    pub command: &'a Registered,
    pub args: Args<'a>,
    pub(super) keys: &'a [Key<'a>],
}

use super::table::Registered;

impl<'a> Request<'a> {
    /// The `index`-th key that the key walker announced.
    #[inline]
    pub fn key(&self, index: usize) -> Result<Key<'a>, CmdError> {
        // Not `ok_or`: the error would be made, and dropped, for every request.
        let Some(&key) = self.keys.get(index) else { return Err(CmdError::InvalidKeys) };
        Ok(key)
    }

    /// All keys, in the order of the key specs.
    pub fn keys(&self) -> &'a [Key<'a>] {
        self.keys
    }

    /// The argument at `index`, empty behind the last.
    #[inline]
    pub fn arg(&self, index: usize) -> &'a [u8] {
        self.args.at(index)
    }

    pub fn len(&self) -> usize {
        self.args.len()
    }

    pub fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// `wrong number of arguments` for this very command.
    pub fn arity_error(&self) -> CmdError {
        CmdError::Arity(self.command.full_name.clone().into())
    }
}
