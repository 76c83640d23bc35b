//! What rules know of commands: their names, their categories, and which are parts of others.

use std::collections::HashMap;

use crate::spec::AclCategories;

const REPLICATION: AclCategories =
    AclCategories::ADMIN.union(AclCategories::SLOW).union(AclCategories::DANGEROUS);
/// Commands of Redis that this server doesn't have. Rules may name them, so that the users of a replicated server, or of one
/// with vector sets, load; who sends one hears that it is unknown. Those of modules are in no category.
const ABSENT: &[(&str, AclCategories)] = &[
    ("failover", REPLICATION),
    ("psync", REPLICATION),
    ("replconf", REPLICATION),
    ("replicaof", REPLICATION),
    ("slaveof", REPLICATION),
    ("sync", REPLICATION),
    ("vadd", AclCategories::NONE),
    ("vcard", AclCategories::NONE),
    ("vdim", AclCategories::NONE),
    ("vemb", AclCategories::NONE),
    ("vgetattr", AclCategories::NONE),
    ("vinfo", AclCategories::NONE),
    ("vismember", AclCategories::NONE),
    ("vlinks", AclCategories::NONE),
    ("vrandmember", AclCategories::NONE),
    ("vrem", AclCategories::NONE),
    ("vsetattr", AclCategories::NONE),
    ("vsim", AclCategories::NONE),
];

/// One command or subcommand.
#[derive(Clone, Debug)]
pub struct CommandFacts {
    /// Its number, which bit sets know it by.
    pub id: u16,
    /// In lower case: `get`, `config|set`.
    pub full_name: String,
    pub categories: AclCategories,
    /// The number of the command that it is a subcommand of.
    pub parent: Option<u16>,
}

/// All commands, also those that `rename-command` has hidden: rules speak of them by their first names. And those that there
/// are elsewhere ([`ABSENT`]), with numbers behind all others.
#[derive(Default)]
pub struct Catalogue {
    commands: Vec<CommandFacts>,
    by_name: HashMap<String, usize>,
    /// Numbers of subcommands, by that of their container.
    children: HashMap<u16, Vec<u16>>,
    /// One more than the largest number.
    id_end: usize,
}

impl Catalogue {
    pub fn new(commands: impl IntoIterator<Item = CommandFacts>) -> Catalogue {
        let mut catalogue = Catalogue { commands: commands.into_iter().collect(), ..Catalogue::default() };
        let end = catalogue.commands.iter().map(|facts| facts.id + 1).max().unwrap_or(0);
        let absent = (end..).zip(ABSENT).map(|(id, (name, categories))| {
            debug_assert!(catalogue.commands.iter().all(|facts| facts.full_name != *name), "{name} is here");
            CommandFacts { id, full_name: (*name).to_owned(), categories: *categories, parent: None }
        });
        let absent: Vec<CommandFacts> = absent.collect();
        catalogue.commands.extend(absent);
        for (position, facts) in catalogue.commands.iter().enumerate() {
            catalogue.by_name.insert(facts.full_name.clone(), position);
            catalogue.id_end = catalogue.id_end.max(usize::from(facts.id) + 1);
            if let Some(parent) = facts.parent {
                catalogue.children.entry(parent).or_default().push(facts.id);
            }
        }
        catalogue
    }

    /// The command called `get` or `config|set`, in any case.
    pub fn find(&self, full_name: &[u8]) -> Option<&CommandFacts> {
        let name = std::str::from_utf8(full_name).ok()?.to_ascii_lowercase();
        self.commands.get(*self.by_name.get(&name)?)
    }

    /// The subcommands of a command.
    pub fn children(&self, id: u16) -> &[u16] {
        self.children.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The commands of a category, and their names, in the order of the table.
    pub fn of_category(&self, category: AclCategories) -> impl Iterator<Item = &CommandFacts> {
        self.commands.iter().filter(move |facts| facts.categories.contains(category))
    }

    /// One more than the largest number of a command.
    pub fn id_end(&self) -> usize {
        self.id_end
    }
}
