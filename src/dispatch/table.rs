//! The command table: every family's rows, found by name.
//!
//! Names are looked up without regard to case in a small open-addressing index over the first and last
//! eight bytes; a request's command costs one multiplication and usually one comparison.

use super::command::{Command, Handler, Scope};
use crate::acl::{Catalogue, CommandFacts};
use crate::spec::{BeginSearch, FindKeys};

/// Number of a command or subcommand, for statistics. Stable while the process lives.
pub type CommandId = u16;

/// A command in the table.
pub struct Registered {
    pub command: &'static Command,
    pub id: CommandId,
    /// `get`, `config|set`.
    pub full_name: String,
    /// The name it is called by; differs from the row's after `rename-command`.
    pub call_name: Vec<u8>,
    pub subcommands: Vec<Registered>,
    /// Position of the key of a read or write command that always has exactly one: spares it the key walker.
    pub only_key: Option<usize>,
}

/// What ACL rules know of the commands, under the names that they have without `rename-command`.
pub fn catalogue(families: &[&'static [Command]]) -> Catalogue {
    let mut next_id = 0;
    let mut all = Vec::new();
    for command in families.iter().flat_map(|family| family.iter()) {
        let registered = register(command, None, &mut next_id);
        all.push(facts_of(&registered, None));
        all.extend(registered.subcommands.iter().map(|sub| facts_of(sub, Some(registered.id))));
    }
    Catalogue::new(all)
}

fn facts_of(registered: &Registered, parent: Option<CommandId>) -> CommandFacts {
    CommandFacts {
        id: registered.id,
        full_name: registered.full_name.clone(),
        categories: registered.command.spec.acl_categories(),
        parent,
    }
}

/// All commands.
pub struct CommandTable {
    commands: Vec<Registered>,
    /// Position + 1 in `commands`, 0 = free. A power of two, at most half full.
    index: Vec<u16>,
    /// Of commands and subcommands, by their ids; `None` for those that `rename-command` removed.
    places: Vec<Option<Place>>,
}

/// Where a command is: its position, and that of the subcommand.
#[derive(Clone, Copy)]
struct Place {
    command: u16,
    subcommand: Option<u16>,
}

impl CommandTable {
    /// Builds the table of all families. `renames` are pairs of `rename-command`; an empty new name removes
    /// the command.
    ///
    /// # Errors
    /// The old name that doesn't exist, or the new name that does.
    pub fn new(
        families: &[&'static [Command]],
        renames: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<CommandTable, Vec<u8>> {
        let mut next_id = 0;
        let mut commands = Vec::new();
        for command in families.iter().flat_map(|family| family.iter()) {
            commands.push(register(command, None, &mut next_id));
        }
        for (old, new) in renames {
            rename(&mut commands, old, new)?;
        }
        let places = places(&commands, usize::from(next_id));
        let mut table = CommandTable { commands, index: Vec::new(), places };
        table.build_index();
        Ok(table)
    }

    fn build_index(&mut self) {
        let slots = (self.commands.len() * 2).next_power_of_two().max(64);
        self.index = vec![0; slots];
        for (position, registered) in self.commands.iter().enumerate() {
            let mut slot = name_hash(&registered.call_name) & (slots - 1);
            while self.index[slot] != 0 {
                slot = (slot + 1) & (slots - 1);
            }
            self.index[slot] = position as u16 + 1;
        }
    }

    /// The command called `name`, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Registered> {
        let mask = self.index.len() - 1;
        let mut slot = name_hash(name) & mask;
        loop {
            let position = usize::from(*self.index.get(slot)?).checked_sub(1)?;
            let registered = self.commands.get(position)?;
            if registered.call_name.eq_ignore_ascii_case(name) {
                return Some(registered);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The command or subcommand called `get` or `config|get`.
    pub fn find_full(&self, name: &[u8]) -> Option<&Registered> {
        match memchr::memchr(b'|', name) {
            None => self.find(name),
            Some(bar) => self.find(name.get(..bar)?)?.subcommand(name.get(bar + 1..)?),
        }
    }

    /// Top-level commands.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Registered> {
        self.commands.iter()
    }

    /// Commands and their subcommands.
    pub fn iter_all(&self) -> impl Iterator<Item = &Registered> {
        self.commands.iter().flat_map(|registered| std::iter::once(registered).chain(&registered.subcommands))
    }

    /// Number of commands, without subcommands.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Number of ids given out.
    pub fn id_count(&self) -> usize {
        self.places.len()
    }

    /// The command with this id.
    #[inline]
    pub fn by_id(&self, id: CommandId) -> Option<&Registered> {
        let Place { command, subcommand } = (*self.places.get(usize::from(id))?)?;
        let command = self.commands.get(usize::from(command))?;
        match subcommand {
            None => Some(command),
            Some(position) => command.subcommands.get(usize::from(position)),
        }
    }
}

impl Registered {
    /// The subcommand called `name`, in any case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&Registered> {
        self.subcommands.iter().find(|sub| name.eq_ignore_ascii_case(sub.command.spec.name.as_bytes()))
    }
}

fn places(commands: &[Registered], id_count: usize) -> Vec<Option<Place>> {
    let mut places = vec![None; id_count];
    for (command, registered) in (0..).zip(commands) {
        places[usize::from(registered.id)] = Some(Place { command, subcommand: None });
        for (subcommand, sub) in (0..).zip(&registered.subcommands) {
            places[usize::from(sub.id)] = Some(Place { command, subcommand: Some(subcommand) });
        }
    }
    places
}

fn register(command: &'static Command, container: Option<&str>, next_id: &mut CommandId) -> Registered {
    let id = *next_id;
    *next_id += 1;
    let name = command.spec.name;
    let full_name = container.map_or(name.to_owned(), |container| format!("{container}|{name}"));
    let subcommands = command.subcommands.iter().map(|sub| register(sub, Some(name), next_id)).collect();
    let only_key = only_key(command);
    Registered { command, id, full_name, call_name: name.as_bytes().to_vec(), subcommands, only_key }
}

fn only_key(command: &Command) -> Option<usize> {
    let touches_keys = matches!(command.handler, Handler::Read(_) | Handler::Write(_))
        && matches!(command.scope, Scope::Keys);
    match command.spec.keys {
        [spec] if touches_keys && command.key_walker.is_none() => match (spec.begin, spec.find) {
            (BeginSearch::Index(index), FindKeys::Range { last: 0, .. }) => Some(index),
            _ => None,
        },
        _ => None,
    }
}

fn rename(commands: &mut Vec<Registered>, old: &[u8], new: &[u8]) -> Result<(), Vec<u8>> {
    let called =
        |name: &[u8]| commands.iter().position(|registered| registered.call_name.eq_ignore_ascii_case(name));
    let position = called(old).ok_or_else(|| old.to_vec())?;
    if new.is_empty() {
        commands.remove(position);
        return Ok(());
    }
    if called(new).is_some() {
        return Err(new.to_vec());
    }
    commands[position].call_name = new.to_vec();
    Ok(())
}

/// A name of one to eight bytes as a number: two of the same length are the same if their numbers are.
#[inline]
pub(super) fn packed(name: &[u8]) -> Option<u64> {
    match name {
        [one] => Some(u64::from(*one)),
        [one, two] => Some(u64::from(u16::from_le_bytes([*one, *two]))),
        [one, two, three] => Some(u64::from(u32::from_le_bytes([*one, *two, *three, 0]))),
        _ if name.len() > 8 => None,
        _ => {
            // The halves overlap where the name is shorter than eight.
            let [head, tail] = [*name.first_chunk()?, *name.last_chunk()?].map(u32::from_le_bytes);
            Some(u64::from(head) | u64::from(tail) << 32)
        }
    }
}

/// Mixes length, first and last eight bytes, blind to the case of letters.
#[inline]
fn name_hash(name: &[u8]) -> usize {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    let (head, tail) = match packed(name) {
        Some(all) => (all, 0),
        None => {
            let [head, tail] = [name.first_chunk(), name.last_chunk()];
            (
                head.map_or(0, |head| u64::from_le_bytes(*head)),
                tail.map_or(0, |tail| u64::from_le_bytes(*tail)),
            )
        }
    };
    let (head, tail) = (head | FOLD, tail | FOLD);
    let mixed = (head ^ tail.rotate_left(29) ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as usize
}
